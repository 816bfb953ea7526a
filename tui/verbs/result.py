"""What became of a verb: its state in a line, and below it all that it has said."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from prep import events
from prep.language import _, translated
from tui.verbs.output import Output
from tui.verbs.runs import Run
from tui.widgets.job_strip import bar

_BAR = 12


class Result(Vertical):
    """Shows a run; call ``show`` again when there is news."""

    def __init__(self) -> None:
        super().__init__(id="verb-result")

    def compose(self) -> ComposeResult:
        """Compose state and output."""
        yield Static(id="verb-state")
        yield Output()

    def say(self, text: str) -> None:
        """Set the line above the output."""
        self.query_one("#verb-state", Static).update(Content(text))

    def show(self, run: Run, ended: str = "") -> None:
        """Show a run.

        Args:
            run: The run.
            ended: What to say when it has ended well; by default, how.
        """
        if not self.is_attached:
            return
        if run.running:
            self.say(f"▶ {run.verb} {progress(run)}".rstrip())
        elif isinstance(run.end, events.Failed) and ended:
            self.say(f"× {translated(run.end.message)}")
        else:
            self.say(ended if ended and run.end is not None else run.outcome())
        # The end of what goes on, the beginning of what was asked for.
        self.query_one(Output).show(
            [translated(line) for line in run.lines], follow=run.running and not ended
        )


def progress(run: Run) -> str:
    """Return how far a run has come."""
    at = run.progress
    if isinstance(at, events.Progress):
        done = f"{bar(at.done, at.total, _BAR)} {at.done}/{at.total}" if at.total else str(at.done)
        return f"{translated(at.what)} {done} {translated(at.note)}"
    if at is None:
        return ""
    return _("step {number}/{total}").format(number=at.step, total=at.total)
