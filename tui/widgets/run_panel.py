"""One training run: its curve, its numbers, and the end of its log."""

import asyncio
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from prep import events
from tui.jobs.follow import JobView
from tui.widgets.chart import Chart, Series, smooth
from tui.widgets.clipped import Clipped
from tui.widgets.job_strip import bar, duration

_TAIL = 4000
"""Maximum of bytes of the log that are read."""
_LINES = 6


class RunPanel(Vertical):
    """Shows a run; call ``show`` again when there is news."""

    def compose(self) -> ComposeResult:
        """Compose the parts."""
        yield Clipped(id="run-title", classes="side-title")
        yield Chart(id="loss-chart")
        yield Clipped(id="run-numbers")
        yield Clipped(id="run-log")

    def show(self, view: JobView | None) -> None:
        """Show a run, or a message if there is none."""
        if view is None:
            self.say("No training yet.")
            return
        self.say(_title(view))
        self.query_one(Chart).show(_series(view.metrics))
        self.query_one("#run-numbers", Static).update(Content("\n".join(numbers(view))))
        self._read_log(view)

    def say(self, text: str) -> None:
        """Set the line above the curve."""
        self.query_one("#run-title", Static).update(Content(text))

    @work(group="log", exclusive=True, exit_on_error=False)
    async def _read_log(self, view: JobView) -> None:
        lines = await asyncio.to_thread(tail, view.job.log_file, _LINES)
        notes = [f"! {warning.message} {warning.hint}".rstrip() for warning in view.warnings[-2:]]
        if isinstance(view.end, events.Failed):
            notes += [f"× {view.end.message}", f"  {view.end.hint}"]
        self.query_one("#run-log", Static).update(Content("\n".join([*notes, *lines][-_LINES:])))


def tail(file: Path, count: int) -> list[str]:
    """Return the last lines of a log, without empty ones."""
    try:
        if not file.is_file():  # reading a pipe would never end
            return []
        with file.open("rb") as log:
            log.seek(max(0, log.seek(0, 2) - _TAIL))
            text = log.read().decode("utf-8", "replace")
    except OSError:
        return []
    # A progress bar overwrites itself with carriage returns: only its last state counts.
    lines = [line.rpartition("\r")[2] for line in text.splitlines() if line.strip()]
    return lines[-count:]


def numbers(view: JobView) -> list[str]:
    """Return the numbers of a run as lines."""
    metric = view.metric
    if metric is None:
        return [view.note or view.what] if view.active else []
    first = [f"step {metric.step}/{metric.total}", f"epoch {metric.epoch}"]
    if view.rate is not None:
        first.append(f"{view.rate:.3g} it/s")
    if view.eta is not None and view.running:
        first.append(f"ETA {duration(view.eta)}")
    second = [f"loss {metric.loss:.4f}"]
    if metric.average_loss is not None:
        second.append(f"average {metric.average_loss:.4f}")
    if metric.learning_rate is not None:
        second.append(f"rate {metric.learning_rate:.2e}")
    third = []
    checks = [m.val_loss for m in view.metrics if m.val_loss is not None]
    if checks:
        third.append(f"validation {checks[0]:.4f} -> {checks[-1]:.4f}")
    if metric.memory_bytes:
        third.append(f"{metric.memory_bytes / 2**30:.1f} GiB")
    if view.device:
        third.append(f"on {view.device}")
    return [" · ".join(part) for part in (first, second, third) if part]


def _title(view: JobView) -> str:
    if not view.running:
        return f"{view.state}: {view.title}"
    if not view.total:
        return f"▶ {view.title}: {view.what} {view.note}"
    return f"▶ {view.title}: {view.what} {bar(view.done, view.total, 20)} {view.done}/{view.total}"


def _series(metrics: list[events.Metric]) -> list[Series]:
    raw = [(float(m.step), m.loss) for m in metrics if m.loss is not None]
    checks = [(float(m.step), m.val_loss) for m in metrics if m.val_loss is not None]
    return [
        Series("loss", "raw", raw),
        Series("smoothed", "smooth", smooth(raw, 0.95)),
        Series("validation", "check", checks, wide=True),
    ]
