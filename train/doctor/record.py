"""The records of a run as the doctor reads them: the events, the images, the end of the log.

A job directory may have come from anybody: what does not fit is left out. No torch.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError

from prep import events
from prep.errors import UserError
from prep.project import Project
from prep.system import jobs
from prep.texts import parse_json, read_text
from train.config import RunConfig
from train.job.changes import read_run
from train.settings.validation import IMAGES_FILE

_ADAPTERS: dict[str, TypeAdapter[events.Event]] = {}
"""What checks the types of an event, by kind; made when first needed."""
_LOG_TAIL = 65536
"""Bytes of the log that are looked at."""


class ImageRow(BaseModel):
    """An image of ``images.json``; see ``train.run.ledger.ImageLosses``."""

    path: str
    folder: str
    regularization: bool = False
    exposures: int = 0
    rated: int = 0
    relative: float | None = None
    spread: float | None = None
    first: float | None = None
    last: float | None = None


class ImagesFile(BaseModel):
    """``images.json``.

    Attributes:
        step: After which it was written.
        steps: Of the run.
        images: The training images.
        folders: Images by folder, without regularisation images.
        tags: Captions with each tag, by folder.
    """

    step: int
    steps: int
    images: list[ImageRow]
    folders: dict[str, int]
    tags: dict[str, dict[str, int]]


@dataclass
class RunRecord:
    """What a run left behind.

    Attributes:
        project: Its project.
        job: Its directory.
        state: new, running, done, stopped, failed or lost.
        run: Its configuration; ``None`` when it cannot be read.
        metrics: Of the steps, in their order; what a resumed run did again replaces what it lost.
        validations: Likewise.
        saved: Files, by step.
        device: Where it computed, such as cuda or cpu; empty if it did not get there.
        precision: What the run said about its number format.
        failure: How the newest sitting ended, if it failed.
        spent: Seconds of the newest sitting by what they were spent on: steps, validation, sample,
            save.
        images: What it knows about its images; ``None`` before the first save.
        log: The end of its log.
    """

    project: Project
    job: jobs.Job
    state: str
    run: RunConfig | None = None
    metrics: list[events.Metric] = field(default_factory=list)
    validations: list[events.Validation] = field(default_factory=list)
    saved: dict[int, str] = field(default_factory=dict)
    device: str = ""
    precision: str = ""
    failure: events.Failed | None = None
    spent: dict[str, float] = field(default_factory=dict)
    images: ImagesFile | None = None
    log: str = ""

    @classmethod
    def read(cls, project: Project, job: jobs.Job) -> "RunRecord":
        """Read the records of a job.

        Raises:
            UserError: The job is no training run.
        """
        record = cls(project, job, jobs.status(job).state)
        with suppress(UserError):
            record.run = read_run(project, job)
        metrics: dict[int, events.Metric] = {}
        rounds: dict[int, events.Validation] = {}
        clock = _Clock()
        for time, event in _timed(job.events_file):
            record._take(event)
            clock.take(time, event)
            if isinstance(event, events.Metric) and event.loss is not None:
                metrics[event.step] = event
            elif isinstance(event, events.Validation):
                rounds[event.step] = event
        record.metrics = [metrics[step] for step in sorted(metrics)]
        record.validations = [rounds[step] for step in sorted(rounds)]
        record.spent = dict(clock.spent)
        record.images = _images(job.directory / IMAGES_FILE)
        record.log = _tail(job.log_file)
        return record

    def _take(self, event: events.Event) -> None:
        match event:
            case events.Started():
                self.failure = None
            case events.Failed():
                self.failure = event
            case events.Saved():
                self.saved[event.step] = event.path
            case events.Stage(name="load", done=False, note=note):
                self.device = note.rpartition(" on ")[2]
            case events.Stage(name="load", done=True, note=note):
                self.precision = note

    @property
    def step(self) -> int:
        """Steps done."""
        return self.metrics[-1].step if self.metrics else 0

    @property
    def steps(self) -> int:
        """Steps of the whole run; 0 before the first."""
        return self.metrics[-1].total if self.metrics else 0

    @property
    def command(self) -> str:
        """How a new run of this project is begun, up to its settings."""
        from shlex import quote

        return f"shikomi train {quote(str(self.project.root))}"


class _Clock:
    """Attributes the time between two events to what the second one reports."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)
        self._last: float | None = None

    def take(self, time: float | None, event: events.Event) -> None:
        if isinstance(event, events.Started):
            self.spent.clear()
            self._last = None
        if time is None:
            return
        passed = 0.0 if self._last is None else max(0.0, time - self._last)
        self._last = time
        match event:
            case events.Metric(loss=loss) if loss is not None:
                self.spent["steps"] += passed
            case events.Validation() | events.Sample() | events.Saved():
                self.spent["save" if event.kind == "saved" else event.kind] += passed


def _timed(file: Path) -> Iterator[tuple[float | None, events.Event]]:
    """Yield events with their Unix time, seconds."""
    if not file.is_file():
        return
    with file.open("rb") as lines:
        for raw in lines:
            line = raw.decode("utf-8", "replace")
            read = events.from_json(line)
            event = None if read is None else _sound(read)
            if event is None:
                continue
            time = parse_json(line).get("t")
            yield (float(time) if isinstance(time, int | float) else None), event


def _sound(event: events.Event) -> events.Event | None:
    """Return an event whose fields have their types, which JSON does not say; else ``None``."""
    if isinstance(event, events.Unknown):
        return None
    try:
        if event.kind not in _ADAPTERS:
            _ADAPTERS[event.kind] = TypeAdapter(type(event))
        return _ADAPTERS[event.kind].validate_python(vars(event))
    except ValidationError:
        return None


def _images(file: Path) -> ImagesFile | None:
    try:
        if not file.is_file():
            return None
        return ImagesFile.model_validate(parse_json(read_text(file)))
    except (OSError, ValueError, ValidationError):
        return None


def _tail(file: Path) -> str:
    try:
        if not file.is_file():
            return ""
        with file.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - _LOG_TAIL))
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""
