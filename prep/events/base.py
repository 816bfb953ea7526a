"""The event base class, events that any operation may yield, and JSON encoding."""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from types import ModuleType
from typing import Any, ClassVar

from prep.printable import json_printable
from prep.texts import parse_json

VERSION = 1

KINDS: dict[str, type["Event"]] = {}
"""Event classes by kind; those of single operations once ``of_operations`` has imported them."""


@dataclass(frozen=True)
class Event:
    """Something that happened."""

    kind: ClassVar[str] = "event"

    def __init_subclass__(cls) -> None:
        if KINDS.setdefault(cls.kind, cls) is not cls:
            raise TypeError(f"two events are called {cls.kind!r}")

    @property
    def problem(self) -> bool:
        """Return whether it makes a command end with exit code 1."""
        return False


@dataclass(frozen=True)
class Started(Event):
    """Work began; ``total`` is the number of items, 0 if not yet known."""

    kind: ClassVar[str] = "started"
    what: str
    total: int = 0


@dataclass(frozen=True)
class Progress(Event):
    """``done`` of ``total`` items; ``what`` names the stage, ``note`` the current item."""

    kind: ClassVar[str] = "progress"
    what: str
    done: int
    total: int = 0
    note: str = ""


@dataclass(frozen=True)
class Skipped(Event):
    """An item was skipped, and why; the work goes on with the rest."""

    kind: ClassVar[str] = "skipped"
    path: str
    reason: str

    @property
    def problem(self) -> bool:
        """Work was left undone."""
        return True


@dataclass(frozen=True)
class Warned(Event):
    """Something the user should know, and what to do about it."""

    kind: ClassVar[str] = "warned"
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Written(Event):
    """A file was written."""

    kind: ClassVar[str] = "written"
    path: str


@dataclass(frozen=True)
class Stage(Event):
    """A stage of a longer job began (``done`` False) or ended (True, with its seconds)."""

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


def to_json(event: Event, now: float | None = None) -> str:
    """Return the event as one JSON line without its newline.

    Any JSON reader and any UTF-8 stream accepts it: numbers that JSON lacks (NaN, infinity)
    become null; control characters, and bytes of a file name that are not UTF-8, become escapes.
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
    return json_printable(text)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def of_operations() -> Iterator[ModuleType]:
    """Import the modules that declare the events of single operations, one after the other."""
    # The terminal application needs those of jobs first.
    for name in ("jobs", "dataset", "scores", "words", "outside"):
        yield import_module(f"prep.events.{name}")


def all_kinds() -> dict[str, type[Event]]:
    """Return the event classes of all operations by kind."""
    for _ in of_operations():
        pass
    return KINDS


def from_json(line: str) -> Event | None:
    """Parse one line; ``None`` for anything that is not an event (a library's stray print)."""
    try:
        data = parse_json(line)
    except ValueError:
        return None
    if not isinstance(data, dict) or not isinstance(kind := data.pop("kind", None), str):
        return None
    data.pop("v", None)
    data.pop("t", None)
    if kind not in KINDS:
        all_kinds()
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
        """Return whether the next event is due."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._interval
        return True


def tick(what: str, total: int, throttle: Throttle, done: int, note: str = "") -> Iterator[Event]:
    """Yield a Progress if one is due, and always for the last item."""
    if done == total or throttle.ready():
        yield Progress(what, done, total, note)
