"""Does everything that can be trained learn the mascot? One short run each, on the demo world.

    python -m benchmarks.learning [--only lora prodigy] [--sheet learning.png] [--steps 80]

Each row is a run of the demo project (`shikomi demo`) with other settings: the kinds of networks,
the optimisers, and the text encoders trained or frozen, of the SD 1.5 base and of the SDXL base.
Rates are those that the settings' documentation names, relative to the demo's own. Printed: the
loss of the held-out images before and after, how surely the tagger finds the mascot's own three
tags in the drawings (0 to 1; the prompt of half of them is the trigger word alone), and
seconds of processor time for each step. The sheet shows the drawings; seeds are the same in all
rows.
"""

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from PIL import Image, ImageOps

from prep.events import Event, Finished, Metric, Sample
from prep.project import Project
from prep.system import jobs
from sample_data.make.reading import Reader
from train import demo
from train.config import RunConfig, TrainSettings
from train.job.start import run_config
from train.run import capacity
from train.run.loop import train
from train.run.processes import ProcessGroup
from train.sampling.grid import sheet
from train.settings.model import FamilyName

OWN_TAGS = ("bear", "green_body", "star_mark")
PROMPTS = ("mochi", "mochi, smile, beach", "mochi", "mochi, top hat, night sky")
RATE, TEXT_RATE = 2e-3, 1e-3
"""The demo's."""
LONGER: dict[FamilyName, int] = {"sd15": 1, "sdxl": 2}
"""How many times the steps: the SDXL base was trained for minutes and knows less."""


@dataclass(frozen=True)
class Case:
    """A row: a run with these settings beside the demo's."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    family: FamilyName = "sd15"


PLAIN = {"conv_rank": 0}
NO_TEXTS = {"train_text_encoder": False, "text_encoder_learning_rate": None}
CASES = (
    Case("lora", PLAIN),
    Case("locon"),
    Case("dora", {"network": "dora"}),
    Case("dora, by output", {"network": "dora", "dora_axis": "output"}),
    Case("loha", {"network": "loha", "rank": 8, "alpha": 4.0, "conv_rank": 8, "conv_alpha": 4.0}),
    # The default factor of 8 is for layers of 320 and more; these have 64 and 128.
    Case("lokr", {"network": "lokr", "lokr_factor": 4}),
    Case("lokr, factor 8", {"network": "lokr"}),
    Case("t-lora", {"noisy_rank_share": 0.5}),
    Case("rslora, rank 64", {"rank_stabilised": True, "rank": 64, "alpha": 8.0}),
    Case(
        "full",
        {
            **{key: TrainSettings.model_fields[key].default for key in ("rank", "alpha")},
            **{"conv_rank": 0, "conv_alpha": 1.0, "method": "full", "learning_rate": 2e-4},
            **{"train_text_encoder": True, "text_encoder_learning_rate": 2e-4},
        },
    ),
    Case("adamw8bit", {"optimizer": "adamw8bit"}),
    Case("lion", {"optimizer": "lion", "learning_rate": 4e-4, "text_encoder_learning_rate": 2e-4}),
    Case(
        "lion8bit",
        {"optimizer": "lion8bit", "learning_rate": 4e-4, "text_encoder_learning_rate": 2e-4},
    ),
    Case("adafactor", {"optimizer": "adafactor"}),
    Case(
        "prodigy",
        {"optimizer": "prodigy", "learning_rate": 1.0, "text_encoder_learning_rate": None},
    ),
    Case(
        "schedulefree",
        {
            **{"optimizer": "schedulefree", "scheduler": "constant"},
            **{"learning_rate": 3 * RATE, "text_encoder_learning_rate": 3 * TEXT_RATE},
        },
    ),
    Case("texts frozen", NO_TEXTS),
    Case("texts alone", {"train_unet": False}),
    Case("sdxl, texts frozen", NO_TEXTS, "sdxl"),
    Case("sdxl, both texts", {"train_text_encoder": True}, "sdxl"),
    Case(
        "sdxl, first text",
        {"train_text_encoder": True, "text_encoder_2_learning_rate": 0.0},
        "sdxl",
    ),
    Case(
        "sdxl, second text",
        {
            **{"train_text_encoder": True, "text_encoder_learning_rate": 0.0},
            **{"text_encoder_2_learning_rate": TEXT_RATE},
        },
        "sdxl",
    ),
)


@dataclass(frozen=True)
class Outcome:
    """What a run came to; pictures by the step after which they were drawn."""

    before: float
    after: float
    own_tags: float
    seconds: float
    pictures: dict[int, list[Image.Image]]


def made_project(folder: Path) -> tuple[Project, Path]:
    """Return the demo's project up to its training set, and the dataset file."""
    project = demo.prepare(folder)
    stream = demo.make_training_set(project, demo.Stages())
    while True:
        try:
            next(stream)
        except StopIteration as end:
            project, summary = end.value
            return project, project.root / summary["dataset_toml"]


