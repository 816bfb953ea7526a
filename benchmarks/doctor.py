"""Does the doctor call ailments by their names, and leave a healthy run alone?

``python -m benchmarks.doctor FOLDER``: FOLDER is a finished ``shikomi demo --dir FOLDER``, whose
training set is trained in five ways: as the demo does; at a hundred times and at a hundredth of its
learning rate; on five images for 350 steps; and with a picture of noise and one image that is shown
40 times as often as the others. Some 20 minutes on two cores.
"""

import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from prep.errors import UserError
from prep.events import Diagnosis, ImageLoss
from prep.project import Project
from train.config import TrainSettings
from train.doctor import run as doctor
from train.job.begin import begin
from train.job.follow import follow

_DATASET = """\
[general]
caption_extension = ".txt"
shuffle_caption = true
[[datasets]]
resolution = 64
enable_bucket = true
min_bucket_reso = 48
max_bucket_reso = 80
bucket_reso_steps = 8
"""
_SUBSET = """\
[[datasets.subsets]]
image_dir = "{folder}"
num_repeats = {repeats}
keep_tokens = 1
"""


class Ailment(NamedTuple):
    """A run that is ill on purpose.

    Attributes:
        name: Of the ailment.
        repeats: Of the folders that are trained on.
        settings: Beside the demo's.
        expected: What the doctor should find.
    """

    name: str
    repeats: dict[str, int]
    settings: dict[str, Any]
    expected: frozenset[str]


def _rate(factor: float) -> dict[str, float]:
    """Return the demo's rates, multiplied."""
    return {"learning_rate": 2e-3 * factor, "text_encoder_learning_rate": 1e-3 * factor}


_NOTHING: frozenset[str] = frozenset()
_AILMENTS = (
    Ailment("healthy", {"all": 2}, {"max_steps": 120}, _NOTHING),
    Ailment(
        "rate x 100", {"all": 2}, {"max_steps": 40} | _rate(100), frozenset({"not learning", "NaN"})
    ),
    Ailment(
        "rate / 100", {"all": 2}, {"max_steps": 120} | _rate(0.01), frozenset({"not learning"})
    ),
    Ailment(
        "too long on five images",
        {"few": 8},
        {"max_steps": 350, "batch_size": 4, "validation_fraction": 0.5},
        frozenset({"overfitting"}),
    ),
    Ailment(
        "odd images",
        {"all": 1, "often": 40, "noise": 2},
        {"max_steps": 160},
        frozenset({"overfitting"}),
    ),
)
_COMMON = {
    "epochs": 1000,
    "sample_prompts": (),
    "sample_every_steps": 0,
    "save_every_steps": 0,
    "validate_every_epochs": 1,
}


def main() -> None:
    """Train, ask the doctor, print what it found beside what it should."""
    project = Project.open(Path(sys.argv[1]))
    folder = project.root / "ailments"
    _make_folders(project, folder)
    for ailment in _AILMENTS:
        dataset = folder / "dataset.toml"
        subsets = (_SUBSET.format(folder=folder / n, repeats=r) for n, r in ailment.repeats.items())
        dataset.write_text(_DATASET + "".join(subsets), "utf-8")
        overrides = {**project.settings.train, **_COMMON, **ailment.settings}
        job = _run(project, TrainSettings.model_validate(overrides), dataset)
        found = {
            event.topic
            for event in doctor.run(project, job)
            if isinstance(event, Diagnosis) and event.problem
        }
        # The demo's mascot is always shown whole, which the few images show, too.
        told = ", ".join(sorted(found - {"unwanted elements"})) or "nothing"
        verdict = "as expected" if found - {"unwanted elements"} == ailment.expected else "WRONG"
        print(f"{ailment.name}: found {told}: {verdict}", flush=True)
        with suppress(UserError):  # a run that fails has saved nothing
            _show_images(project, job)


def _show_images(project: Project, job: str) -> None:
    for event in doctor.images(project, job, 1):
        if isinstance(event, ImageLoss) and event.verdict:
            moved = f"{event.first or 0:.2f} -> {event.last or 0:.2f}"
            name = Path(event.path).name
            print(f"    {event.verdict}: {name}, {event.exposures} times, {moved}", flush=True)


def _make_folders(project: Project, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("all", "few", "often", "noise"):
        (folder / name).mkdir(parents=True)
    images = sorted((project.output / "dataset").glob("*/*.webp"))
    for number, image in enumerate(images):
        for place in ("all", "few") if number % 3 == 0 and number < 30 else ("all",):
            for file in (image, image.with_suffix(".txt")):
                shutil.copy(file, folder / place)
    middle = images[len(images) // 2]
    with Image.open(middle) as picture:
        mirrored = picture.convert("RGB").transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        mirrored.save(folder / "often" / "often.png")
    shutil.copy(middle.with_suffix(".txt"), folder / "often" / "often.txt")
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "noise" / "noise.png")
    shutil.copy(middle.with_suffix(".txt"), folder / "noise" / "noise.txt")


def _run(project: Project, settings: TrainSettings, dataset: Path) -> str:
    work = begin(project, settings, dataset)
    while True:
        try:
            next(work)
        except StopIteration as end:
            for _ in follow(end.value):
                pass
            return str(end.value.name)


if __name__ == "__main__":
    main()
