"""The images of a batch as the denoiser gets them, without those that can no longer be read."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from prep.errors import UnreadableError, UserError
from prep.events import Skipped
from train.data.dataset import Batch, TrainImage
from train.data.latents import LatentCache
from train.families.base import Frame


@dataclass
class Lost:
    """Images that vanished or changed in the course of a run, after their latents were deleted."""

    reasons: dict[Path, str] = field(default_factory=dict)
    _reported: int = 0

    def add(self, image: TrainImage, reason: str, images: Sequence[TrainImage]) -> None:
        """Note one of the images of the run.

        Raises:
            UserError: It was the last one.
        """
        self.reasons.setdefault(image.path, reason)
        if {other.path for other in images} <= self.reasons.keys():
            raise UserError(
                f"No image of the dataset can be read any more: {reason}.",
                "Put the files back, then: shikomi train --resume JOB",
            )

    def news(self) -> Iterator[Skipped]:
        """Yield those since the last call."""
        found = list(self.reasons.items())[self._reported :]
        self._reported += len(found)
        yield from (Skipped(str(path), reason) for path, reason in found)


@dataclass(frozen=True)
class LoadedBatch:
    """The images of a batch that can be read; all on the CPU.

    Attributes:
        exposures: Those of the batch.
        latents: Their mean, or drawn; not scaled; shape (batch, channels, height, width).
        masks: How much each latent pixel counts, (batch, 1, height, width); ``None`` for 1.
        frames: Where each comes from.
    """

    exposures: Batch
    latents: Tensor
    masks: Tensor | None
    frames: tuple[Frame, ...]


def load_batch(
    cache: LatentCache,
    batch: Batch,
    chance: tuple[int, int],
    rng: torch.Generator,
    lose: Callable[[TrainImage, str], None],
) -> LoadedBatch | None:
    """Load a batch as one epoch shows it.

    Args:
        cache: Has their latents.
        batch: Images of one bucket.
        chance: Seed and epoch.
        rng: Draws the latents.
        lose: Told of each image that can no longer be read, and why.

    Returns:
        ``None`` if none of its images can be read.
    """
    loaded = []
    for exposure in batch:
        image, flipped = exposure.shown(*chance)
        try:
            mean, deviation = cache.load(image, flipped=flipped)
            mask = cache.mask(image, flipped=flipped)
        except UnreadableError as error:
            lose(exposure.image, error.message)
            continue
        latents = mean + deviation * torch.randn(mean.shape, generator=rng)
        loaded.append((exposure, latents, mask, frame_of(image, flipped=flipped)))
    if not loaded:
        return None
    exposures, latents_, masks, frames = zip(*loaded, strict=True)
    return LoadedBatch(exposures, torch.stack(latents_), stacked_masks(masks), frames)


def stacked_masks(masks: Sequence[Tensor | None]) -> Tensor | None:
    """Return the masks of a batch; images without one count everywhere."""
    known = next((mask for mask in masks if mask is not None), None)
    if known is None:
        return None
    return torch.stack([torch.ones_like(known) if mask is None else mask for mask in masks])


def frame_of(image: TrainImage, *, flipped: bool = False) -> Frame:
    """Return where an image comes from."""
    bucket = image.fit.bucket
    return Frame(image.origin.size, image.origin.corner_of(bucket, flipped=flipped), bucket)
