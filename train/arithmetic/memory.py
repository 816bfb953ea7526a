"""How much memory is left, and running out of it, reported with what can be done about it."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from prep.errors import EXIT_PROBLEMS, UserError

_WORDS = ("not enough memory", "can't allocate memory", "out of memory", "ALLOC_FAILED")
"""How torch reports the CPU's memory and CUDA's libraries, which have no error class."""

FREE_MEMORY = (
    "End other programs that use the GPU (nvidia-smi lists them), or lower the resolution."
)


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


def empty_cache(device: torch.device) -> None:
    """Give back the memory that is held by nothing any more, after work that did not fit."""
    gc.collect()  # an error and the frames that it went through may hold each other
    if device.type == "cuda":
        torch.cuda.empty_cache()


def free_memory(device: torch.device) -> int | None:
    """Return the free memory of a device, bytes; ``None`` where the system does not tell."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        return next(int(x.split()[1]) * 1024 for x in lines if x.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None
