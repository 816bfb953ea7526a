"""Which images are hard, never learned, or memorised: what a run noted of each.

A loss relative to those of the other images at like timesteps is 1 for a usual image. What an
image shows decides most of it: a plain background is easy. So a verdict needs more than a value:
how sure it is, how it moved in the course of the run, and where the base model began.
"""

from collections.abc import Mapping, Sequence

from prep.events import ImageLoss, Validation
from train.doctor.record import ImageRow

_LEAST = 8
"""Rated exposures before anything is said of an image."""
_SURE = 2.0
"""Standard errors that an image must be away from what is usual."""
_HARD = 1.25
"""Relative loss from which an image is hard."""
_MOVED = 0.1
"""A change between the beginning of the run and its second half, relative to the others."""
_AHEAD = 0.4
"""How much further than the others an image falls that is memorised: its relative loss in the
second half over that at the beginning is below 1 minus this. In the same way, its loss on fixed
noise has fallen by this much more than that of the held-out images."""


def verdict(row: ImageRow, fall: float | None = None, held_out: float | None = None) -> str:
    """Return hard, not learned, memorised or nothing.

    Args:
        row: Of ``images.json``.
        fall: Share by which its loss on fixed noise has fallen, if it is watched.
        held_out: The same of the images held out.

    Returns:
        not learned is hard, and it did not get nearer to the others.
    """
    if fall is not None and held_out is not None and fall - held_out > _AHEAD:
        return "memorised"
    if row.relative is None or row.spread is None or row.rated < _LEAST:
        return ""
    error = _SURE * row.spread / row.rated**0.5
    moved = None
    if row.first and row.last is not None:
        moved = row.last / row.first - 1.0
    if row.relative - error > _HARD:
        return "not learned" if moved is not None and moved > -_MOVED else "hard"
    if moved is not None and row.last is not None and row.first is not None:
        # Half of the exposures, and a quarter of them: both means are less sure than the whole.
        unsure = error * (2.0 / row.last**2 + 4.0 / row.first**2) ** 0.5
        if moved + unsure < -_AHEAD:
            return "memorised"
    return ""


def falls_by_image(rounds: Sequence[Validation]) -> Mapping[str, float]:
    """Return by which share the loss of each watched image has fallen since the first round."""
    if not rounds:
        return {}
    before, now = rounds[0].trained, rounds[-1].trained
    return {
        path: 1.0 - loss / before[path] for path, loss in now.items() if before.get(path, 0.0) > 0
    }


def judged(rows: Sequence[ImageRow], rounds: Sequence[Validation] = ()) -> list[ImageLoss]:
    """Return the images, hardest first; those that could not be rated are last."""
    falls = falls_by_image(rounds)
    held_out = rounds[-1].fall if rounds else None
    found = [
        ImageLoss(
            row.path,
            row.exposures,
            row.relative,
            row.spread,
            row.first,
            row.last,
            verdict(row, falls.get(row.path), held_out),
        )
        for row in rows
        if not row.regularization
    ]
    return sorted(found, key=lambda image: (image.relative is None, -(image.relative or 0.0)))
