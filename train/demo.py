"""The whole job on the demo world, from a folder of images to a verdict on the trained LoRA.

It is made of the same operations that a user runs one by one, in the same order, on the same
kind of project. Every number in its summary is measured in that run.
"""

import shutil
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from prep import captions, demo_world, events
from prep.captions.traits import own_traits
from prep.dataset.index import Index
from prep.errors import UnreadableError, UserError
from prep.language import marked, quantity
from prep.ops import buckets, dupes, edit, export, plan, scan, tag
from prep.project import FILE_NAME, Project
from prep.system import jobs
from prep.system.leftovers import unfinished_name
from prep.system.names import with_home
from prep.tagging.models import obtain
from prep.tagging.runtime.tagger import Tagger, score_files
from train.config import TrainSettings
from train.extra import configure_libraries, require_training
from train.job import begin
from train.job.follow import follow
from train.sampling.options import GridOptions, SampleOptions
from train.verdict.recall import judge, trigger_recall

TRIGGER = "mochi"
SAMPLES = 16
"""Pictures drawn with the trigger word alone, without and with the LoRA."""

SETTINGS: dict[str, Any] = {
    "project": {"name": "mochi", "family": "sd15", "resolution": 64},
    "buckets": {"step": 8, "minimum": 48, "maximum": 80},
    "tagger": {"model": "demo"},
    "train": {
        "base": "model/demo-base",
        # The base model is small and draws in few strokes: convolutions and a high rate teach it
        # a new shape in minutes. For Stable Diffusion 1.5 itself start from a preset instead.
        "rank": 16,
        "alpha": 16.0,
        "conv_rank": 16,
        "conv_alpha": 16.0,
        "batch_size": 8,
        "max_steps": 120,
        "learning_rate": 2e-3,
        "text_encoder_learning_rate": 1e-3,
        "warmup_steps": 10,
        # Its noisiest steps have no signal at all, and min-SNR would give them no weight.
        "min_snr_gamma": 0.0,
        "tag_dropout": 0.6,
        "save_every_epochs": 0,
        "save_every_steps": 40,
        "sample_every_epochs": 0,
        "sample_every_steps": 40,
        "validate_every_epochs": 2,
        "sample_prompts": [
            f"{TRIGGER}, smile, beach --d 1",
            f"{TRIGGER}, top hat, night sky --d 2",
        ],
        "sample_cfg": 4.5,
        "sample_steps": 12,
        "validation_fraction": 0.1,
    },
}
"""``shikomi.toml`` of the demo: what a user would write for it."""

Summary = dict[str, Any]
DemoStage = Generator[events.Event, None, Summary]


