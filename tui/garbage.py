"""Garbage is looked for while nobody types: to go through all there is takes longer than a key may.

On the way to the first frame hardly anything becomes garbage, so that nothing is looked for; what
is there by then stays, and no later collection goes through it.
"""

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from textual.strip import Strip

_SELDOM = 100
"""Collections of young objects after which everything is gone through whatever anybody does: some
dozens of pictures; Python's own number is 10."""
_DUE = 10
"""Collections of young objects after which it is worth while at rest."""


@contextmanager
def held_back() -> Iterator[None]:
    """Look for no garbage until ``settle``, and then only for young one as long as keys come."""
    usual = gc.get_threshold()
    gc.disable()
    gc.set_threshold(*usual[:2], _SELDOM)
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*usual)
        gc.enable()


def settle() -> None:
    """Keep what is there out of all collections; nothing unless they are held back."""
    if _are_held_back():
        gc.freeze()
        gc.enable()


def collect_at_rest() -> None:
    """Go through everything if that is due; nothing unless it is held back."""
    if _are_held_back() and gc.get_count()[2] >= _DUE:
        gc.collect()


def _are_held_back() -> bool:
    return gc.get_threshold()[2] == _SELDOM


_divided = Strip.divide


def _divided_without_itself(strip: Strip, cuts: Iterable[int]) -> Sequence[Strip]:
    """Cut a line; one that stays whole is not kept in its own cache, which nothing else empties."""
    inside = [cut for cut in cuts if cut <= strip.cell_length]
    return [strip] if inside == [strip.cell_length] else _divided(strip, inside)


def free_lines() -> None:
    """Let Textual's lines, and the pictures in them, go when nobody shows them any more."""
    Strip.divide = _divided_without_itself  # type: ignore[method-assign, assignment]
