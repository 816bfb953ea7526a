"""TensorBoard: a listener to the events of a run that writes what can be drawn."""

from pathlib import Path
from typing import Any

from prep.errors import UnreadableError
from prep.events import Event, Metric, Sample, Validation, Warned
from prep.images import decode
from train.config import RunConfig

FOLDER = "tensorboard"
"""Below ``output``, with a folder for each run."""
_LOST = (OSError, ValueError, UnreadableError)
"""What writing or reading a picture may raise; the run is worth more than its curves."""


class Board:
    """Writes scalars and samples of one run.

    A run that is resumed goes on in its own folder; TensorBoard then hides what was written after
    the state that it went back to.
    """

    def __init__(self, folder: Path, project: Path) -> None:
        """Write nothing yet.

        Args:
            folder: Of the run.
            project: What the paths in events are relative to.
        """
        self._folder, self._project = folder, project
        self._writer: Any = None
        self._off = False

    @classmethod
    def of(cls, run: RunConfig) -> "Board | None":
        """Return that of a run; ``None`` when its settings ask for none."""
        if not run.train.tensorboard:
            return None
        return cls(run.output.parent / FOLDER / run.name, run.project)

    def take(self, event: Event) -> Warned | None:
        """Write an event; the first time that this fails, return a warning and write no more."""
        if self._off or not isinstance(event, Metric | Validation | Sample):
            return None
        try:
            self._write(event)
        except _LOST as error:
            self._off = True
            return Warned(
                f"TensorBoard's files cannot be written: {error}.", "Training continues without."
            )
        return None

    def close(self) -> None:
        """Write what waits."""
        if self._writer is not None:
            self._writer.close()

    def _write(self, event: Metric | Validation | Sample) -> None:
        writer = self._opened(event.step or 0)
        if isinstance(event, Sample):
            _write_picture(writer, self._project / event.path, event)
        else:
            for name, value in scalars(event).items():
                writer.add_scalar(name, value, event.step)
        if not isinstance(event, Metric):
            writer.flush()

    def _opened(self, step: int) -> Any:
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(self._folder, purge_step=step)
        return self._writer


def scalars(event: Metric | Validation) -> dict[str, float]:
    """Return what is drawn of an event, by the name of its curve."""
    if isinstance(event, Metric):
        found: dict[str, float | None] = {
            "loss/step": event.loss,
            "loss/average": event.average_loss,
            "gradient/norm": event.gradient_norm,
            "speed/steps_per_s": event.it_per_s,
            "speed/memory_bytes": event.memory_bytes,
            **{f"learning_rate/{part}": rate for part, rate in event.rates.items()},
        }
    else:
        found = {
            "validation/held_out": event.loss,
            "validation/trained": event.trained_loss,
            "validation/gap": event.gap,
            **{f"validation_held_out/{band}": loss for band, loss in event.bands.items()},
            **{f"validation_trained/{band}": loss for band, loss in event.trained_bands.items()},
        }
    return {name: float(value) for name, value in found.items() if value is not None}


def _write_picture(writer: Any, file: Path, sample: Sample) -> None:
    import numpy as np

    pixels = np.asarray(decode(file))
    name = f"samples/{file.stem.rpartition('-')[2]} {sample.prompt[:60]}"
    writer.add_image(name, pixels, sample.step, dataformats="HWC")