class Stages:
    """Runs operations one after another, timing each and keeping their events in one stream."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def run(
        self, name: str, stream: Iterator[events.Event], say: Callable[[Summary], str]
    ) -> DemoStage:
        """Pass an operation's events on and return its summary.

        Raises:
            UserError: The operation failed.
        """
        began = time.monotonic()
        yield events.Stage(name)
        summary: Summary = {}
        for event in stream:
            if isinstance(event, events.Failed):
                raise UserError(event.message, event.hint)
            if isinstance(event, events.Finished):
                summary = event.summary
            else:
                yield event
        self.seconds[name] = round(time.monotonic() - began, 2)
        yield events.Stage(name, True, self.seconds[name], say(summary))
        return summary


def run(directory: Path) -> Iterator[events.Event]:
    """Make the demo project in ``directory`` and do the whole job there.

    Running it again in the same directory continues where it stopped.

    Yields:
        The events of every operation, a Stage before and after each; Finished with the summary
        that ``docs/cli.md`` lists.

    Raises:
        UserError: ``directory`` holds something else, or a stage failed.
    """
    require_training()
    project = prepare(directory)
    stages = Stages()
    project, result = yield from make_training_set(project, stages)
    result |= yield from _train(project, stages)
    result |= yield from _look(project, stages, result["lora"])
    yield events.Finished({**result, "project": str(project.root), "seconds": stages.seconds})


def prepare(directory: Path, *, trigger: bool = False) -> Project:
    """Copy the mascot's images and the demo base model into a new project.

    Args:
        directory: Its folder; what is there already stays.
        trigger: Set the trigger word of a new project as well, for somebody who tags it himself.

    Raises:
        UserError: ``directory`` holds something else, or cannot be written.
    """
    root = with_home(directory).resolve()
    if root.exists() and (
        not root.is_dir() or (any(root.iterdir()) and not (root / FILE_NAME).exists())
    ):
        raise UserError(
            f"{directory} holds something else.", "Choose another place: shikomi demo --dir DIR"
        )
    try:
        # File by file and only what is missing: what the user has changed since stays.
        for source, target in (
            (demo_world.mascot(), root / "dataset"),
            (demo_world.base(), root / "model" / "demo-base"),
        ):
            _copy_missing(source, target)
    except OSError as error:
        raise UserError(
            f"{root} cannot be written: {error.strerror}.", "Free space, or choose another --dir."
        ) from error
    project = Project.open(root)
    if project.file.exists():
        return project
    concept = next(path.name for path in sorted(demo_world.mascot().iterdir()) if path.is_dir())
    concepts = {"concepts": {concept: {"trigger": TRIGGER}}} if trigger else {}
    return project.saved(SETTINGS | concepts)


def _copy_missing(source: Path, target: Path) -> None:
    for file in sorted(source.rglob("*")):
        copy = target / file.relative_to(source)
        if file.is_dir() or file.name == "truth.json" or copy.exists():
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        part = copy.with_name(unfinished_name())
        shutil.copyfile(file, part)
        part.replace(copy)


def make_training_set(
    project: Project, stages: Stages
) -> Generator[events.Event, None, tuple[Project, Summary]]:
    """Do everything that comes before training.

    Returns:
        The project as its captions and concepts are now, and what was counted.
    """
    found = yield from _curate(project, stages)
    project = Project.open(project.root)
    return project, found | (yield from _plan(project, stages))


def _curate(project: Project, stages: Stages) -> DemoStage:
    """Scan, leave duplicates out, tag, and give the captions their trigger word."""
    found = yield from stages.run(
        "scan",
        scan.run(project),
        lambda s: f"{quantity(s['images'], 'image')}, {s['unreadable']} unreadable",
    )
    yield from stages.run(
        marked("dupes"),
        dupes.run(project, dupes.DupesOptions(resolve="keep-best")),
        lambda s: f"{quantity(s['groups'], 'group')}, {s['excluded']} left out",
    )
    tagged = yield from stages.run(
        "tag",
        tag.run(project, tag.TagOptions()),
        lambda s: f"{quantity(s['images'], 'image')} tagged by the {s['model']}",
    )
    yield from stages.run("captions", _name_the_mascot(project), lambda s: s["note"])
    with Index(project) as index:
        excluded = sum(row.excluded is not None for row in index.select())
    return {
        "images": found["images"],
        "unreadable": found["unreadable"],
        "duplicates_excluded": excluded,
        "tagged": tagged["images"],
    }


def _name_the_mascot(project: Project) -> Iterator[events.Event]:
    """Prune the tags that nearly all images share, and put the trigger word first."""
    with Index(project) as index:
        folder, images = index.folders()[0]
        traits = own_traits(index.tag_counts(), images, TRIGGER)
    known = project.concept(folder).settings.prune
    saved = project.saved(
        {
            "concepts": {
                folder: {"trigger": TRIGGER, "prune": list(dict.fromkeys((*known, *traits)))}
            }
        }
    )
    for event in edit.run(saved, edit.EditOptions(rules=True)):
        if isinstance(event, events.Finished):
            pruned = ", ".join(saved.concept(folder).settings.prune)
            note = f"trigger word {TRIGGER}; pruned what it stands for: {pruned}"
            event = events.Finished({**event.summary, "note": note})
        yield event


def _plan(project: Project, stages: Stages) -> DemoStage:
    """Sort into buckets, count the steps, write the training set."""
    sorted_ = yield from stages.run(
        marked("buckets"), buckets.run(project), lambda s: quantity(s["buckets"], "bucket")
    )
    counted = yield from stages.run(
        "plan", plan.run(project, plan.PlanOptions()), lambda s: s["arithmetic"][-1]
    )
    written = yield from stages.run(
        "export",
        export.run(project, export.ExportOptions()),
        lambda s: f"{quantity(s['images'], 'image')}, {quantity(s['written'], 'file')} written",
    )
    return {
        "buckets": sorted_["buckets"],
        "steps": counted["steps"],
        "dataset_toml": written["dataset_toml"],
    }


def _train(project: Project, stages: Stages) -> DemoStage:
    """Train as a job; a run that was interrupted before is continued."""
    trained = yield from stages.run(
        marked("train"),
        _training(project),
        lambda s: (
            f"{quantity(s['steps'], 'step')}, validation loss {s['val_loss_before']:.4f} -> "
            f"{s['val_loss_after']:.4f}"
        ),
    )
    return {key: trained[key] for key in ("lora", "steps", "val_loss_before", "val_loss_after")}


def _training(project: Project) -> Iterator[events.Event]:
    toml = project.output / "dataset" / "dataset.toml"
    offset, stopped = 0, False
    job = _unfinished(project)
    if job is None:
        job = yield from begin.begin(project, TrainSettings.from_project(project), toml)
    else:
        offset = job.events_file.stat().st_size if job.events_file.exists() else 0
        if not jobs.alive(job):
            job = yield from begin.resume(project, job.name)
    # To its very end, also when it was stopped: the next run must find the job at rest.
    for event in follow(job, offset):
        stopped |= isinstance(event, events.Finished) and event.reason != "done"
        if not stopped:
            yield event
    if stopped:
        raise KeyboardInterrupt


def _unfinished(project: Project) -> jobs.Job | None:
    """Return the newest training job, if it runs, waits, was stopped or died."""
    for job in jobs.listed(project.jobs):
        if begin.is_training(job):
            unfinished = ("running", "queued", "stalled", "stopped", "lost")
            return job if jobs.status(job).state in unfinished else None
    return None


def _look(project: Project, stages: Stages, lora: str) -> DemoStage:
    """Draw with the trigger word alone, let the tagger judge, and make a contact sheet."""
    configure_libraries()  # before torch comes in
    from train.sampling import grid, sample

    drawn: dict[str, list[Path]] = {}
    for name, loras in (("base", ()), ("lora", (str(project.root / lora),))):
        options = SampleOptions(
            prompt=(TRIGGER,),
            count=SAMPLES,
            seed=1000,
            lora=loras,
            out=project.output / "samples" / f"verdict-{name}",
        )
        pictures: list[Path] = []
        drawn[name] = pictures
        yield from stages.run(
            f"draw {name}",
            _noted(sample.run(project, options), project, pictures),
            lambda s: f"{quantity(s['images'], 'picture')} of: {TRIGGER}",
        )
    found = yield from stages.run(
        marked("verdict"), _verdict(project, drawn), lambda s: s["findings"][0]
    )
    sheet = yield from stages.run(
        "grid", grid.run(project, GridOptions(seed=7)), lambda s: quantity(s["images"], "picture")
    )
    return {
        "grid": sheet["grid"],
        "trigger_recall_base": found["base"],
        "trigger_recall_lora": found["value"],
        "findings": found["findings"],
    }


def _noted(
    stream: Iterator[events.Event], project: Project, pictures: list[Path]
) -> Iterator[events.Event]:
    """Pass events on and note the files of the samples."""
    for event in stream:
        if isinstance(event, events.Sample):
            pictures.append(project.root / event.path)
        yield event


def _verdict(project: Project, drawn: Mapping[str, Sequence[Path]]) -> Iterator[events.Event]:
    """Measure the trigger recall with the tagger that prepared the data."""
    section = project.settings.tagger
    tagger = Tagger(obtain.find(section.model, project.root))
    with Index(project) as index:
        folder = index.folders()[0][0]
    score = trigger_recall(
        drawn["lora"],
        drawn["base"],
        [captions.key(tag) for tag in project.concept(folder).settings.prune],
        lambda paths: _scores(tagger, paths),
        threshold=section.pair()[0],
    )
    for event in judge([score]):
        if isinstance(event, events.Finished):
            extra = {"value": round(score.value, 4), "base": round(score.base, 4)}
            event = events.Finished({**event.summary, **extra})
        yield event


def _scores(tagger: Tagger, paths: Sequence[Path]) -> list[dict[str, float]]:
    """Return every tag's score for each picture, tags spelled as ``captions.key`` does."""
    names = [captions.key(name) for name in tagger.table.names]
    found = []
    for _, scores in score_files(tagger, paths):
        if isinstance(scores, UnreadableError):
            raise scores
        found.append(dict(zip(names, scores.tolist(), strict=True)))
    return found
