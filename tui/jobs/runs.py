"""Several training runs side by side: the settings that differ, and how they ended."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from prep import events
from prep.errors import UserError
from prep.language import _
from prep.project import Project
from prep.system import jobs
from train.job.comparison import RunResult, differences, result_of
from tui.jobs.follow import JobView
from tui.jobs.launch import verb_command

Row = tuple[str, list[str]]
"""A name, and a text for each run."""
_DIGITS = 4


def different(settings: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return the settings that are not the same in all runs, in words.

    Example:
        >>> different([{"max_steps": 8, "alpha": 8}, {"max_steps": 16, "alpha": 8}])
        [('max steps', ['8', '16'])]
    """
    found = differences(settings)
    return [(name.replace("_", " "), list(map(_written, found[name]))) for name in found]


def result(view: JobView) -> RunResult:
    """Return how a run ended."""
    return result_of(view.state, view.metrics)


def results(views: Sequence[JobView]) -> list[Row]:
    """Return how runs ended: steps, final validation loss and what it was, average loss."""
    found = list(map(result, views))
    rows: list[Row] = [
        (_("state"), [view.state_text for view in views]),
        (_("steps"), [view.counted for view in views]),
        (_("validation, before"), [_number(one.first_validation) for one in found]),
        (_("validation, last"), [_number(one.last_validation) for one in found]),
        (_("average loss"), [_number(one.average_loss) for one in found]),
    ]
    return [row for row in rows if any(row[1])]


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
