"""What lies over the large picture on demand: the bucket's cut, the crops, the mask."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from PIL import Image

from prep.dataset import masks, stored_crops
from prep.dataset.index import ImageRow
from prep.images import decode
from prep.images.crops import Rect, kept, rects
from prep.images.crops.draft import opened
from prep.images.crops.heads import Head
from prep.language import _
from prep.project import Project
from tui.graphics.crop_marks import crop_marks
from tui.graphics.view import WHOLE

Overlay = Literal["", "cut", "crop", "mask"]
OVERLAYS: tuple[Overlay, ...] = ("", "cut", "crop", "mask")
_NOTHING = 0.005
"""Share of a picture that is too small to speak of."""


def overlaid(project: Project, row: ImageRow, overlay: Overlay) -> Image.Image:
    """Return the picture of an image with an overlay; as it is where there is nothing to show.

    Raises:
        UserError: The image, its mask or ``work.db`` cannot be read.
    """
    from tui.graphics.hatching import hatched, of_mask, within  # needs numpy

    image = decode(project.root / row.path)
    if overlay == "mask":
        mask = masks.Finder(project).mask(row)
        return image if mask is None else hatched(image, of_mask(masks.read(mask, row)))
    parts = _parts(project, row, overlay)
    return hatched(image, within((row.width, row.height), parts)) if parts else image


def _parts(project: Project, row: ImageRow, overlay: Overlay) -> Sequence[Rect]:
    """Return the parts of an image that are used."""
    crops, size = stored_crops.stored_of_image(project, row.path), (row.width, row.height)
    if overlay == "cut":
        return [kept(part, project.buckets.fit(part.size)) for part in rects(crops, size)]
    return rects(crops, size) if overlay == "crop" and crops else []


def with_crops(project: Project, row: ImageRow, heads: Sequence[Head] = ()) -> Image.Image:
    """Return the picture of an image with heads, its crops, and what a trainer keeps of one.

    That is the first one that cuts a head off.

    Raises:
        UserError: The image or ``work.db`` cannot be read.
    """
    size, boxes = (row.width, row.height), stored_crops.stored_of_image(project, row.path)
    draft = opened(size, project.buckets, boxes)
    first = next((place for place, cuts in enumerate(draft.cuts(heads)) if cuts), 0)
    marks = crop_marks(replace(draft, place=first), heads)
    return marks.drawn(decode(project.root / row.path), WHOLE)


def legend(project: Project, row: ImageRow, overlay: Overlay) -> str:
    """Return what an overlay shows in an image, in words."""
    if overlay == "cut":
        parts = rects(stored_crops.stored_of_image(project, row.path), (row.width, row.height))
        if all(project.buckets.fit(part.size).cut < _NOTHING for part in parts):
            return _("overlay: the bucket cuts nothing off")
        return _("overlay: hatched is what the bucket cuts off")
    if overlay == "crop":
        if stored_crops.stored_of_image(project, row.path):
            return _("overlay: hatched is what lies outside the crops")
        return _("overlay: this image has no crop")
    if overlay == "mask":
        mask = masks.Finder(project).mask(row)
        if mask is None:
            return _("overlay: this image has no mask")
        if mask.source == "alpha":
            return _("overlay: hatched is what is transparent, which serves as mask")
        return _("overlay: hatched is what the mask leaves out")
    return ""
