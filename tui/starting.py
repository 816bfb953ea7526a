"""What comes before the start of a job: no other one of its kind, and settings as they are.

A form never writes over what it has not seen.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from textual.screen import Screen

from prep.language import _, translated
from prep.project import Project
from prep.system import jobs
from tui.dialogs.question import Question
from tui.session import Session
from tui.widgets.form import Form


async def wants_another(screen: Screen[Any], folder: Path, kind: str) -> bool:
    """Return whether a job may start: none of its kind is running, or the user wants another one.

    Needs a worker of Textual around it, since it may ask.
    """
    running = await asyncio.to_thread(_running, folder, kind)
    if not running:
        return True
    text = _("{job} is still running. Start another one as well?").format(job=running[0])
    answers = {"no": _("No"), "yes": _("Start another")}
    question = Question(_("Already running"), text, answers)
    return await screen.app.push_screen_wait(question) == "yes"


def _running(folder: Path, kind: str) -> list[str]:
    """Return the titles of the running jobs of a kind, newest first."""
    found = [(job, job.settings()) for job in jobs.listed(folder)]
    found = [(job, told) for job, told in found if told.kind == kind and jobs.alive(job)]
    return [translated(told.title) or job.name for job, told in found]


async def is_current(
    screen: Screen[Any],
    session: Session,
    form: Form[Any],
    version: Callable[[], Mapping[str, Any] | None],
) -> bool:
    """Bring a form up to date with ``shikomi.toml``; ask about what was changed in both.

    Args:
        screen: Where to ask, in a worker of Textual.
        session: The open project; opened again if its file has changed.
        form: The form.
        version: Returns the settings of the form in the session's project; ``None`` for faults.

    Returns:
        Whether the user wants to go on.

    Raises:
        ConfigError: The file is not valid.
    """
    project = await asyncio.to_thread(Project.open, session.project.root)
    if project.settings != session.project.settings:
        session.reopen(project)
    values = version()
    if values is not None:
        form.rebase(values)
    if not form.conflicts:
        return True
    lines = [
        _("{setting}: {theirs} in the file, {mine} here").format(
            setting=name, theirs=theirs or _("not set"), mine=mine or _("not set")
        )
        for name, (theirs, mine) in form.conflicts.items()
    ]
    text = _("shikomi.toml was changed by another program:")
    answers = {"back": _("Back"), "theirs": _("Use the file's"), "mine": _("Write mine")}
    question = Question(_("Changed in both"), "\n".join([text, "", *lines]), answers)
    answer = await screen.app.push_screen_wait(question)
    if answer in ("mine", "theirs"):
        form.resolve(mine=answer == "mine")
        return True
    return False
