"""Memory that runs out, told as what can be done about it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from prep.errors import EXIT_PROBLEMS, UserError

_WORDS = ("not enough memory", "can't allocate memory", "out of memory", "ALLOC_FAILED")
"""What torch says of the CPU's memory and of CUDA's libraries, which have no error of their own."""

FREE_MEMORY = "End other programs that use the GPU (nvidia-smi shows them), or use less resolution."


class MemoryRanOutError(UserError):
    """Work that does not fit; more memory or less work is needed."""

    exit_code = EXIT_PROBLEMS


def ran_out(error: BaseException) -> bool:
    """Does an error mean that memory ran out?"""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _WORDS)


@contextmanager
def catch_out_of_memory(work: str, hint: str) -> Iterator[None]:
    """Turn the error of memory that ran out into one for people.

    Args:
        work: What did not fit, as "drawing 512x512".
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
