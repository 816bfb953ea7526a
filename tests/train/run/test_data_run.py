"""Whole runs over datasets that use what dataset files offer."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from prep.errors import UserError
from prep.events import Event, Metric, Warned
from tests.train.run.test_loop import CPU, finish, job_in, payload, run_until
from tests.train.tiny import MakeRun, dataset_text, make_sdxl_base
from train.config import RunConfig
from train.lora.file import read_header
from train.run.loop import train

EVERYTHING: dict[str, Any] = {
    "conditioning_data_dir": "masks",
    "random_crop": True,
    "flip_aug": True,
    "enable_wildcard": True,
    "secondary_separator": ";;;",
    "caption_prefix": "photo of",
    "caption_dropout_rate": 0.2,
    "caption_dropout_every_n_epochs": 3,
    "caption_tag_dropout_rate": 0.3,
    "token_warmup_step": 0.5,
    "resize_interpolation": "bicubic",
    "loss_weight": 0.5,
}


def everything(run: RunConfig) -> RunConfig:
    """Use every key in the dataset file of a run, at two resolutions."""
    folder = run.project
    (folder / "masks").mkdir()
    for number, file in enumerate(sorted((folder / "images").glob("*.png"))):
        with Image.open(file) as picture:
            mask = Image.new("L", picture.size, 255)
        mask.paste(0, (0, 0, 8 * number, mask.height))
        mask.save(folder / "masks" / file.name)
        text = f"mochi, {{cat|dog}}, red;;;hat, {number}\nA bear sits on the beach {number}.\n"
        file.with_suffix(".txt").write_text(text)
    table = dataset_text(**EVERYTHING)
    first = table.replace("resolution = 64", "resolution = 64\nvalidation_split = 0.2")
    run.dataset.write_text(first + table.replace("resolution = 64", "resolution = 48"))
    return run


def settings(kind: str, folder: Path) -> dict[str, Any]:
    usual = {"epochs": 3, "batch_size": 3, "save_every_steps": 2, "max_token_length": 150}
    mix = {"caption_mix": {"tags": 0.5, "sentence": 0.3, "both": 0.1, "trigger": 0.1}}
    if kind == "sdxl":
        return usual | {"base": str(make_sdxl_base(folder / "sdxl")), "chunking": "sd_scripts"}
    return usual | mix | {"train_text_encoder": kind == "trained"}


@pytest.mark.parametrize("kind", ["trained", "frozen", "sdxl"])
def test_an_interrupted_run_gives_the_same_bits(
    make_run: MakeRun, tmp_path: Path, kind: str
) -> None:
    run = everything(make_run(**settings(kind, tmp_path)))
    if kind == "sdxl":
        run = run.model_copy(update={"family": "sdxl"})
    summary, events = finish(run, job_in(tmp_path, "whole"))
    whole = payload(run.project / summary["lora"])
    assert len({e.loss for e in events if isinstance(e, Metric) and e.loss is not None}) > 8
    job = job_in(tmp_path, "killed")
    run_until(train(run, job, CPU), 5)
    again, _ = finish(run, job)
    assert payload(run.project / again["lora"]) == whole
    metadata = read_header(run.project / again["lora"]).metadata
    assert metadata["ss_validation_split"] == "0.2"
    assert metadata["ss_resize_interpolation"] == "bicubic"
    assert metadata["ss_caption_dropout_every_n_epochs"] == "3"
    first, second = json.loads(metadata["ss_datasets"])
    assert (first["resolution"], second["resolution"]) == ([64, 64], [48, 48])
    assert first["subsets"][0]["random_crop"] is True


def warnings_of(events: list[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, Warned)]


def test_batches_that_stay_nearly_empty_are_told(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(batch_size=8, max_steps=1)
    for number, height in enumerate((48, 80, 112)):
        Image.new("RGB", (64, height), "red").save(run.project / "images" / f"x{number}.png")
        (run.project / "images" / f"x{number}.txt").write_text("mochi")
    text = run.dataset.read_text()
    run.dataset.write_text(text.replace("num_repeats = 2", "num_repeats = 1"))
    _, events = finish(run, job_in(tmp_path, "few"))
    (told,) = (text for text in warnings_of(events) if "on average" in text)
    assert told.startswith("Batches have 2.7 images on average, not 8")
    assert "3 buckets" in told
    _, events = finish(make_run(batch_size=2, max_steps=1), job_in(tmp_path, "small"))
    assert not any("on average" in text for text in warnings_of(events))


def test_a_single_image_is_told(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(max_steps=1)
    _, events = finish(run, job_in(tmp_path, "five"))
    assert not any("single image" in text for text in warnings_of(events))
    for image in sorted((run.project / "images").glob("*.png"))[1:]:
        image.unlink()
    _, events = finish(run, job_in(tmp_path, "one"))
    assert sum("single image" in text for text in warnings_of(events)) == 1


def test_every_line_that_is_too_long_is_told(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(max_steps=1)
    run.dataset.write_text(dataset_text(enable_wildcard=True))
    (run.project / "images" / "00.txt").write_text("mochi\n" + "a " * 90 + "\n" + "b " * 60 + "\n")
    _, events = finish(run, job_in(tmp_path))
    (told,) = (text for text in warnings_of(events) if "longer than 75" in text)
    assert told.startswith("1 caption is longer than 75 tokens")


def test_nothing_to_train_on_is_said(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    text = dataset_text().replace("resolution = 64", "resolution = 64\nvalidation_split = 1")
    run.dataset.write_text(text)
    with pytest.raises(UserError, match="all are held out"):
        finish(run, job_in(tmp_path))


def test_one_image_is_enough(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(max_steps=2, validation_fraction=0.2, batch_size=4)
    for file in (run.project / "images").iterdir():
        if file.stem != "00":
            file.unlink()
    summary, _ = finish(run, job_in(tmp_path))
    assert summary["steps"] == 2
    assert summary["val_loss_after"] is None
