"""A run as one line of a list."""

from prep.language import _
from tui.jobs.follow import JobView
from tui.widgets.line_list import Piece, cell

_STATES = {
    "running": ("▶", "key"),
    "queued": ("◷", "key"),
    "stalled": ("◷", "warn"),
    "done": ("✓", "good"),
    "stopped": ("■", "warn"),
    "failed": ("×", "bad"),
    "lost": ("×", "bad"),
    "new": ("○", "dim"),
}


def run_line(view: JobView, place: str = "") -> list[Piece]:
    """Return state, time of start, title and steps of a run; ``place`` is that in the queue."""
    glyph, look = _STATES[view.state]
    steps = f"{view.done}/{view.total}" if view.total else ""
    when = view.job.name[9:13]
    return [
        (f"{glyph} {cell(f'{_state(view)} {place}', 10)}", look),
        (f"{when[:2]}:{when[2:]} ", "dim"),
        (cell(view.title, 28), ""),
        (f" {steps}", "dim"),
    ]


def _state(view: JobView) -> str:
    """Return the state of a run for people."""
    if view.paused:
        return _("paused")
    return {
        "running": _("running"),
        "queued": _("queued"),
        "stalled": _("stalled"),
        "done": _("done"),
        "stopped": _("stopped"),
        "failed": _("failed"),
        "lost": _("lost"),
        "new": _("new"),
    }[view.state]
