"""A run as one line of a list."""

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
    when = view.job.name[9:13]
    return [
        (f"{glyph} {cell(f'{view.state_text} {place}', 10)}", look),
        (f"{when[:2]}:{when[2:]} ", "dim"),
        (cell(view.title, 28), ""),
        (f" {view.counted}", "dim"),
    ]
