"""Sources for imports in tests, and what an import made of them."""

import json
from pathlib import Path
from typing import Any

from prep import events
from prep.events import Imported
from prep.ops import importing
from prep.ops.importing import ImportOptions
from prep.project import Project
from tests.conftest import draw_numbered


def picture(file: Path, number: int, caption: str | None = None, suffix: str = ".txt") -> Path:
    """Draw an image that no other number looks like, with a caption beside it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draw_numbered(number, (96, 64)).save(file)
    if caption is not None:
        file.with_suffix(suffix).write_bytes(caption.encode())
    return file


def lines(file: Path, rows: list[dict[str, Any]]) -> Path:
    """Write JSON lines."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    file.write_text(text, "utf-8")
    return file


def take(source: Path, target: Path, **options: Any) -> list[events.Event]:
    """Import, to the end."""
    return list(importing.run(target, source, ImportOptions(**options)))


def done(found: list[events.Event]) -> dict[str, Any]:
    """The summary."""
    last = found[-1]
    assert isinstance(last, events.Finished)
    return last.summary


def taken(found: list[events.Event]) -> list[str]:
    """The images that were new."""
    return [event.path for event in found if isinstance(event, Imported)]


def skipped(found: list[events.Event]) -> dict[str, str]:
    """What was skipped, each once, and why."""
    events_ = [event for event in found if isinstance(event, events.Skipped)]
    assert len({event.path for event in events_}) == len(events_)
    return {event.path: event.reason for event in events_}


def notes(found: list[events.Event]) -> str:
    """All warnings."""
    return " ".join(e.message + " " + e.hint for e in found if isinstance(e, events.Warned))


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def stats(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file with the time of its last change."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def concept(target: Path, folder: str) -> tuple[int, str, bool]:
    """Repeats, trigger word, and whether it is regularisation."""
    found = Project.open(target).concept(folder)
    return found.repeats, found.trigger, found.settings.regularization
