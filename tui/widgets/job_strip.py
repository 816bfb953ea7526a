"""The strip at the bottom: running job, progress, remaining time and device."""

from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from prep import events
from prep.language import _, marked, translated
from tui.jobs.follow import JobView
from tui.notices import Notice
from tui.widgets.line_list import cell

_BAR = 16
_COMMANDS, _TYPING = marked(" COMMANDS "), marked(" TYPING · esc ")
"""What keys do; the same in words and in colour."""


def duration(seconds: float) -> str:
    """Return a duration that counts down, to the second, in as few cells as it takes.

    Example:
        >>> duration(7), duration(125), duration(7300)
        ('7s', '2m05s', '2h01m')
    """
    whole = max(0, round(seconds))
    if whole < 60:
        return _("{seconds}s").format(seconds=whole)
    minutes, seconds = divmod(whole, 60)
    if minutes < 60:
        return _("{minutes}m{seconds:02}s").format(minutes=minutes, seconds=seconds)
    hours, minutes = divmod(minutes, 60)
    return _("{hours}h{minutes:02}m").format(hours=hours, minutes=minutes)


def bar(done: int, total: int, width: int) -> str:
    """Return a progress bar as text.

    Example:
        >>> bar(1, 4, 8)
        '━━──────'
    """
    full = min(width, done * width // total) if total else 0
    return "━" * full + "─" * (width - full)


def progress(what: str, done: int, total: int, width: int, note: str = "") -> str:
    """Return what is at work and how far it is, with a bar; what is not known is left out.

    Example:
        >>> progress("scan", 1, 4, 8), progress("load", 0, 0, 8, "on cpu"), progress("", 0, 0, 8)
        ('scan ━━────── 1/4', 'load on cpu', '')
    """
    shown = f"{bar(done, total, width)} {done}/{total}" if total else translated(note)
    return f"{translated(what)} {shown}".strip()


def describe(view: JobView) -> list[str]:
    """Describe a job, the most important facts first."""
    parts = [f"▶ {view.title}" if view.running else ended(view)]
    far = progress(view.what, view.done, view.total if view.running else 0, _BAR)
    parts += [far] if far else []
    if view.eta is not None and view.running:
        parts.append(_("ETA {time}").format(time=duration(view.eta)))
    if view.rate is not None and view.running:
        parts.append(f"{view.rate:.3g}/s")
    metric = view.metric
    if metric is not None:
        loss = metric.average_loss if metric.average_loss is not None else metric.loss
        parts.append(_("loss {value}").format(value=f"{loss:.4f}"))
    if view.device:
        parts.append(_("on {device}").format(device=view.device))
    return parts


def ended(view: JobView) -> str:
    """Return the state of a job and its title."""
    return _("{state}: {job}").format(state=view.state_text, job=view.title)


def outcome(view: JobView) -> str:
    """Return a sentence on how a job ended."""
    if isinstance(view.end, events.Failed):
        text = _("{job} failed: {reason}")
        return text.format(job=view.title, reason=translated(view.end.message))
    return _("{job}: {state}").format(job=view.title, state=view.state_text)


def ending(view: JobView) -> str:
    """Return what to tell when a job ends: its outcome, and what can be done about it.

    The key that undoes it is named only here: once something else is edited, it undoes that.
    """
    text = outcome(view)
    if isinstance(view.end, events.Failed):
        return f"{text}\n{translated(view.end.hint)}".strip()
    if view.state == "lost":
        hint = _("It ended unexpectedly; see {file}.").format(file=view.job.log_file)
        return f"{text}\n{hint}"
    if isinstance(view.end, events.Finished) and view.end.summary.get("edit"):
        return _("{done}. Press u to undo.").format(done=text)
    return text


class JobStrip(Widget):
    """The job strip, one line high; at its left, what keys do: commands, or typing.

    Attributes:
        typing: Letters go into a text field.
        notice: What is told at the moment, in place of the jobs.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *("strip--commands", "strip--typing"),
        *("strip--information", "strip--warning", "strip--error"),
    }
    typing: reactive[bool] = reactive(False)
    notice: reactive[Notice | None] = reactive(None)

    def __init__(self, *, only_notices: bool = False) -> None:
        """Make the line.

        Args:
            only_notices: It is there only while something is told.
        """
        super().__init__(id="job-strip", classes="-only-notices" if only_notices else None)
        self._parts: list[str] = []
        self._mode = ""

    def show(self, running: list[JobView], scan: str, last: JobView | None) -> None:
        """Show the newest running job, else the scan, else how the last job ended."""
        self._mode = ""
        if running:
            more = [_("+{count} more").format(count=len(running) - 1)] if len(running) > 1 else []
            self._parts = [*describe(running[0]), *more]
            self._mode = running[0].settings.kind
        elif scan:
            self._parts = [scan]
        else:
            self._parts = [_("no job is running"), *([outcome(last)] if last else [])]
        self.set_class(bool(running or scan), "-busy")
        self.refresh()

    def watch_notice(self, notice: Notice | None) -> None:
        """Come, or go."""
        self.set_class(notice is not None, "-told")

    @property
    def text(self) -> str:
        """The complete text."""
        return "  ".join(self._parts)

    async def on_click(self) -> None:
        """Show all of a notice, or go to the stage of the running job."""
        if self.notice is not None:
            await self.app.run_action("notices")
        elif self._mode in ("tag", "train", "dupes"):
            await self.app.run_action(f"go('{self._mode}')")

    def render_line(self, y: int) -> Strip:
        """Draw as many parts as fit."""
        del y
        badge, look = (_TYPING, "typing") if self.typing else (_COMMANDS, "commands")
        style = self.get_component_rich_style(f"strip--{look}")
        badge = _(badge)
        badge = cell(badge, min(cell_len(badge), self.size.width))
        width, text = self.size.width - cell_len(badge), ""
        if self.notice is not None:
            told = self.get_component_rich_style(f"strip--{self.notice.severity}")
            shown = _one_line(self.notice.line, width)
            return Strip([Segment(badge, style), Segment(shown, told)], self.size.width)
        for part in self._parts:
            longer = f"{text}  {part}" if text else f" {part}"
            if cell_len(longer) > width and text:
                break
            text = longer
        segments = [Segment(badge, style), Segment(cell(text, width), self.rich_style)]
        return Strip(segments, self.size.width)


def _one_line(text: str, width: int) -> str:
    """Return a notice in one line; where it is cut, the key that shows all of it."""
    if cell_len(text) + 2 <= width:
        return cell(f" {text}", width)
    more = _("  B: all of it ")
    return cell(f" {text}", max(0, width - cell_len(more))) + more[: max(0, width)]