def base_of(family: FamilyName) -> Path:
    """Return the base model of a family."""
    return Path(__file__).parents[1] / "sample_data" / {"sd15": "base", "sdxl": "sdxl"}[family]


def run_of(project: Project, dataset: Path, case: Case, steps: int) -> RunConfig:
    """Return a run that draws at its end, and saves and validates no more than it must."""
    values = {
        **demo.SETTINGS["train"],
        **{"base": str(base_of(case.family)), "max_steps": steps, "validate_every_epochs": 999},
        **{"save_every_steps": 0, "sample_every_steps": steps, "sample_at_start": True},
        **{"sample_prompts": [f"{text} --d {i + 1}" for i, text in enumerate(PROMPTS)]},
        **{"sample_steps": 12, "sample_cfg": 4.5, **case.settings},
    }
    run = run_config(project, TrainSettings.model_validate(values), dataset)
    name = case.name.replace(", ", "-").replace(" ", "-")
    return run.model_copy(
        update={"name": name, "family": case.family, "samples": run.samples.with_name(name)}
    )


def trained(run: RunConfig, folder: Path) -> Iterator[Event]:
    """Train in this process."""
    folder.mkdir(parents=True)
    # The demo's vocabulary is its own, which a checkpoint for other programs must not have.
    with mock.patch.object(capacity, "check_base"):
        yield from train(run, jobs.Job(folder), ProcessGroup(torch.device("cpu")))


def measured(run: RunConfig, folder: Path, reader: Reader) -> Outcome:
    """Train, draw, and let the tagger look."""
    pictures: dict[int, list[Image.Image]] = defaultdict(list)
    summary: dict[str, Any] = {}
    clock: list[float] = []
    for event in trained(run, folder):
        if isinstance(event, Metric) and event.loss is not None:
            clock.append(time.process_time())
        elif isinstance(event, Sample):
            with Image.open(run.project / event.path) as picture:
                pictures[event.step or 0].append(picture.convert("RGB"))
        elif isinstance(event, Finished):
            summary = event.summary
    return Outcome(
        summary["val_loss_before"],
        summary["val_loss_after"],
        own_tags(pictures[summary["steps"]], reader),
        statistics.median(later - sooner for sooner, later in pairwise(clock)),
        pictures,
    )


def own_tags(pictures: Sequence[Image.Image], reader: Reader) -> float:
    """Return the mean score of the mascot's own tags."""
    columns = [index for index, row in enumerate(reader.rows) if row.name in OWN_TAGS]
    return float(reader.scores(pictures)[:, columns].mean())


def report(name: str, outcome: Outcome) -> str:
    """Return a line of the table."""
    change = outcome.after / outcome.before - 1
    losses = f"{outcome.before:.4f} {outcome.after:.4f} {change:+7.1%}"
    return f"{name:<20} {losses} {outcome.own_tags:9.2f} {outcome.seconds:9.2f}"


def save_sheet(drawn: Mapping[str, Sequence[Image.Image]], path: Path) -> None:
    """Write the pictures, twice as large as they are, in rows with their names."""
    rows = [[ImageOps.scale(p, 2, Image.Resampling.NEAREST) for p in row] for row in drawn.values()]
    sheet(rows, [text.partition(", ")[2] for text in PROMPTS], list(drawn), "mochi").save(path)


def main() -> None:
    """Train the cases one after another; print each as soon as it is there."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=[], help="names of rows, or their beginnings")
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--sheet", type=Path, default=Path("learning.png"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    chosen = [c for c in CASES if not options.only or c.name.startswith(tuple(options.only))]
    print(f"torch {torch.__version__}, 1 thread; {options.steps} steps of 8 images, SDXL twice")
    print(f"{'':<20} {'before':>6} {'after':>6} {'':>7} {'own tags':>9} {'CPU s':>9}")
    drawn: dict[str, list[Image.Image]] = {}
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        project, dataset = made_project(Path(directory) / "project")
        reader = Reader()
        for case in chosen:
            steps = options.steps * LONGER[case.family]
            run = run_of(project, dataset, case, steps)
            outcome = measured(run, Path(directory) / "jobs" / run.name, reader)
            print(report(case.name, outcome), flush=True)
            drawn.setdefault(f"untrained {case.family}", outcome.pictures[0])
            drawn[case.name] = outcome.pictures[steps]
            save_sheet(drawn, options.sheet)
    print(f"{time.monotonic() - began:.0f} s in all")


if __name__ == "__main__":
    main()
