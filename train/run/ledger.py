"""Which images are hard, and which are learned: the loss of each image beside what is usual.

The loss of a diffusion step depends far more on its timestep than on its image. So each loss is
divided by the running mean of its band of timesteps: 2 is twice as hard as usual. Over the
exposures of an image the chance of noise and timestep averages out. The mean runs behind a loss
that falls, so that readers compare images with each other (``train.doctor.images``), not with 1.

Losses stay on their device until those of the steps are read as well: a GPU waits for nothing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from prep.system.files import text_hash
from train.data.dataset import Batch, TrainImage
from train.run.processes import ProcessGroup

_BANDS = 20
"""Bands of timesteps: within a twentieth of the schedule the loss hardly depends on it."""
_SETTLED = 8
"""Losses in a band before its mean is compared with."""
_MEMORY = 64
"""Losses that the mean of a band goes back, so that it follows what the network learns."""
_COLUMNS = 8
"""Of an image: exposures; how many were rated, the sum of their relative losses, and that of the
squares; numbers and sums of the beginning of the run, and of its second half."""
_BEGINNING, _SECOND = 0.25, 0.5
"""Shares of the run: at the beginning most is new, in its second half most is learned."""
_PREFIX = "ledger."


@dataclass(frozen=True)
class ImageLosses:
    """What the ledger says of an image.

    Attributes:
        image: The image.
        exposures: How often it was shown.
        rated: How many of them could be compared with others.
        relative: Mean relative loss; ``None`` without any.
        spread: Standard deviation of its relative losses; ``None`` below two.
        first: Mean in the first quarter of the run.
        last: Mean in the second half.
    """

    image: TrainImage
    exposures: int
    rated: int
    relative: float | None
    spread: float | None
    first: float | None
    last: float | None


@dataclass(frozen=True)
class _Noted:
    """Losses of a batch that are not read yet.

    Attributes:
        step: Counted from 0.
        rows: Place of each image in the ledger.
        bands: Of each timestep.
        losses: Unweighted, shape (batch,), on the device.
    """

    step: int
    rows: list[int]
    bands: list[int]
    losses: Tensor


class Ledger:
    """The losses of every training image, over the whole run."""

    def __init__(self, images: Sequence[TrainImage], steps: int, timesteps: int) -> None:
        """Begin empty.

        Args:
            images: Of the training; copies of a picture share a place.
            steps: Of the run; its parts are counted in them.
            timesteps: Length of the noise schedule.
        """
        self._images: dict[tuple[str, int], TrainImage] = {}
        for image in images:
            self._images.setdefault((image.content, image.part), image)
        self._places = {key: place for place, key in enumerate(self._images)}
        self._rows = [[0.0] * _COLUMNS for _ in self._images]
        self._bands = [[0.0, 0.0] for _ in range(_BANDS)]
        self._steps, self._timesteps = steps, timesteps
        self._pending: list[_Noted] = []

    def note(self, step: int, batch: Batch, timesteps: Tensor, losses: Tensor) -> None:
        """Take in the losses of a batch without reading them.

        Args:
            step: Counted from 0.
            batch: The images.
            timesteps: Shape (batch,), on the CPU.
            losses: Unweighted, shape (batch,), anywhere.
        """
        rows = [self._places[shown.image.content, shown.image.part] for shown in batch]
        bands = (timesteps * _BANDS // self._timesteps).tolist()
        self._pending.append(_Noted(step, rows, bands, losses.detach()))

    def forget(self, step: int) -> None:
        """Drop what was noted of a step that is done again."""
        self._pending = [noted for noted in self._pending if noted.step != step]

    def settle(self, group: ProcessGroup, most: int) -> None:
        """Read what was noted; with several processes, all of them call this after the same steps.

        Args:
            group: Their losses are put together.
            most: The most images that one process sees in a step.
        """
        pending, self._pending = self._pending, []
        if group.size == 1 and not pending:
            return
        losses = torch.cat([noted.losses.float() for noted in pending]).tolist() if pending else []
        table = [
            (float(noted.step), float(row), float(band))
            for noted in pending
            for row, band in zip(noted.rows, noted.bands, strict=True)
        ]
        entries: list[tuple[float, ...]] = [
            (*places, loss) for places, loss in zip(table, losses, strict=True)
        ]
        for step, row, band, loss in _of_all(entries, group, most):
            self._rate(step, int(row), int(band), loss)

    def _rate(self, step: float, place: int, band: int, loss: float) -> None:
        if not math.isfinite(loss):
            return
        row, usual = self._rows[place], self._bands[min(band, _BANDS - 1)]
        row[0] += 1
        if usual[0] >= _SETTLED and usual[1] > 0:
            relative = loss / usual[1]
            _add(row, 1, relative)
            row[3] += relative**2
            if step < _BEGINNING * self._steps:
                _add(row, 4, relative)
            elif step >= _SECOND * self._steps:
                _add(row, 6, relative)
        usual[0] += 1
        usual[1] += (loss - usual[1]) / min(usual[0], _MEMORY)

    def entries(self) -> list[ImageLosses]:
        """Return what is known of each image, in the order of the dataset."""
        pairs = zip(self._images.values(), self._rows, strict=True)
        return [_told(image, row) for image, row in pairs]

    def tensors(self) -> dict[str, Tensor]:
        """Return everything as tensors for a state file; what is noted must have been settled."""
        return {
            f"{_PREFIX}images": torch.tensor([_number(*key) for key in self._images]),
            f"{_PREFIX}rows": torch.tensor(self._rows, dtype=torch.float64),
            f"{_PREFIX}bands": torch.tensor(self._bands, dtype=torch.float64),
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go back to ``tensors``; images that it does not have begin anew.

        The state of an earlier version has none: the ledger begins anew.
        """
        found = [tensors.get(f"{_PREFIX}{name}") for name in ("images", "rows", "bands")]
        images, rows, bands = found
        if images is None or rows is None or bands is None:
            return
        if bands.shape != (_BANDS, 2) or rows.shape != (len(images), _COLUMNS):
            return
        known: dict[int, Any] = dict(zip(images.tolist(), rows.tolist(), strict=True))
        empty = [0.0] * _COLUMNS
        self._rows = [list(known.get(_number(*key), empty)) for key in self._images]
        self._bands = bands.tolist()


def _number(content: str, part: int) -> int:
    """Return what an image is known by in a state: its path may change."""
    return int(text_hash(f"{content} {part}")[:15], 16)


def _of_all(
    entries: list[tuple[float, ...]], group: ProcessGroup, most: int
) -> list[tuple[float, ...]]:
    """Return the entries of all processes."""
    if group.size == 1:
        return entries
    # Steps are settled one by one here, so that the same room does for all processes.
    shared = torch.zeros(group.size, most, 5, dtype=torch.float32, device=group.device)
    if entries:
        mine = torch.tensor([(1.0, *entry) for entry in entries], device=group.device)
        shared[group.rank, : len(entries)] = mine
    group.all_reduce(shared)
    return [tuple(entry[1:]) for rows in shared.tolist() for entry in rows if entry[0]]


def _add(row: list[float], place: int, value: float) -> None:
    row[place] += 1
    row[place + 1] += value


def _over(count: float, total: float) -> float | None:
    return total / count if count else None


def _told(image: TrainImage, row: list[float]) -> ImageLosses:
    exposures, count, total, squares, *parts = row
    spread = None
    if count >= 2:
        spread = math.sqrt(max(0.0, (squares - total**2 / count) / (count - 1)))
    first, last = _over(*parts[:2]), _over(*parts[2:])
    return ImageLosses(image, int(exposures), int(count), _over(count, total), spread, first, last)
