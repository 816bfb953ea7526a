from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from prep.errors import ConfigError, UserError
from prep.images.buckets import Buckets
from prep.training_set.plan import PlanItem, StepSettings, make_plan
from tests.train.tiny import dataset_text, make_images
from train.config import TrainSettings
from train.data.dataset import Schedule, TrainImage, epoch_batches, split_validation
from train.data.dataset_file import read_dataset_file
from train.data.reading import read_dataset

SETTINGS = TrainSettings()


def write(folder: Path, text: str) -> Path:
    path = folder / "dataset.toml"
    path.write_text(text)
    return path


def test_keys_are_looked_up_from_the_inside_out(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
[general]
caption_extension = "txt"
shuffle_caption = true
keep_tokens = 1
[[datasets]]
resolution = [512, 768]
keep_tokens = 2
[[datasets.subsets]]
image_dir = "a"
[[datasets.subsets]]
image_dir = "b"
keep_tokens = 3
num_repeats = 4
is_reg = true
class_tokens = "cat"
""",
    )
    (part,) = read_dataset_file(path)
    first, second = part.subsets
    assert part.resolution == (512, 768)
    assert part.buckets is None
    assert first.folder == (tmp_path / "a").resolve()
    assert (first.captions.keep_tokens, second.captions.keep_tokens) == (2, 3)
    assert first.caption_extension == ".txt"
    assert first.captions.shuffle
    assert (second.repeats, second.regularization, second.class_tokens) == (4, True, "cat")


@pytest.mark.parametrize(
    ("extra", "clause"),
    [
        ({"num_repeat": 3}, "did you mean num_repeats?"),
        ({"color_aug": True}, "color_aug = True is not supported"),
        ({"keep_tokens": "two"}, "wrong type"),
        ({"face_crop_aug_range": [2.0, 4.0]}, "crop the faces"),
        ({"network_multiplier": 0.5}, "Set alpha"),
        ({"resolution": 64}, "belongs into [[datasets]]"),
        ({"alpha_mask": True, "conditioning_data_dir": "masks"}, "two masks"),
        ({"resize_interpolation": "bicubik"}, "it may be lanczos, box"),
    ],
)
def test_nothing_is_ignored_silently(tmp_path: Path, extra: dict[str, Any], clause: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_dataset_file(write(tmp_path, dataset_text(**extra)))
    assert clause in caught.value.message


def test_unsupported_keys_that_change_nothing_are_fine(tmp_path: Path) -> None:
    plain = read_dataset_file(write(tmp_path, dataset_text()))
    assert (
        read_dataset_file(write(tmp_path, dataset_text(color_aug=False, cache_info=True))) == plain
    )


@pytest.mark.parametrize("text", ["[[datasets", "", "[[datasets]]\nresolution = 5\n"])
def test_broken_dataset_files(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        read_dataset_file(write(tmp_path, text))
    with pytest.raises(ConfigError, match="shikomi export"):
        read_dataset_file(tmp_path / "missing.toml")


def test_broken_images_are_left_out_and_reported(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 3)
    (tmp_path / "images" / "01.png").write_bytes(b"nothing")
    data = read_dataset(write(tmp_path, dataset_text()), SETTINGS)
    assert [image.path.name for image in data.images] == ["00.png", "02.png"]
    assert [Path(event.path).name for event in data.skipped] == ["01.png"]


def test_missing_captions_are_listed_unless_there_are_class_tokens(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 3)
    (tmp_path / "images" / "01.txt").unlink()
    (tmp_path / "images" / "02.txt").write_text("")
    with pytest.raises(UserError, match=r"2 images have no caption: 01.png, 02.png"):
        read_dataset(write(tmp_path, dataset_text()), SETTINGS)
    data = read_dataset(write(tmp_path, dataset_text(class_tokens="cat")), SETTINGS)
    assert [image.caption for image in data.images] == ["mochi, cat, hat 0, red", "cat", "cat"]


def test_the_photo_is_turned_before_it_is_placed(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (96, 64)).save(tmp_path / "images" / "a.jpg", exif=exif)
    data = read_dataset(write(tmp_path, dataset_text(class_tokens="cat")), SETTINGS)
    assert data.images[0].size == (64, 96)
    assert data.images[0].fit.bucket == (48, 80)


def mixed(tmp_path: Path, **extra: Any) -> list[TrainImage]:
    make_images(tmp_path / "images", 5)
    make_images(tmp_path / "more", 4, (128, 64))
    for index in range(4):
        for suffix in ("png", "txt"):
            source = tmp_path / "more" / f"{index:02}.{suffix}"
            source.rename(tmp_path / "images" / f"w{index}.{suffix}")
    path = write(tmp_path, dataset_text(num_repeats=3, **extra))
    return list(read_dataset(path, SETTINGS).images)


@pytest.mark.parametrize("batch", [1, 2, 4, 7])
@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("processes", [1, 2])
def test_steps_are_those_of_the_plan(
    tmp_path: Path, batch: int, accumulate: int, processes: int
) -> None:
    images = mixed(tmp_path)
    settings = TrainSettings(batch_size=batch, gradient_accumulation=accumulate, epochs=3)
    schedule = Schedule.make(images, settings, processes)
    items = [PlanItem(image.folder, image.repeats, image.size) for image in images]
    steps = StepSettings.model_validate(
        {"batch_size": batch, "gradient_accumulation": accumulate, "epochs": 3}
    )
    plan = make_plan(items, Buckets((64, 64), 16, 32, 128), steps, processes)
    assert schedule.batches_per_epoch == sum(plan.batches.values())
    assert (schedule.steps_per_epoch, schedule.steps) == (plan.steps_per_epoch, plan.steps)


def test_an_epoch_shows_every_repeat_once(tmp_path: Path) -> None:
    images = mixed(tmp_path)
    batches = epoch_batches(images, 4, 0, 0)
    seen = Counter(exposure.image.path for batch in batches for exposure in batch)
    assert set(seen.values()) == {3}
    assert all(len({e.image.fit.bucket for e in batch}) == 1 for batch in batches)
    assert epoch_batches(images, 4, 0, 0) == batches
    assert epoch_batches(images, 4, 0, 1) != batches
    assert epoch_batches(images, 4, 1, 0) != batches


def test_windows_cover_an_epoch(tmp_path: Path) -> None:
    images = mixed(tmp_path)
    schedule = Schedule.make(images, TrainSettings(batch_size=2, gradient_accumulation=4), 1)
    windows = [schedule.window_of(step) for step in range(schedule.steps_per_epoch)]
    batches = [batch for window in windows for _, batch in window]
    assert batches == epoch_batches(images, 2, 42, 0)


def test_max_steps_ends_a_run(tmp_path: Path) -> None:
    assert Schedule.make(mixed(tmp_path), TrainSettings(max_steps=3), 1).steps == 3


def test_regularization_images_match_the_others(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 5)
    make_images(tmp_path / "reg", 3)
    text = dataset_text() + (
        '[[datasets.subsets]]\nimage_dir = "reg"\nis_reg = true\ncaption_extension = ".txt"\n'
    )
    images = read_dataset(write(tmp_path, text), SETTINGS).images
    regular = [image for image in images if image.regularization]
    assert sum(image.repeats for image in regular) == 10
    assert sorted(image.repeats for image in regular) == [3, 3, 4]


def test_copies_stay_on_one_side_of_the_validation(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 10)
    for index in range(10):
        picture = (tmp_path / "images" / f"{index:02}.png").read_bytes()
        (tmp_path / "images" / f"copy{index}.png").write_bytes(picture)
    path = write(tmp_path, dataset_text(class_tokens="cat"))
    data, settings = read_dataset(path, SETTINGS), TrainSettings(validation_fraction=0.2, seed=1)
    train, held = split_validation(data, settings)
    assert len(held) == 4
    assert len(train) == 16
    assert not {image.content for image in train} & {image.content for image in held}
    assert split_validation(data, settings) == (train, held)
    assert split_validation(data, SETTINGS) == (list(data.images), [])


def test_settings_go_over_the_dataset_file(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 1)
    settings = TrainSettings(
        shuffle_caption=False, keep_tokens=2, caption_dropout=0.5, tag_dropout=0.25
    )
    rules = read_dataset(write(tmp_path, dataset_text()), settings).images[0].rules
    assert (rules.shuffle, rules.keep_tokens) == (False, 2)
    assert (rules.dropout, rules.tag_dropout) == (0.5, 0.25)


@pytest.mark.parametrize(("setting", "expected"), [(None, (0.5, 0.25)), (0.0, (0.0, 0.0))])
def test_no_dropout_goes_over_the_dataset_file_as_well(
    tmp_path: Path, setting: float | None, expected: tuple[float, float]
) -> None:
    make_images(tmp_path / "images", 1)
    text = dataset_text(caption_dropout_rate=0.5, caption_tag_dropout_rate=0.25)
    settings = TrainSettings(caption_dropout=setting, tag_dropout=setting)
    rules = read_dataset(write(tmp_path, text), settings).images[0].rules
    assert (rules.dropout, rules.tag_dropout) == expected


def test_without_buckets_every_image_gets_the_resolution(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 2, (100, 60))
    text = dataset_text().replace("enable_bucket = true", "enable_bucket = false")
    fit = read_dataset(write(tmp_path, text), SETTINGS).images[0].fit
    assert fit.bucket == (64, 64)
    assert fit.resized == (107, 64)
    assert np.isclose(fit.left, (107 - 64) // 2)


def test_litter_is_no_image_and_a_link_no_second_one(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 2)
    for name in ("._00.png", "AlbumArtSmall.jpg", "Thumbs.db"):
        (tmp_path / "images" / name).write_bytes(b"litter")
    (tmp_path / "images" / "02.png").symlink_to("00.png")
    data = read_dataset(write(tmp_path, dataset_text()), SETTINGS)
    assert [image.path.name for image in data.images] == ["00.png", "01.png"]
    assert [Path(event.path).name for event in data.skipped] == ["02.png"]


def test_captions_with_another_suffix_are_named(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 2)
    for text in (tmp_path / "images").glob("*.txt"):
        text.rename(text.with_suffix(".caption"))
    with pytest.raises(UserError) as caught:
        read_dataset(write(tmp_path, dataset_text()), SETTINGS)
    assert caught.value.hint == 'They have .caption files: set caption_extension = ".caption".'
