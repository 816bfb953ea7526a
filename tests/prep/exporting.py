"""Run an export in tests, and look at what it did."""

from pathlib import Path
from typing import Any

from prep import events
from prep.ops import export, scan
from prep.ops.export import ExportOptions
from prep.project import Project


def run(project: Project, **options: Any) -> list[events.Event]:
    list(scan.run(project))
    return list(export.run(project, ExportOptions(**options)))


def summary(found: list[events.Event]) -> dict[str, Any]:
    last = found[-1]
    assert isinstance(last, events.Finished)
    return last.summary


def counts(found: list[events.Event]) -> tuple[int, int, int]:
    """(written, unchanged, removed) files."""
    made = summary(found)
    return made["written"], made["unchanged"], made["removed"]


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file: its time of change and its bytes."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def skipped(found: list[events.Event]) -> dict[str, str]:
    return {e.path: e.reason for e in found if isinstance(e, events.Skipped)}


def warnings(found: list[events.Event]) -> str:
    return " ".join(e.message for e in found if isinstance(e, events.Warned))
