"""What the command line prints of a job while it is watched."""

from collections.abc import Mapping

from prep import events

_STAGES = {
    "queue": False,
    "load": False,
    "reorder": True,
    "execution": True,
    "plan": True,
    "probe": True,
}
"""Stages with a note that is worth a line, and whether it is that of their end."""


def run_line(event: events.Event) -> str | None:
    """Return the line for an event of a job; ``None`` for no line."""
    if isinstance(event, events.Stage):
        shown = event.done == _STAGES[event.name] if event.name in _STAGES else False
        return event.note if shown and event.note else None
    if isinstance(event, events.Probed):
        return event.text
    if isinstance(event, events.Validation):
        return "\n".join(_validation_lines(event)) or None
    if isinstance(event, events.Saved):
        return f"step {event.step}: saved {event.path}"
    if isinstance(event, events.Sample | events.Written):
        return event.path
    return None


def _validation_lines(event: events.Validation) -> list[str]:
    lines = []
    if event.loss is not None:
        lines.append(
            f"step {event.step}: validation loss {event.loss:.4f}"
            f"{_noise(event.bands)}{_change(event.fall)}"
        )
    if event.trained_loss is not None:
        lines.append(
            f"step {event.step}: training images {event.trained_loss:.4f}"
            f"{_noise(event.trained_bands)}{_change(event.trained_fall)}"
        )
    if event.gap is not None and event.step:
        lines.append(f"step {event.step}: train-validation gap {100 * event.gap:+.1f} points")
    return lines


def _noise(bands: Mapping[str, float]) -> str:
    told = ", ".join(f"{name} {loss:.4f}" for name, loss in bands.items())
    return f" (noise {told})" if told else ""


def _change(fall: float | None) -> str:
    if not fall:
        return ""
    return f", {abs(100 * fall):.1f} % {'below' if fall > 0 else 'above'} the base model"
