"""What is told: what happened, and how to fix it; on a line at the bottom, and in a list."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rich.markup import escape
from textual import log
from textual.dom import DOMNode
from textual.notifications import SeverityLevel
from textual.worker import Worker, WorkerFailed, WorkerState

from prep.errors import UserError
from prep.language import _, marked, translated

MOST = 200
"""Notices that are kept."""
SECONDS = 8.0
"""Seconds for which errors are shown, long enough to read them."""

BUG = marked("A bug in shikomi")
"""Title of a notice of a fault of the program, in English."""

_SIGNS: dict[SeverityLevel, str] = {"information": "·", "warning": "!", "error": "×"}
_WORDS: dict[SeverityLevel, str] = {
    "information": marked("Note"),
    "warning": marked("Warning"),
    "error": marked("Error"),
}


@dataclass(frozen=True)
class Notice:
    """Something that was told.

    Attributes:
        when: Unix time, seconds.
        severity: information, warning or error: a sign and a word, besides the colour.
        title: A few words; may be empty.
        text: All of it, without markup.
    """

    when: float
    severity: SeverityLevel
    title: str
    text: str

    @property
    def heading(self) -> str:
        """Its sign, and its title or what it is."""
        return f"{_SIGNS[self.severity]} {self.title or _(_WORDS[self.severity])}"

    @property
    def line(self) -> str:
        """All of it in one line."""
        text = " ".join(self.text.split())
        plain = self.severity == "information" and not self.title
        return f"{_SIGNS[self.severity]} {text}" if plain else f"{self.heading}: {text}"


def report(node: DOMNode, error: BaseException) -> None:
    """Show an error; anything but a UserError is reported as a bug."""
    if isinstance(error, WorkerFailed):
        error = error.error
    if isinstance(error, UserError):
        text = translated(f"{error.message}\n{error.hint}".strip())
        node.app.notify(escape(text), title=_("Not done"), severity="error", timeout=SECONDS)
        return
    log.error(repr(error))
    from prep.cli.crash import report_defect

    text = f"{type(error).__name__}: {error}\n{translated(report_defect(error).hint)}"
    node.app.notify(escape(text), title=_(BUG), severity="error", timeout=SECONDS)


def report_worker(node: DOMNode, event: Worker.StateChanged) -> None:
    """Show the error that ended a worker of ``node``; call it from ``on_worker_state_changed``."""
    if event.state is WorkerState.ERROR and event.worker.error is not None:
        report(node, event.worker.error)


def tell_conflicts(node: DOMNode, conflicts: Sequence[tuple[str, str]]) -> None:
    """Show what an edit, undo or redo left alone: path and reason of the first, and how many."""
    path, reason = conflicts[0]
    text = f"{path}: {translated(reason)}"
    if (more := len(conflicts) - 1) > 0:
        text = _("{conflict} (and {count} more)").format(conflict=text, count=more)
    title = _("Not changed")
    node.app.notify(escape(text), title=title, severity="warning", timeout=SECONDS)


def unsaved(captions: Collection[str], crops: Collection[str]) -> list[str]:
    """Return what to say of captions and crops of images that an earlier session left unsaved."""
    texts = []
    if captions:
        text = _("{names}: typed earlier, and not saved yet (✎ in the list).")
        texts.append(text.format(names=_names(captions)))
    if crops:
        text = _("{names}: its crop was drawn earlier, and is not saved yet (stage 3).")
        texts.append(text.format(names=_names(crops)))
    return texts


def _names(paths: Collection[str]) -> str:
    names = [path.rpartition("/")[2] for path in paths]
    shown = ", ".join(names[:3])
    if len(names) > 3:
        shown = _("{names} and {count} more").format(names=shown, count=len(names) - 3)
    return shown


def tell(node: DOMNode, message: str, hint: str = "") -> None:
    """Show why something was not done, and what can be done about it."""
    text = translated(f"{message}\n{hint}".strip())
    node.app.notify(escape(text), severity="warning", timeout=SECONDS)
