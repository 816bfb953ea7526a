"""The one language between work and those who watch it: events, as dataclasses or JSON lines.

Operations yield them, jobs append them to ``events.jsonl``, ``--json`` prints them, the terminal
application draws them. Each line is a JSON object with ``v`` (format version), ``t`` (Unix time,
seconds), ``kind`` and the fields of the dataclass. Readers ignore kinds they do not know.
"""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar

VERSION = 1


@dataclass(frozen=True)
class Event:
    """Something that happened."""

    kind: ClassVar[str] = "event"


@dataclass(frozen=True)
class Started(Event):
    """Work began; ``total`` is the number of items, 0 when it is not known yet."""

    kind: ClassVar[str] = "started"
    what: str
    total: int = 0


@dataclass(frozen=True)
class Progress(Event):
    """``done`` of ``total`` items; ``what`` names the stage, ``note`` the present item."""

    kind: ClassVar[str] = "progress"
    what: str
    done: int
    total: int = 0
    note: str = ""


@dataclass(frozen=True)
class Skipped(Event):
    """An item was left out, and why; the rest goes on."""

    kind: ClassVar[str] = "skipped"
    path: str
    reason: str


@dataclass(frozen=True)
class Warned(Event):
    """Something the user should know, with what to do about it."""

    kind: ClassVar[str] = "warned"
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Group(Event):
    """Images that are the same picture; ``distances`` are bits from ``keep``, per image."""

    kind: ClassVar[str] = "group"
    reason: str
    images: list[str]
    keep: str
    distances: list[int]
    why: str = ""


@dataclass(frozen=True)
class Tags(Event):
    """What the tagger saw in one image: ``tags`` is ``[[name, score], ...]``, best first."""

    kind: ClassVar[str] = "tags"
    path: str
    rating: str
    tags: list[tuple[str, float]]


@dataclass(frozen=True)
class Change(Event):
    """One caption before and after an edit; ``None`` means that there is no file."""

    kind: ClassVar[str] = "change"
    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Image(Event):
    """One image of a listing; ``width`` and ``height`` are pixels after the EXIF turn."""

    kind: ClassVar[str] = "image"
    path: str
    width: int
    height: int
    caption: str | None
    excluded: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class TagCount(Event):
    """One tag and the number of images whose caption has it."""

    kind: ClassVar[str] = "tag"
    name: str
    count: int


@dataclass(frozen=True)
class HistoryEntry(Event):
    """One edit of the journal; ``state`` is done or undone."""

    kind: ClassVar[str] = "edit"
    id: int
    time: float
    title: str
    state: str
    changes: int


@dataclass(frozen=True)
class JobState(Event):
    """One job of a listing; ``state`` is new, running, done, stopped, failed or lost."""

    kind: ClassVar[str] = "job"
    name: str
    state: str
    title: str
    directory: str


@dataclass(frozen=True)
class Bucket(Event):
    """One bucket and the images that a trainer puts in it."""

    kind: ClassVar[str] = "bucket"
    width: int
    height: int
    images: list[str]


@dataclass(frozen=True)
class Concept(Event):
    """One line of the step arithmetic: ``exposures`` = images x repeats, per epoch."""

    kind: ClassVar[str] = "concept"
    name: str
    images: int
    repeats: int
    exposures: int


@dataclass(frozen=True)
class Written(Event):
    """A file was written."""

    kind: ClassVar[str] = "written"
    path: str


@dataclass(frozen=True)
class Metric(Event):
    """Numbers of one optimiser step (or of one validation round: ``val_loss`` set).

    ``memory_bytes`` is the peak of the device, or the resident set of the process on a CPU.
    """

    kind: ClassVar[str] = "metric"
    step: int
    total: int
    epoch: int
    loss: float | None = None
    average_loss: float | None = None
    val_loss: float | None = None
    learning_rate: float | None = None
    it_per_s: float | None = None
    memory_bytes: int | None = None
    eta_s: float | None = None


@dataclass(frozen=True)
class Sample(Event):
    """An image was generated."""

    kind: ClassVar[str] = "sample"
    path: str
    prompt: str
    seed: int
    loras: dict[str, float] = field(default_factory=dict)
    step: int | None = None


@dataclass(frozen=True)
class Saved(Event):
    """Weights or a resumable state were saved."""

    kind: ClassVar[str] = "saved"
    path: str
    step: int
    epoch: int


@dataclass(frozen=True)
class Score(Event):
    """One measure of one LoRA, with the base model's value and the range of doubt."""

    kind: ClassVar[str] = "score"
    epoch: int
    strength: float
    measure: str
    value: float
    base: float
    low: float
    high: float


@dataclass(frozen=True)
class Stage(Event):
    """A stage of a longer job begins (``done`` False) or has ended (True, with its seconds)."""

    kind: ClassVar[str] = "stage"
    name: str
    done: bool = False
    seconds: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class Failed(Event):
    """The work ended without its result."""

    kind: ClassVar[str] = "failed"
    message: str
    hint: str = ""
    exit_code: int = 2


@dataclass(frozen=True)
class Finished(Event):
    """The last event of every operation; ``reason`` is done, stopped or interrupted."""

    kind: ClassVar[str] = "finished"
    summary: dict[str, Any]
    reason: str = "done"


@dataclass(frozen=True)
class Unknown(Event):
    """An event of a newer version; kept so that it can be passed on."""

    kind: ClassVar[str] = "unknown"
    name: str
    data: dict[str, Any]


KINDS: dict[str, type[Event]] = {cls.kind: cls for cls in Event.__subclasses__()}


def to_json(event: Event, now: float | None = None) -> str:
    """Return the event as one JSON line without its newline.

    Every JSON reader and every UTF-8 stream takes it: numbers that JSON lacks (NaN, infinity)
    become null, and bytes of a file name that are no UTF-8 become escapes.
    """
    stamp = round(time.time() if now is None else now, 3)
    if isinstance(event, Unknown):
        body: dict[str, Any] = {"kind": event.name, **event.data}
    else:
        body = {"kind": event.kind, **asdict(event)}
    line = {"v": VERSION, "t": stamp, **body}
    try:
        text = json.dumps(line, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(line), ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def from_json(line: str) -> Event | None:
    """Read one line; ``None`` for anything that is not an event (a library's stray print)."""
    try:
        data = json.loads(line)
    except ValueError:
        return None
    if not isinstance(data, dict) or not isinstance(kind := data.pop("kind", None), str):
        return None
    data.pop("v", None)
    data.pop("t", None)
    cls = KINDS.get(kind)
    if cls is None or cls is Unknown:
        return Unknown(kind, data)
    known = {f.name for f in fields(cls)}
    try:
        return cls(**{key: value for key, value in data.items() if key in known})
    except TypeError:
        return Unknown(kind, data)


class Throttle:
    """Lets progress through at most every ``interval`` seconds, so that watchers keep up.

    Example:
        >>> ticks = Throttle(interval=3600)
        >>> [ticks.ready() for _ in range(3)]
        [True, False, False]
    """

    def __init__(self, interval: float = 0.1) -> None:
        self._interval = interval
        self._next = 0.0

    def ready(self) -> bool:
        """Is it time for the next event?"""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._interval
        return True


def tick(what: str, total: int, throttle: Throttle, done: int, note: str = "") -> Iterator[Event]:
    """Yield one Progress when it is due, and always for the last item."""
    if done == total or throttle.ready():
        yield Progress(what, done, total, note)
