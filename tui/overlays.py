"""What lies over the large picture on demand: the bucket's cut, the crops, the mask."""

from typing import Literal

import numpy as np
from PIL import Image

from prep.dataset import masks, stored_crops
from prep.dataset.index import ImageRow
from prep.images import decode
from prep.images.crops import kept, rects
from prep.language import _
from prep.project import Project
from tui.graphics.hatching import Shares, hatched, within

Overlay = Literal["", "cut", "crop", "mask"]
OVERLAYS: tuple[Overlay, ...] = ("", "cut", "crop", "mask")
_NOTHING = 0.005
"""Share of a picture that is too small to speak of."""


def overlaid(project: Project, row: ImageRow, overlay: Overlay) -> Image.Image:
    """Return the picture of an image with an overlay; as it is where there is nothing to show.

    Raises:
        UserError: The image, its mask or ``work.db`` cannot be read.
    """
    image = decode(project.root / row.path)
    shares = _shares(project, row, overlay)
    return image if shares is None else hatched(image, shares)


def _shares(project: Project, row: ImageRow, overlay: Overlay) -> Shares | None:
    size = (row.width, row.height)
    if overlay == "mask":
        mask = masks.Finder(project).mask(row)
        if mask is None:
            return None
        return np.asarray(masks.read(mask, row), np.float32) / np.float32(255)
    crops = stored_crops.of(project, row.path)
    if overlay == "cut":
        return within(
            size, [kept(part, project.buckets.fit(part.size)) for part in rects(crops, size)]
        )
    if overlay == "crop" and crops:
        return within(size, rects(crops, size))
    return None


def legend(project: Project, row: ImageRow, overlay: Overlay) -> str:
    """Return what an overlay shows in an image, in words."""
    if overlay == "cut":
        parts = rects(stored_crops.of(project, row.path), (row.width, row.height))
        if all(project.buckets.fit(part.size).cut < _NOTHING for part in parts):
            return _("overlay: the bucket cuts nothing off")
        return _("overlay: hatched is what the bucket cuts off")
    if overlay == "crop":
        if stored_crops.of(project, row.path):
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
