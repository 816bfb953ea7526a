"""Memory that is free again, given back to the system instead of being kept for later.

The C library keeps a pool for each of up to eight threads a core, and what a thread has freed
there; after a scan of 100,000 images in a program of a dozen threads that was a fifth of its size.
Elsewhere than on Linux with glibc nothing here does anything.
"""

import sys
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctypes import CDLL

_ARENA_MAX = -8
"""``M_ARENA_MAX`` of ``malloc.h``."""
_ARENAS = 2
"""Enough: threads that hold the interpreter lock rarely allocate at the same time."""


def share_pools() -> None:
    """Let all threads share few pools; those of threads that have allocated already stay."""
    if (library := _glibc()) is not None:
        library.mallopt(_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Give back what is free, in a few milliseconds; call it after what took much."""
    if (library := _glibc()) is not None:
        library.malloc_trim(0)


@lru_cache(maxsize=1)
def _glibc() -> "CDLL | None":
    if not sys.platform.startswith("linux"):
        return None
    from ctypes import CDLL  # 10 ms, which a first frame need not wait for

    library = CDLL(None)
    return library if hasattr(library, "malloc_trim") else None
