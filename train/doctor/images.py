"""Which images are hard, never learned, or memorised: what a run noted of each.

A loss relative to those of the other images at like timesteps is 1 for a usual image. What an
image shows decides most of it: a plain background is easy. So a verdict needs more than a value:
how sure it is, how it moved in the course of the run, and where the base model began. The
thresholds were measured, see ``benchmarks/doctor.txt``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from prep.events import ImageLoss, Validation
from train.doctor.record import ImageRow

_LEAST = 8
"""Rated exposures before anything is said of an image."""
_LEAST_MOVED = 20
"""The same before a movement alone makes a verdict: a quarter of them is five."""
_SURE = 2.0
"""Standard errors that an image must be away from what is usual."""
_HARD = 1.5
"""Relative loss from which an image is hard. Of 28 images of a healthy run the hardest was at 1.6,
and surely above 1.4; a picture of noise at 2.4, and surely above 2.1."""
_AHEAD = 0.3
"""How much further than the others an image falls that is memorised: its relative loss in the
second half over that at the beginning is surely below 1 minus this. One that was shown 40 times as
often as the others was at 0.4; in a healthy run none was beyond 0.2."""
_BEYOND = 0.4
"""The same on fixed noise, beside the images held out: 1.6 in a run that learned its images by
heart, 0.1 in a healthy one."""


@dataclass(frozen=True)
class Usual:
    """Relative losses of a usual image: over the run, at its beginning, in its second half.

    Medians over the images: one image that is shown all the time, or cannot be learned, does not
    move them.
    """

    relative: float
    first: float
    last: float

    @classmethod
    def of(cls, rows: Sequence[ImageRow]) -> "Usual":
        """Return those of a run; 1 where there are none."""
        columns = (
            [value for row in rows if (value := getattr(row, name)) is not None]
            for name in ("relative", "first", "last")
        )
        return cls(*(median(column) or 1.0 if column else 1.0 for column in columns))

    def scaled(self, row: ImageRow) -> ImageRow:
        """Return a row in which 1 is usual."""

        def over(value: float | None, usual: float) -> float | None:
            return None if value is None else value / usual

        return row.model_copy(
            update={
                "relative": over(row.relative, self.relative),
                "spread": over(row.spread, self.relative),
                "first": over(row.first, self.first),
                "last": over(row.last, self.last),
            }
        )


def verdict(row: ImageRow, fall: float | None = None, held_out: float | None = None) -> str:
    """Return hard, not learned, memorised or nothing.

    Args:
        row: Of ``images.json``, scaled so that 1 is usual.
        fall: Share by which its loss on fixed noise has fallen, if it is watched.
        held_out: The same of the images held out.

    Returns:
        not learned is hard, and it did not surely get nearer to the others.
    """
    if fall is not None and held_out is not None and fall - held_out > _BEYOND:
        return "memorised"
    if row.relative is None or row.spread is None or row.rated < _LEAST:
        return ""
    error = _SURE * row.spread / row.rated**0.5
    moved = unsure = None
    if row.first and row.last:
        moved = row.last / row.first - 1.0
        # Half of the exposures, and a quarter of them: both means are less sure than the whole.
        unsure = error * (2.0 / row.last**2 + 4.0 / row.first**2) ** 0.5
    if row.relative - error > _HARD:
        nearer = moved is not None and unsure is not None and moved + unsure < 0
        return "hard" if moved is None or nearer else "not learned"
    if moved is None or unsure is None or row.rated < _LEAST_MOVED:
        return ""
    return "memorised" if moved + unsure < -_AHEAD else ""


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
    own = [row for row in rows if not row.regularization]
    usual, falls = Usual.of(own), falls_by_image(rounds)
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
        for row in map(usual.scaled, own)
    ]
    return sorted(found, key=lambda image: (image.relative is None, -(image.relative or 0.0)))
