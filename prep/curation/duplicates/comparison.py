"""What two looks at a pair of pictures say: copy, marked copy, variant, neither, or unclear."""

from collections.abc import Callable
from dataclasses import dataclass

from prep.curation.duplicates import closer, overlay
from prep.curation.duplicates.closer import CloseLook, Pixels
from prep.curation.duplicates.similarity import FirstLook, Thumbnail, first_look

VERSION = 5
"""Version of the comparison: raise it when results may change."""
_UNCLEAR = 40.0
"""Significance up to which it is unclear whether a place has changed."""
_VARIANT_AREA = 0.35
"""Maximum share of a variant that differs."""
_UNLIKE = float("inf")


@dataclass(frozen=True)
class Comparison:
    """The result of comparing two pictures.

    Attributes:
        difference: How visible the most different place is: 0 for the same picture, below 1 for
            copies, infinite for pictures that have nothing in common.
        area: Share of the picture that differs, 0 to 1.
        overlay: Which of the two, 1 or 2, has text or a watermark over it as the only difference;
            0 for none.
        recoloured: One has other colours, or is grey.
        uncertain: It may be a copy, possibly with a mark, or a variant: a person must look.
    """

    difference: float
    area: float = 0.0
    overlay: int = 0
    recoloured: bool = False
    uncertain: bool = False

    @property
    def same(self) -> bool:
        """Return whether they are surely the same picture."""
        return not self.uncertain and (self.difference < 1 or self.overlay > 0)

    @property
    def variant(self) -> bool:
        """Return whether they differ only in a detail, such as a facial expression."""
        unclear = self.same or self.uncertain
        return not unclear and self.difference < _UNLIKE and self.area <= _VARIANT_AREA


NOTHING_ALIKE = Comparison(_UNLIKE, 1.0)


def compare(
    first: Thumbnail, second: Thumbnail, details: Callable[[], tuple[Pixels, Pixels] | None]
) -> Comparison:
    """Compare two pictures at a small size, and closely if that does not rule them out.

    Args:
        first: Thumbnail of a picture.
        second: Thumbnail of another one.
        details: Returns both at the size of ``closer.detailed``; ``None`` if one is gone.
    """
    glance = first_look(first, second)
    if not glance.alike:
        return NOTHING_ALIKE
    pictures = details()
    if pictures is None:
        return NOTHING_ALIKE
    close = closer.look(*pictures, glance.warp)
    return NOTHING_ALIKE if close is None else _judged(glance, close)


def _judged(glance: FirstLook, close: CloseLook) -> Comparison:
    difference = (close.significance / closer.CHANGED) ** 0.5
    if difference < 1:
        return Comparison(difference, recoloured=glance.recoloured, uncertain=close.other_ground)
    likely = max(close.first_marked, close.second_marked)
    which = 1 if close.first_marked > close.second_marked else 2
    sure = likely >= overlay.SURE and not close.other_ground
    unclear = likely >= overlay.POSSIBLE or close.significance < _UNCLEAR
    return Comparison(
        difference,
        close.area,
        which if likely >= overlay.POSSIBLE else 0,
        glance.recoloured,
        unclear and not sure,
    )
