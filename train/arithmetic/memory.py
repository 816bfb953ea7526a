"""Running out of memory, reported with what can be done about it."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import torch

from prep.errors import EXIT_PROBLEMS, UserError

_WORDS = ("not enough memory", "can't allocate memory", "out of memory", "ALLOC_FAILED")
"""How torch reports the CPU's memory and CUDA's libraries, which have no error class."""

FREE_MEMORY = (
    "End other programs that use the GPU (nvidia-smi lists them), or lower the resolution."
)


def give_back() -> None:
    """Give memory that was freed back to the system, which the C library would keep for later.

    It keeps blocks below 32 MiB, that is nearly all weights of a model, once such have been freed
    (``mallopt(3)``, ``M_MMAP_THRESHOLD``). Only glibc has and needs this.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


class MemoryRanOutError(UserError):
    """The work does not fit into memory."""

    exit_code = EXIT_PROBLEMS


def ran_out(error: BaseException) -> bool:
    """Return whether an error means that memory ran out."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _WORDS)


@contextmanager
def catch_out_of_memory(work: str, hint: str) -> Iterator[None]:
    """Turn an out-of-memory error into a message for users.

    Args:
        work: What did not fit, such as "drawing 512x512".
        hint: What to do.

    Raises:
        MemoryRanOutError: In place of torch's error.
    """
    try:
        yield
    except Exception as error:
        if not ran_out(error):
            raise
        raise MemoryRanOutError(f"Memory ran out: {work}.", hint) from error
