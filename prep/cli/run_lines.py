"""What the command line prints of a job while it is watched."""

from prep import events

_STAGES = {"queue": False, "load": False, "plan": True, "probe": True}
"""Stages with a note that is worth a line, and whether it is that of their end."""


def run_line(event: events.Event) -> str | None:
    """Return the line for an event of a job; ``None`` for no line."""
    if isinstance(event, events.Stage):
        shown = event.done == _STAGES[event.name] if event.name in _STAGES else False
        return event.note if shown and event.note else None
    if isinstance(event, events.Probed):
        return event.text
    if isinstance(event, events.Metric) and event.val_loss is not None:
        return f"step {event.step}: validation loss {event.val_loss:.4f}"
    if isinstance(event, events.Saved):
        return f"step {event.step}: saved {event.path}"
    return event.path if isinstance(event, events.Sample | events.Written) else None
