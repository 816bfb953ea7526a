"""Show errors as notifications: what happened, and how to fix it."""

from rich.markup import escape
from textual import log
from textual.dom import DOMNode
from textual.worker import Worker, WorkerFailed, WorkerState

from prep.errors import UserError

SECONDS = 8.0
"""Seconds for which errors are shown, long enough to read them."""


def report(node: DOMNode, error: BaseException) -> None:
    """Show an error; anything but a UserError is reported as a bug."""
    if isinstance(error, WorkerFailed):
        error = error.error
    if isinstance(error, UserError):
        text = f"{error.message}\n{error.hint}".strip()
        node.app.notify(escape(text), title="Not done", severity="error", timeout=SECONDS)
        return
    log.error(repr(error))
    text = f"{type(error).__name__}: {error}"
    node.app.notify(escape(text), title="A bug in shikomi", severity="error", timeout=SECONDS)


def report_worker(node: DOMNode, event: Worker.StateChanged) -> None:
    """Show the error that ended a worker of ``node``; call it from ``on_worker_state_changed``."""
    if event.state is WorkerState.ERROR and event.worker.error is not None:
        report(node, event.worker.error)


def tell(node: DOMNode, message: str, hint: str = "") -> None:
    """Show why something was not done, and what can be done about it."""
    node.app.notify(escape(f"{message}\n{hint}".strip()), severity="warning", timeout=SECONDS)
