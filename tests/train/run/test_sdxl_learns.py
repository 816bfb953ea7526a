"""The small SDXL of the demo world is taught the mascot, and the demo's tagger looks at the result.

The text encoders are frozen, as they are by default. The pictures come as people have them, of all
sizes, and are scaled and cut by the run itself.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from prep import demo_world
from prep.events import Finished, Sample
from prep.system import jobs
from sample_data.make.captions import spoken
from sample_data.make.reading import Reader
from train.config import RunConfig, TrainSettings
from train.run.loop import train
from train.run.processes import ProcessGroup

CPU = ProcessGroup(torch.device("cpu"))
STEPS = 80
PROMPTS = tuple(f"mochi --d {seed}" for seed in range(1, 4))
SETTINGS: dict[str, Any] = {
    "rank": 16,
    "alpha": 16.0,
    "conv_rank": 16,
    "conv_alpha": 16.0,
    "batch_size": 8,
    "max_steps": STEPS,
    "learning_rate": 3e-3,
    "warmup_steps": 5,
    "min_snr_gamma": 0.0,  # the schedule ends in pure noise, which would count for nothing
    "tag_dropout": 0.6,
    "validation_fraction": 0.2,
    "validate_every_epochs": 99,
    "save_every_epochs": 0,
    "sample_every_epochs": 0,
    "sample_every_steps": STEPS,
    "sample_at_start": True,
    "sample_prompts": PROMPTS,
    "sample_cfg": 4.5,
    "sample_steps": 10,
}
DATASET = """
[[datasets]]
resolution = 64
enable_bucket = true
min_bucket_reso = 48
max_bucket_reso = 80
bucket_reso_steps = 8

[[datasets.subsets]]
image_dir = "images"
num_repeats = 10
caption_extension = ".txt"
shuffle_caption = true
keep_tokens = 1
"""


def write_mascot(folder: Path, truth: dict[str, Any]) -> None:
    """Copy the mascot's drawings, each with the trigger word and what is not always true of it."""
    folder.mkdir(parents=True)
    for name, entry in truth["files"].items():
        if entry["kind"] != "original":
            continue
        shutil.copy(demo_world.mascot() / "10_mochi" / name, folder / name)
        known = [tag for tag in entry["tags"] if tag not in truth["defining_tags"]]
        caption = ", ".join([truth["trigger"], *map(spoken, known)])
        (folder / name).with_suffix(".txt").write_text(caption, "utf-8")


def own_tags(pictures: list[Image.Image], names: list[str]) -> float:
    """Return how surely the tagger sees the mascot's own tags, 0 to 1."""
    reader = Reader()
    columns = [index for index, row in enumerate(reader.rows) if row.name in names]
    assert len(columns) == len(names)
    return float(reader.scores(pictures)[:, columns].mean())


def test_the_mascot_is_learnt(tmp_path: Path) -> None:
    truth = json.loads((demo_world.mascot() / "truth.json").read_text("utf-8"))
    write_mascot(tmp_path / "images", truth)
    (tmp_path / "dataset.toml").write_text(DATASET)
    settings = TrainSettings(base=str(demo_world.root() / "sdxl"), **SETTINGS)
    run = RunConfig(
        name="mochi",
        family="sdxl",
        project=tmp_path,
        dataset=tmp_path / "dataset.toml",
        output=tmp_path / "lora",
        samples=tmp_path / "samples",
        cache=tmp_path / "cache",
        train=settings,
    )
    (tmp_path / "job").mkdir()
    pictures: dict[int, list[Image.Image]] = {0: [], STEPS: []}
    for event in train(run, jobs.Job(tmp_path / "job"), CPU):
        if isinstance(event, Sample):
            pictures[event.step or 0].append(Image.open(tmp_path / event.path).convert("RGB"))
    assert isinstance(event, Finished)
    before, after = event.summary["val_loss_before"], event.summary["val_loss_after"]
    print(
        event.summary,
        own_tags(pictures[0], truth["defining_tags"]),
        own_tags(pictures[STEPS], truth["defining_tags"]),
    )
    assert before < 0.27, "the base model is not read as it was trained"
    assert after < 0.87 * before
    assert own_tags(pictures[0], truth["defining_tags"]) < 0.25
    assert own_tags(pictures[STEPS], truth["defining_tags"]) > 0.5
