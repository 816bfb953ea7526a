"""What the command line prints of a job while it is watched."""

from prep import events


def run_line(event: events.Event) -> str | None:
    """Return the line for an event of a job; ``None`` for no line."""
    if isinstance(event, events.Stage):
        return event.note if event.name == "queue" and not event.done else None
    if isinstance(event, events.Metric) and event.val_loss is not None:
        return f"step {event.step}: validation loss {event.val_loss:.4f}"
    if isinstance(event, events.Saved):
        return f"step {event.step}: saved {event.path}"
    return event.path if isinstance(event, events.Sample | events.Written) else None
