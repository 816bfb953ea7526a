"""Masks: found where the field keeps them, and aligned with the upright picture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from prep.dataset.index import ImageRow, Index
from prep.dataset.masks import Finder, Mask, read, read_condition
from prep.errors import UnreadableError
from prep.images import decode
from prep.images.buckets import Buckets, Size
from prep.images.crops import Box
from prep.images.pixels import fitted
from prep.ops import scan
from prep.project import Project
from tests.conftest import MakeImage, draw_numbered


def rows(project: Project) -> dict[str, ImageRow]:
    list(scan.run(project))
    with Index(project) as index:
        return {row.path.rpartition("/")[2]: row for row in index.usable()}


def test_masks_are_found(project: Project, make_image: MakeImage) -> None:
    place = project.dataset / "10_mochi"
    for name in ("label.png", "folder.png", "deep/inner.png", "none.png"):
        make_image(f"10_mochi/{name}", 1)
    draw_numbered(2, (96, 64)).convert("RGBA").save(place / "clear.png")
    mask = Image.new("L", (96, 64), 9)
    mask.save(place / "label-masklabel.png")
    mask.save(place / "label-condlabel.png")
    for file in ("masks/10_mochi/folder.png", "conditioning/10_mochi/deep/inner.webp"):
        target = project.root / file
        target.parent.mkdir(parents=True)
        mask.save(target)
    # One beside the image wins over one in a folder.
    mask.save(project.root / "masks" / "10_mochi" / "label.png")
    found, finder = rows(project), Finder(project)
    masks = {name: finder.mask(row) for name, row in found.items()}
    assert {name: mask and mask.source for name, mask in masks.items()} == {
        "clear.png": "alpha",
        "folder.png": "folder",
        "inner.png": "folder",
        "label.png": "label",
        "none.png": None,
    }
    assert finder.condition(found["label.png"]) == place / "label-condlabel.png"
    assert finder.condition(found["none.png"]) is None
    # In a plain folder of images, folders beside them hold images, not masks.
    plain = Project(place, project.settings)
    assert Finder(plain).mask(rows(plain)["folder.png"]) is None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_masks_are_turned_with_their_image(project: Project, orientation: int) -> None:
    place = project.dataset / "10_mochi"
    stored = draw_numbered(3, (96, 64))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(place / "a.png", exif=exif)
    # Painted over the picture as it is stored; or, by a tool that turns it, upright.
    stored.convert("L").save(place / "stored.png")
    decode(place / "a.png").convert("L").save(place / "upright.png")
    row = rows(project)["a.png"]
    upright = np.asarray(decode(place / "a.png").convert("L"))
    sideways = row.width < row.height
    for name in ("stored", "upright") if sideways else ("upright",):
        mask = read(Mask(place / f"{name}.png", "label"), row)
        assert np.array_equal(np.asarray(mask), upright)


def test_masks_may_be_smaller_but_not_of_another_shape(
    project: Project, make_image: MakeImage
) -> None:
    file = make_image("10_mochi/a.png", 1, (600, 400))
    row, mask = rows(project)["a.png"], file.with_name("m.png")
    Image.new("L", (150, 100), 255).save(mask)
    assert read(Mask(mask, "label"), row).size == (600, 400)
    Image.new("L", (400, 400), 255).save(mask)
    with pytest.raises(UnreadableError, match="aspect ratio"):
        read(Mask(mask, "label"), row)
    mask.write_bytes(b"no image")
    with pytest.raises(UnreadableError):
        read_condition(mask, row)


@given(
    st.tuples(st.integers(80, 700), st.integers(80, 700)),
    st.floats(0, 0.7),
    st.floats(0, 0.7),
    st.floats(0.3, 1),
    st.floats(0.3, 1),
)
@settings(max_examples=40, deadline=None)
def test_a_mask_stays_on_its_pixels(
    size: Size, x: float, y: float, width: float, height: float
) -> None:
    """The same picture as mask and as image: crop, scale and cut leave them the same."""
    grey = Image.linear_gradient("L").resize(size).rotate(33)
    picture = Image.merge("RGB", (grey, grey, grey))
    rect = Box(x, y, width, height).pixels(size)
    fit = Buckets((256, 256), 32, 128, 512).fit(rect.size)
    mask = fitted(grey.crop(rect.corners), fit)
    image = fitted(picture.crop(rect.corners), fit)
    assert mask.shape == image.shape[:2] == (fit.bucket[1], fit.bucket[0])
    assert np.array_equal(mask, image[:, :, 1])
