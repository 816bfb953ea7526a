"""The command line of a translation: its report, and what a run takes from it."""

from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from prep import events
from prep.cli import console
from prep.errors import EXIT_PROBLEMS
from prep.project import Project
from train.kohya.report import report_text
from train.kohya.translation import translate


def show_translation(project: Path, file: Path, *, json: bool) -> int:
    """Show what becomes of each argument of a file; nothing is written.

    Returns:
        The exit code: 1 if some cannot be trained.
    """
    refused = 0

    def stream() -> Iterator[events.Event]:
        nonlocal refused
        found = translate(file, Project.open(project)).summary()
        refused = found["counts"]["refused"]
        yield events.Finished(found)

    code = console.show(stream(), json=json, summary=report_text)
    return code or (EXIT_PROBLEMS if refused else 0)


def translated(
    project: Project, file: Path | None
) -> Generator[events.Event, None, tuple[Path | None, Mapping[str, Any]]]:
    """Translate the file of another trainer for a run.

    Args:
        project: It is trained on where the file names no training set that is here.
        file: ``None`` for none.

    Yields:
        Warned, for each argument that acts otherwise here.

    Returns:
        A dataset file, ``None`` for the project's export; and settings.

    Raises:
        ConfigError: The file is broken, or arguments cannot be trained.
    """
    if file is None:
        return None, {}
    found = translate(file, project)
    found.check()
    for difference in found.differences():
        yield events.Warned(difference, "")
    return found.dataset_file(project), found.settings
