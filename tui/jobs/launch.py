"""Start commands as jobs: one at a time, and the command line for a form."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel
from textual.screen import Screen

from prep.project import Project
from prep.project.boundary import refuse_links
from prep.system import jobs, queue
from train.job.names import KIND


class Launcher:
    """Lets one start of a job through at a time."""

    def __init__(self) -> None:
        self._busy = False

    @contextmanager
    def once(self, screen: Screen[Any]) -> Iterator[bool]:
        """Yield whether nothing else is being started; say so on ``screen`` otherwise."""
        if self._busy:
            screen.app.notify("A job is being started already.")
            yield False
            return
        self._busy = True
        try:
            yield True
        finally:
            self._busy = False


def launch(project: Project, kind: str, argv: list[str], title: str) -> jobs.Job:
    """Start a command as a job of the project, which goes on when this terminal is closed.

    Args:
        project: The project.
        kind: Its verb.
        argv: The process; it writes events to its stdout.
        title: A readable title.

    Raises:
        UserError: The folder of jobs is a link to somewhere else, or the job did not start.
    """
    refuse_links(project, project.jobs)
    job = jobs.create(project.jobs, jobs.JobSettings(kind, argv, title=title))
    jobs.start(job)
    return job


def queue_up(project: Project, kind: str, argv: list[str], title: str) -> jobs.Job:
    """Queue a command as a job behind the runs of the project: a card is not shared.

    Raises:
        UserError: As ``launch``.
    """
    refuse_links(project, project.jobs)
    settings = jobs.JobSettings(kind, argv, title=title, lane=KIND)
    job = jobs.create(project.jobs, settings)
    queue.start(job)
    return job


def verb_command(verb: str, *words: str) -> list[str]:
    """Return the command line of a job for a verb and its words."""
    return [sys.executable, "-m", "tui.cli", verb, *words, "--json"]


def command(verb: str, project: str, options: BaseModel, *, dry: bool) -> list[str]:
    """Return the command line of a job; a command and its form share one options model."""
    argv = [sys.executable, "-m", "tui.cli", verb, project, "--json"]
    given: dict[str, Any] = options.model_dump(exclude_defaults=True, exclude={"dry_run"})
    for name, value in given.items():
        argv += _flags(name.replace("_", "-"), value)
    return [*argv, "--dry-run"] if dry else argv


def _flags(name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    if isinstance(value, dict):
        return [part for key, one in value.items() for part in (f"--{name}.{key}", str(one))]
    if isinstance(value, list | tuple):
        return [part for one in value for part in (f"--{name}", str(one))]
    return [f"--{name}", str(value)]
