"""Several training runs side by side: the settings that differ, and how they ended."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from prep import events
from prep.errors import UserError
from prep.language import _
from prep.project import Project
from prep.system import jobs
from train.job.changes import read_run
from tui.jobs.follow import JobView
from tui.jobs.launch import verb_command

Row = tuple[str, list[str]]
"""A name, and a text for each run."""
_DIGITS = 4


def settings_of(project: Project, job: jobs.Job) -> dict[str, Any]:
    """Return the settings of a run, and its name; empty if they cannot be read."""
    try:
        run = read_run(project, job)
    except UserError:
        return {}
    return {"name": run.name, **run.train.model_dump()}


def differences(settings: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return the settings that are not the same in all runs, in their order.

    Example:
        >>> differences([{"rank": 8, "alpha": 8}, {"rank": 16, "alpha": 8}])
        [('rank', ['8', '16'])]
    """
    names = dict.fromkeys(name for one in settings for name in one)
    return [
        (name.replace("_", " "), [_written(one.get(name)) for one in settings])
        for name in names
        if any(one.get(name) != settings[0].get(name) for one in settings)
    ]


def results(views: Sequence[JobView]) -> list[Row]:
    """Return how runs ended: steps, final validation loss and what it was, average loss."""
    rows: list[Row] = [
        (_("state"), [view.state_text for view in views]),
        (_("steps"), [view.counted for view in views]),
        (_("validation, before"), [_number(first_validation(view)) for view in views]),
        (_("validation, last"), [_number(last_validation(view)) for view in views]),
        (_("average loss"), [_number(_average(view)) for view in views]),
    ]
    return [row for row in rows if any(row[1])]


def first_validation(view: JobView) -> float | None:
    """Return the loss of the first validation round, usually before the first step."""
    return next((m.val_loss for m in view.metrics if m.val_loss is not None), None)


def last_validation(view: JobView) -> float | None:
    """Return the loss of the newest validation round."""
    return next((m.val_loss for m in reversed(view.metrics) if m.val_loss is not None), None)


def _average(view: JobView) -> float | None:
    return None if view.metric is None else view.metric.average_loss


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.{_DIGITS}f}"


def _written(value: Any) -> str:
    if value is None:
        return _("not set")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, tuple | list):
        return " | ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


async def diagnoses(project: Project, name: str) -> list[events.Diagnosis]:
    """Ask the doctor about a run.

    In a process of its own: about a run on a card, the doctor asks torch, which has no place here.

    Raises:
        UserError: The doctor has nothing to say.
    """
    argv = verb_command("doctor", str(project.root), "--job", name)
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=jobs.child_environment(),
    )
    try:
        text, _errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    found = [events.from_json(line) for line in text.decode("utf-8", "replace").splitlines()]
    for event in found:
        if isinstance(event, events.Failed):
            raise UserError(event.message, event.hint)
    return [event for event in found if isinstance(event, events.Diagnosis)]
