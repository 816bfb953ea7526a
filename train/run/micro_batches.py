"""How many images of a batch are computed at once: all of them, until memory runs out.

The gradient of a step is that of the mean over its images, however they are spread, so that a
batch that does not fit is computed in parts: the same result, a little slower. What a process has
found out holds for the rest of the run, and is part of its states: sums of floats depend on how
they are grouped, and a run that is resumed gives the same bits.
"""

from collections.abc import Iterator, Mapping, Sequence

import torch

from prep.events import Warned
from train.data.dataset import Batch, TrainImage
from train.run.processes import ProcessGroup


class MicroBatches:
    """The most images that one process computes at once, by the pixels of their bucket."""

    def __init__(self, images: Sequence[TrainImage]) -> None:
        """Begin without limits; ``images`` are those of the training."""
        self._most = dict.fromkeys(sorted({_pixels(image) for image in images}), 0)
        self._anywhere = self._told = False

    def size(self, batch: Batch) -> int:
        """Return how many images of a batch are computed at once.

        What did not fit at one size does not at a larger one either.
        """
        pixels = _pixels(batch[0].image)
        limits = [most for known, most in self._most.items() if most and known <= pixels]
        return min([len(batch), *limits])

    def halve(self, batch: Batch) -> bool:
        """Take in that memory ran out over a batch; return whether fewer images are left to try."""
        size = self.size(batch)
        if size == 1:
            return False
        self._most[_pixels(batch[0].image)] = (size + 1) // 2
        self._anywhere = True
        return True

    def news(self) -> Iterator[Warned]:
        """Yield a warning, once in a run."""
        if self._anywhere and not self._told:
            self._told = True
            yield Warned(
                "A batch did not fit into memory: from now on fewer of its images are computed at"
                " once. The result stays the same.",
                "Steps take a little longer. gradient_checkpointing = true saves more memory.",
            )

    def table(self, group: ProcessGroup) -> dict[str, list[int]]:
        """Return the limits of all processes, which call this together, by pixels; 0 for none."""
        limits = torch.zeros(len(self._most), group.size, device=group.device)
        limits[:, group.rank] = torch.tensor(list(self._most.values()), dtype=limits.dtype)
        rows = [[int(most) for most in row] for row in group.all_reduce(limits).tolist()]
        found = {str(pixels): row for pixels, row in zip(self._most, rows, strict=True) if any(row)}
        self._anywhere = bool(found)
        return found

    def restore(self, table: Mapping[str, Sequence[int]], group: ProcessGroup) -> None:
        """Go back to a ``table``; processes that it does not have begin without limits."""
        for pixels in self._most:
            row = table.get(str(pixels), ())
            self._most[pixels] = row[group.rank] if group.rank < len(row) else 0
        self._told = bool(table)


def _pixels(image: TrainImage) -> int:
    width, height = image.fit.bucket
    return width * height
