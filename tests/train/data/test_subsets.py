"""Keys that decide what is seen: metadata, masks, crops, kernels, weights, resolutions."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from prep.errors import ConfigError, UserError
from prep.images import pixels
from tests.train.tiny import dataset_text, make_images
from train.config import TrainSettings
from train.data.dataset import Dataset, epoch_batches, split_validation
from train.data.dataset_keys import KERNEL_NAMES, faults_of
from train.data.reading import read_dataset
from train.data.views import View, read_view

SETTINGS = TrainSettings()


def shown_by(view: View) -> NDArray[np.uint8]:
    """Return the pixels of a view as bytes, (height, width, 3)."""
    planes, _ = read_view(view)
    assert planes.dtype == np.float32
    assert -1.0 <= planes.min() <= planes.max() <= 1.0
    return ((planes.transpose(1, 2, 0) + 1.0) * 127.5).round().astype(np.uint8)


def read(folder: Path, text: str = "", **subset: Any) -> Dataset:
    path = folder / "dataset.toml"
    path.write_text(text or dataset_text(**subset))
    return read_dataset(path, TrainSettings())


def names(data: Dataset) -> list[str]:
    return [image.path.name for image in data.images]


# ---- captions --------------------------------------------------------------------------------


def metadata(folder: Path, entries: dict[str, Any]) -> Path:
    make_images(folder / "images", 4)
    for caption in (folder / "images").glob("*.txt"):
        caption.unlink()
    (folder / "meta.json").write_text(json.dumps(entries))
    return folder


def test_a_metadata_file_lists_images_and_captions(tmp_path: Path) -> None:
    entries = {
        str(tmp_path / "images" / "00.png"): {"caption": "a bear", "tags": "mochi, hat"},
        "01": {"tags": "mochi"},
        "02.png": {"caption": "two\nlines"},
        "gone": {"tags": "x"},
        "images/01.png": {"tags": "again"},
    }
    data = read(metadata(tmp_path, entries), metadata_file="meta.json", shuffle_caption=False)
    assert names(data) == ["00.png", "01.png", "02.png"]
    assert [image.caption for image in data.images] == ["a bear, mochi, hat", "mochi", "two, lines"]
    reasons = {Path(event.path).name: event.reason for event in data.skipped}
    assert "does not exist" in reasons["gone"]
    assert "listed twice" in reasons["01.png"]


def test_images_may_be_where_the_metadata_file_is(tmp_path: Path) -> None:
    metadata(tmp_path, {"00": {"tags": "mochi"}})
    (tmp_path / "images" / "meta.jsonl").write_text(
        '{"image_path": "03.png", "caption": "one\\ntwo"}\n'
    )
    text = (
        "[[datasets]]\nresolution = 64\nenable_wildcard = true\n"
        '[[datasets.subsets]]\nmetadata_file = "images/meta.jsonl"\n'
    )
    data = read(tmp_path, text)
    assert names(data) == ["03.png"]
    assert data.images[0].caption == "one\ntwo"


def test_entries_without_captions_are_told_like_images_without_captions(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"1 image has no caption: 00.png"):
        read(metadata(tmp_path, {"00": {}}), metadata_file="meta.json")


def test_wildcards_read_all_lines(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 1)
    (tmp_path / "images" / "00.txt").write_text("a {red|blue} hat\n\nA bear.\n")
    (image,) = read(tmp_path, enable_wildcard=True, shuffle_caption=False).images
    (one,) = epoch_batches([image], 4, 0, 0)[:1]
    seen = {e.caption(0, epoch, 1.0) for epoch in range(40) for e in one}
    assert seen == {"a red hat", "a blue hat", "A bear."}


def test_repeats_and_resolutions_draw_their_own_captions(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 1)
    (tmp_path / "images" / "00.txt").write_text(", ".join("abcdefgh"))
    table = dataset_text(keep_tokens=0, num_repeats=3)
    images = read(tmp_path, table + table.replace("resolution = 64", "resolution = 32")).images
    exposures = [e for batch in epoch_batches(images, 4, 0, 0) for e in batch]
    assert len({e.caption(0, 0, 1.0) for e in exposures}) == len(exposures) == 6
    assert [e.caption(0, 0, 1.0) for e in exposures] == [e.caption(0, 0, 1.0) for e in exposures]


def test_a_mix_needs_commas(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 1)
    path = tmp_path / "dataset.toml"
    path.write_text(dataset_text(caption_separator=";"))
    with pytest.raises(ConfigError, match="separated by commas"):
        read_dataset(path, TrainSettings(caption_mix={"tags": 1.0}))
    path.write_text(dataset_text())
    (image,) = read_dataset(path, TrainSettings(caption_mix={"tags": 0.5, "trigger": 0.5})).images
    assert image.rules.mix == (("tags", 0.5), ("trigger", 0.5))


# ---- masks -----------------------------------------------------------------------------------


def half_mask(size: tuple[int, int] = (64, 64)) -> Image.Image:
    mask = Image.new("L", size, 0)
    mask.paste(255, (0, 0, size[0] // 2, size[1]))
    return mask


def test_masks_come_from_a_folder(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 2)
    (tmp_path / "masks").mkdir()
    half_mask().save(tmp_path / "masks" / "00.png")
    half_mask((32, 32)).save(tmp_path / "masks" / "01.webp", lossless=True)
    data = read(tmp_path, conditioning_data_dir="masks", flip_aug=True)
    for image in data.images:
        _, mask = read_view(View(image))
        assert mask is not None
        assert mask[:, :30].min() == 1.0
        assert mask[:, 34:].max() == 0.0
        _, mirrored = read_view(View(image, flipped=True))
        assert mirrored is not None
        assert np.array_equal(mirrored, mask[:, ::-1])


def test_images_without_a_mask_are_named(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 2)
    (tmp_path / "masks").mkdir()
    half_mask().save(tmp_path / "masks" / "00.png")
    with pytest.raises(UserError, match=r"1 image has no mask in .*masks: 01.png") as caught:
        read(tmp_path, conditioning_data_dir="masks")
    assert "all-white" in (caught.value.hint or "")
    with pytest.raises(UserError, match="cannot be read"):
        read(tmp_path, conditioning_data_dir="nowhere")


def test_a_mask_in_the_alpha_channel_does_not_hide_colours(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    picture = Image.new("RGB", (64, 64), (200, 30, 90))
    picture.putalpha(half_mask())
    picture.save(tmp_path / "images" / "a.png")
    Image.new("RGB", (64, 64), "red").save(tmp_path / "images" / "b.png")
    image, opaque = read(tmp_path, alpha_mask=True, class_tokens="cat").images
    _, mask = read_view(View(image))
    assert (shown_by(View(image)) == (200, 30, 90)).all()
    assert mask is not None
    assert (mask.mean(), mask[0, 0], mask[0, 63]) == (0.5, 1.0, 0.0)
    assert read_view(View(opaque))[1] is None
    # Without alpha_mask, what is transparent is white, and there is no mask.
    (plain, _) = read(tmp_path, class_tokens="cat").images
    assert (shown_by(View(plain))[:, 40:] == 255).all()
    assert read_view(View(plain))[1] is None


def test_masks_decide_the_fingerprint_and_places_do_not(tmp_path: Path) -> None:
    for place in ("one", "two"):
        make_images(tmp_path / place / "images", 1)
        (tmp_path / place / "masks").mkdir()
        half_mask().save(tmp_path / place / "masks" / "00.png")
    first = read(tmp_path / "one", conditioning_data_dir="masks").fingerprint
    assert read(tmp_path / "two", conditioning_data_dir="masks").fingerprint == first
    Image.new("L", (64, 64), 9).save(tmp_path / "two" / "masks" / "00.png")
    assert read(tmp_path / "two", conditioning_data_dir="masks").fingerprint != first


# ---- pixels ----------------------------------------------------------------------------------


def test_random_crops_cover_what_exceeds_the_bucket(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 1, (128, 64))
    text = dataset_text(random_crop=True, num_repeats=1).replace(
        "enable_bucket = true", "enable_bucket = false"
    )
    (image,) = read(tmp_path, text).images
    assert [window.fit.left for window in image.windows] == [0, 16, 32, 48, 64]
    ((exposure,),) = epoch_batches([image], 1, 0, 0)
    shown = [exposure.shown(0, epoch)[0] for epoch in range(60)]
    assert Counter(window.fit.left for window in shown).keys() == {0, 16, 32, 48, 64}
    assert {window.origin.corner for window in shown} == {(x, 0) for x in (0, 16, 32, 48, 64)}
    assert shown == [exposure.shown(0, epoch)[0] for epoch in range(60)]
    left, right = (shown_by(View(window)) for window in (image.windows[0], image.windows[-1]))
    with Image.open(image.path) as picture:
        whole = np.asarray(picture)
    assert np.array_equal(left, whole[:, :64])
    assert np.array_equal(right, whole[:, 64:])


def test_there_is_one_crop_of_what_fits(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 1)
    (image,) = read(tmp_path, random_crop=True).images
    assert image.windows == (image,)


def test_every_kernel_scales(tmp_path: Path) -> None:
    assert set(KERNEL_NAMES) == set(pixels.KERNELS)
    make_images(tmp_path / "images", 1)
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "images" / "00.png")
    seen: dict[str, bytes] = {}
    for kernel in ("", *KERNEL_NAMES):
        extra = {"resize_interpolation": kernel} if kernel else {}
        (image,) = read(tmp_path, **extra).images
        shown = shown_by(View(image))
        assert shown.shape == (64, 64, 3)
        seen[kernel] = shown.tobytes()
    assert seen[""] == seen["area"]
    assert seen["linear"] == seen["bilinear"]
    assert seen["cubic"] == seen["bicubic"]
    assert len(set(seen.values())) == 6


def test_several_resolutions_of_one_folder(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 3)
    table = dataset_text(num_repeats=1)
    data = read(tmp_path, table + table.replace("resolution = 64", "resolution = 32"))
    assert Counter(image.fit.bucket for image in data.images) == {(64, 64): 3, (32, 32): 3}
    batches = epoch_batches(data.images, 2, 0, 0)
    assert sorted(len(batch) for batch in batches) == [1, 1, 2, 2]
    assert all(len({e.image.fit.bucket for e in batch}) == 1 for batch in batches)
    orders = [[b[0].image.part for b in epoch_batches(data.images, 2, 0, n)] for n in range(8)]
    assert len({tuple(order) for order in orders}) > 1  # not one resolution after the other


def test_weights_of_subsets(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 1)
    assert [i.weight for i in read(tmp_path, loss_weight=0.25).images] == [0.25]
    assert [i.weight for i in read(tmp_path).images] == [1.0]


# ---- held-out images -------------------------------------------------------------------------


def split_text(first: str, second: str) -> str:
    table = dataset_text(num_repeats=1)
    other = table.replace("resolution = 64", f"resolution = 32\n{second}")
    return table.replace("resolution = 64", f"resolution = 64\n{first}") + other


def test_datasets_hold_out_shares_of_their_own(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 10)
    text = split_text("validation_split = 0.3\nvalidation_seed = 5", "validation_split = 0")
    data = read(tmp_path, text)
    train, held = split_validation(data, TrainSettings(validation_fraction=0.5))
    # What is held out at one resolution is at the other as well.
    assert len({image.content for image in held}) == 3
    assert len(held) == 6
    assert len(train) == 14
    assert not {i.content for i in train} & {i.content for i in held}
    other = read(tmp_path, text.replace("validation_seed = 5", "validation_seed = 6"))
    assert split_validation(other, SETTINGS)[1] != held
    assert split_validation(data, TrainSettings(seed=7))[1] == held


def test_the_settings_decide_where_the_file_says_nothing(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 10)
    data = read(tmp_path, split_text("", ""))
    assert len(split_validation(data, TrainSettings(validation_fraction=0.2))[1]) == 4


def test_a_dataset_may_be_for_validation_only(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 2)
    make_images(tmp_path / "own", 1)
    Image.new("RGB", (64, 64), "red").save(tmp_path / "own" / "00.png")
    own = dataset_text("own").replace("resolution = 64", "resolution = 64\nvalidation_split = 1.0")
    train, held = split_validation(read(tmp_path, dataset_text() + own), SETTINGS)
    assert [image.folder for image in train] == ["images", "images"]
    assert [image.folder for image in held] == ["own"]


def test_one_picture_is_not_held_out_of_itself(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 1)
    train, held = split_validation(read(tmp_path), TrainSettings(validation_fraction=0.5))
    assert (len(train), held) == (1, [])


def test_keys_of_a_dataset_are_not_keys_of_a_subset() -> None:
    table = {"resolution": 64, "subsets": [{"image_dir": "x", "validation_split": 0.1}]}
    assert faults_of({"datasets": [table]}) == [
        "datasets[0].subsets[0].validation_split belongs into [[datasets]], not into a subset"
    ]
    attributes = {"resolution": 64, "subsets": [{"image_dir": "x", "custom_attributes": {"a": 1}}]}
    assert "loss_weight" in faults_of({"datasets": [attributes]})[0]
