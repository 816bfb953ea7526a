"""Places that differ are found, also in copies of another size or frame."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from prep.curation.duplicates.places import Place, find, in_frame_of
from tests.prep.curation.duplicate_pictures import photograph

SIZE = (900, 600)
SPOTS = (Place(0.2, 0.3, 0.25, 0.38), Place(0.7, 0.6, 0.78, 0.68))


def dotted(picture: Image.Image, spots: tuple[Place, ...] = SPOTS) -> Image.Image:
    made = picture.copy()
    pen = ImageDraw.Draw(made)
    width, height = picture.size
    for left, top, right, bottom in spots:
        pen.ellipse((left * width, top * height, right * width, bottom * height), (250, 40, 60))
    return made


def holds(box: Place, spot: Place) -> bool:
    """Return whether a box is around a spot, and not much larger."""
    near = all(abs(a - b) < 0.03 for a, b in zip(box, spot, strict=True))
    return near and box.left <= spot.left + 0.005 and box.right >= spot.right - 0.005


@pytest.mark.parametrize("factor", [1.0, 0.6, 1.4])
def test_each_place_is_found(factor: float) -> None:
    picture = photograph(1, SIZE)
    size = round(SIZE[0] * factor), round(SIZE[1] * factor)
    found = find(picture, dotted(picture).resize(size, Image.Resampling.BICUBIC))
    assert found is not None
    boxes = sorted(found.places)
    assert len(boxes) == 2
    assert all(map(holds, boxes, SPOTS))
    around = found.around
    assert around == Place(boxes[0].left, boxes[0].top, boxes[1].right, boxes[1].bottom)


def test_copies_have_no_places() -> None:
    picture = photograph(2, SIZE)
    found = find(picture, picture.resize((450, 300), Image.Resampling.BICUBIC))
    assert found is not None
    assert found.places == ()
    assert found.around is None


def test_other_pictures_cannot_be_laid_over_each_other() -> None:
    assert find(photograph(1, SIZE), photograph(7, SIZE)) is None


def test_a_crop_lies_where_it_was_cut_from() -> None:
    picture = photograph(3, SIZE)
    crop = dotted(picture).crop((20, 12, 890, 594))
    found = find(picture, crop)
    assert found is not None
    assert all(map(holds, sorted(found.places), SPOTS))
    laid = np.asarray(in_frame_of(picture.size, crop, found.warp), float)
    assert laid.shape == (600, 900, 3)
    assert laid[5, 5].tolist() == [128, 128, 128]
    off = np.abs(laid - np.asarray(picture, float))[40:160, 40:860]
    assert off.mean() < 2.5
