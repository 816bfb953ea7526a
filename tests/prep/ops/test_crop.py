"""The crop operation: by hand, by shape, around the subject, without borders; undoable."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from prep import events
from prep.dataset import stored_crops
from prep.dataset.index import Index
from prep.dataset.journal.edits import Journal
from prep.errors import ConfigError
from prep.images import decode
from prep.images.crops import Box, Rect
from prep.images.crops.snapping import is_legal
from prep.images.pixels import fitted
from prep.ops import buckets, crop, scan
from prep.ops.crop import CropOptions
from prep.project import Project
from tests.conftest import MakeImage
from tests.prep import exporting
from tests.prep.exporting import summary, warnings
from tests.prep.pictures import scene


def run(project: Project, **options: Any) -> list[events.Event]:
    list(scan.run(project))
    return list(crop.run(project, CropOptions(**options)))


def made(found: list[events.Event]) -> dict[str, list[Rect]]:
    return {
        e.path: [Rect(left, top, right, bottom) for left, top, right, bottom in e.parts]
        for e in found
        if isinstance(e, events.Crop)
    }


A = "dataset/10_mochi/a.png"


def test_crops_by_hand_are_kept_snapped_and_undone(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/a.png", 1, (1000, 600))
    found = run(project, set=("100,100,400,300", "0.5,0.5,0.5,0.5"))
    (parts,) = made(found).values()
    assert all(is_legal(project.buckets, part.size) for part in parts)
    assert parts[0].left <= 100
    assert parts[0].right >= 500
    assert summary(found)["crops"] == 2
    assert [box.pixels((1000, 600)) for box in stored_crops.stored(project)[A]] == parts
    with Index(project) as index:
        Journal(index).undo()
        assert stored_crops.read(index.connection) == {}
        Journal(index).redo()
    assert len(stored_crops.stored(project)[A]) == 2


def test_a_dry_run_changes_nothing(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/a.png", 1, (1000, 600))
    found = run(project, set=("0,0,0.5,0.5",), dry_run=True)
    assert len(made(found)) == 1
    assert summary(found)["edit"] == 0
    assert stored_crops.stored(project) == {}


def test_without_snapping_a_crop_is_what_was_asked_for(
    project: Project, make_image: MakeImage
) -> None:
    make_image("10_mochi/a.png", 1, (1000, 600))
    found = run(project, set=("10,20,333,111",), snap=False)
    assert made(found) == {A: [Rect(10, 20, 343, 131)]}


def test_add_keeps_the_whole_image(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/a.png", 1, (1000, 600))
    found = run(project, set=("0,0,512,512",), add=True)
    assert made(found) == {A: [Rect(0, 0, 1000, 600), Rect(0, 0, 512, 512)]}
    assert not made(run(project, set=("0,0,512,512",), add=True))
    assert made(run(project, clear=True)) == {A: []}
    assert stored_crops.stored(project) == {}


def test_shapes(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/a.png", 1, (1000, 600))
    (part,) = made(run(project, bucket="384x640"))[A]
    assert project.buckets.fit(part.size).bucket == (384, 640)
    assert (part.top, part.bottom) == (0, 600)
    assert abs(part.left + part.right - 1000) <= 1
    (same,) = made(run(project, aspect="1:1"))[A]
    assert same.size == (600, 600)


def test_borders_go(project: Project, make_image: MakeImage) -> None:
    boxed = Image.new("RGB", (320, 340), "black")
    boxed.paste(scene(3), (0, 50))
    boxed.save(project.dataset / "10_mochi" / "a.png")
    scene(4).save(project.dataset / "10_mochi" / "b.png")
    found = run(project, borders=True)
    assert list(made(found)) == [A]
    (part,) = made(found)[A]
    assert part.top >= 50
    assert part.bottom <= 290
    assert is_legal(project.buckets, part.size)


def figure(size: tuple[int, int], at: tuple[int, int], radius: int) -> Image.Image:
    image = Image.new("RGB", size, (120, 160, 120))
    across = np.asarray(image).copy()
    rows, columns = np.ogrid[: size[1], : size[0]]
    inside = (columns - at[0]) ** 2 + (rows - at[1]) ** 2 < radius**2
    across[inside] = (220, 60, 40)
    return Image.fromarray(across)


@pytest.mark.parametrize("at", [(150, 200), (450, 200), (800, 220)])
def test_the_subject_is_kept(project: Project, at: tuple[int, int]) -> None:
    figure((960, 400), at, 90).save(project.dataset / "10_mochi" / "a.png")
    (part,) = made(run(project, subject=True, aspect="1:1"))[A]
    assert part.left <= at[0] - 90
    assert part.right >= at[0] + 90
    assert part.size == (400, 400)
    (near,) = made(run(project, subject=True, close=True))[A]
    assert near.left <= at[0] - 90
    assert near.right >= at[0] + 90
    assert near.size[0] * near.size[1] < 0.8 * 960 * 400
    assert is_legal(project.buckets, near.size)


def test_what_does_not_fit_is_skipped(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/a.png", 1, (200, 200))
    make_image("10_mochi/b.png", 2, (900, 900))
    found = run(project, set=("300,300,400,400",))
    assert list(made(found)) == ["dataset/10_mochi/b.png"]
    assert "not inside an image of 200x200" in exporting.skipped(found)[A]
    # A file that broke after the scan is skipped too.
    (project.dataset / "10_mochi" / "b.png").write_bytes(b"no image")
    found = list(crop.run(project, CropOptions(subject=True, where="name:b.png")))
    assert "dataset/10_mochi/b.png" in exporting.skipped(found)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"clear": True, "subject": True},
        {"set": ("0,0,1,1",), "subject": True},
        {"close": True, "aspect": "1:1"},
        {"aspect": "1:1", "bucket": "512x512"},
        {"aspect": "wide"},
    ],
)
def test_faults_are_named(project: Project, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        run(project, **options)


def test_an_export_makes_an_image_of_each_crop(
    project: Project, make_image: MakeImage, out: Path
) -> None:
    make_image("10_mochi/a.png", 1, (1000, 600), caption="mochi, hat")
    make_image("10_mochi/a-crop1.png", 2, (512, 512), caption="mochi")
    run(project, where="name:a.png", set=("0,0,512,512", "0.5,0,0.5,1"), add=True)
    found = exporting.run(project)
    assert summary(found)["images"] == 4
    names = {path.name for path in (out / "10_mochi").glob("*.webp")}
    assert names == {"a-crop1.webp", "a-crop1-2.webp", "a-crop2.webp", "a-crop3.webp"}
    assert (out / "10_mochi" / "a-crop3.txt").read_text() == "mochi, hat"
    picture = decode(project.root / A)
    boxes = stored_crops.stored(project)[A]
    for name, box in zip(("a-crop1-2", "a-crop2", "a-crop3"), boxes, strict=True):
        rect = box.pixels(picture.size)
        fit = project.buckets.fit(rect.size)
        with Image.open(out / "10_mochi" / f"{name}.webp") as image:
            assert np.array_equal(np.asarray(image), fitted(picture.crop(rect.corners), fit))
    assert exporting.counts(exporting.run(project))[0] == 0
    # One crop is called as the image; only what changed is made again.
    run(project, where="name:a.png", set=("0,0,512,512",))
    assert exporting.counts(exporting.run(project)) == (2, 3, 6)


def test_buckets_count_crops(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/a.png", 1, (1000, 600))
    run(project, set=("0,0,512,512",), add=True)
    *found, last = buckets.run(project)
    shapes = {(e.width, e.height): e for e in found if isinstance(e, events.Bucket)}
    assert shapes[512, 512].images == [A]
    assert shapes[512, 512].parts == [(0, 0, 512, 512)]
    assert shapes[640, 384].exposures == 10
    assert isinstance(last, events.Finished)
    assert last.summary["images"] == 2


def test_masks_follow_their_crop(project: Project, make_image: MakeImage, out: Path) -> None:
    left, right = np.zeros((600, 1000), np.uint8), np.zeros((600, 1000, 3), np.uint8)
    left[:, :300] = 255
    right[:, :300] = 255
    place = project.dataset / "10_mochi"
    Image.fromarray(right).save(place / "a.png")
    Image.fromarray(left).save(place / "a-masklabel.png")
    make_image("10_mochi/b.png", 2, (512, 512))
    run(project, where="name:a.png", set=("100,0,600,600",))
    found = exporting.run(project)
    assert "1 image has a mask" in warnings(found)
    assert summary(found)["masks"] == 0
    found = exporting.run(project, layout="webdataset", out=out.with_name("shards"))
    assert "has a mask" not in warnings(found)
    assert summary(found)["masks"] == 1
    found = exporting.run(project, masks="folder")
    with Image.open(out / "masks" / "10_mochi" / "a.png") as mask:
        assert mask.mode == "L"
        shown = np.asarray(mask).astype(int)
    with Image.open(out / "10_mochi" / "a.webp") as picture:
        drawn = np.asarray(picture)[:, :, 0].astype(int)
    # The picture is white where the mask is: pixel for pixel, after crop, scale and cut.
    assert shown.shape == drawn.shape == (512, 512)
    assert np.abs(shown - drawn).max() <= 1
    assert 0.3 < shown.mean() / 255 < 0.37
    with Image.open(out / "masks" / "10_mochi" / "b.png") as white:
        assert white.getextrema() == (255, 255)
    text = (out / "dataset.toml").read_text()
    assert f'conditioning_data_dir = "{out}/masks/10_mochi"' in text
    assert "class_tokens" not in text
    assert exporting.counts(exporting.run(project, masks="folder"))[0] == 0
    # The mask changes, nothing else.
    Image.fromarray(255 - left).save(place / "a-masklabel.png")
    assert exporting.counts(exporting.run(project, masks="folder"))[0] == 1
    assert (out / "10_mochi" / "a.txt").exists() is False


def test_masks_in_the_alpha_channel(project: Project, make_image: MakeImage, out: Path) -> None:
    make_image("10_mochi/a.png", 1, (1000, 600))
    make_image("1_bear/b.png", 2, (512, 512))
    (project.root / "masks" / "10_mochi").mkdir(parents=True)
    grey = Image.linear_gradient("L").resize((1000, 600))
    grey.save(project.root / "masks" / "10_mochi" / "a.png")
    plain = project.saved({"concepts": {"1_bear": {"regularization": True}}})
    found = exporting.run(plain, masks="alpha")
    with Image.open(out / "10_mochi" / "a.webp") as image:
        assert image.mode == "RGBA"
        pixels = np.asarray(image)
    fit = project.buckets.fit((1000, 600))
    picture = decode(project.root / A)
    assert np.array_equal(pixels[:, :, :3], fitted(picture, fit))
    assert np.array_equal(pixels[:, :, 3], fitted(grey, fit))
    text = (out / "dataset.toml").read_text()
    assert text.count("alpha_mask = true") == 1
    assert "is_reg = true" in text
    assert summary(found)["masks"] == 1
    with pytest.raises(ConfigError, match="regularisation"):
        exporting.run(plain, masks="folder")


def test_a_mask_of_another_shape_is_named(
    project: Project, make_image: MakeImage, out: Path
) -> None:
    make_image("10_mochi/a.png", 1, (600, 600))
    make_image("10_mochi/b.png", 2, (600, 600))
    Image.new("L", (300, 600)).save(project.dataset / "10_mochi" / "a-masklabel.png")
    found = exporting.run(project, masks="alpha")
    assert "aspect ratio" in exporting.skipped(found)[A]
    assert not (out / "10_mochi" / "a.webp").exists()


def test_a_box_is_stored_as_fractions(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/a.png", 1, (1024, 512))
    run(project, set=("0.5,0,0.5,1",))
    assert stored_crops.stored(project)[A] == (Box(0.5, 0.0, 0.5, 1.0),)
