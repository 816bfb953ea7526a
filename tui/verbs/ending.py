"""What the application does when a verb has ended, whether its form is still open or not."""

from typing import Any

from rich.markup import escape
from textual.app import App
from textual.notifications import SeverityLevel

from prep.system.jobs import Job
from tui.notices import SECONDS
from tui.session import Session
from tui.verbs.runs import JobRun, Run


def run_ended(app: App[Any], session: Session, run: Run) -> None:
    """Refresh the lists after a run, and tell of it where its form was left. Jobs are told of."""
    if run.edit:
        session.adopt(run.edit)
    if isinstance(run, JobRun):
        return
    app.call_later(app.run_action, "rescan")
    if run not in _shown(app):
        severity: SeverityLevel = "information" if run.code in (0, 1) else "error"
        app.notify(escape(run.outcome()), severity=severity, timeout=SECONDS)


def in_form(app: App[Any], job: Job) -> bool:
    """Return whether an open form shows this job, so that nobody needs to be told of its end."""
    return any(isinstance(run, JobRun) and run.job == job for run in _shown(app))


def _shown(app: App[Any]) -> list[object]:
    return [getattr(screen, "run", None) for screen in app.screen_stack]
