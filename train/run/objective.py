"""The loss of a batch, and of the held-out images.

What is drawn for an image (timestep, noise, whether it is mirrored) is a function of the seed, the
step and the place in the step, so that neither interruptions nor the number of devices change what
is learned. Each purpose has a stream of its own: an option that is switched on changes no other's
draws.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from prep.errors import UnreadableError
from prep.seeding import seed_of
from train.arithmetic.loss import huber_threshold, per_image, pixel_errors
from train.arithmetic.perturbation import input_noise, training_noise
from train.arithmetic.transfer import moved
from train.config import TrainSettings
from train.data.dataset import Batch, TrainImage, validation_caption
from train.families.base import Conditioning, Frame
from train.run.batches import LoadedBatch, frame_of, load_batch
from train.run.prepare import Training

VALIDATION_TIMES = (0.125, 0.375, 0.625, 0.875)
"""Where on the noise schedule the validation loss is measured, as shares of its length."""


@dataclass(frozen=True)
class Example:
    """What the denoiser is asked about a batch; all on its device.

    Attributes:
        latents: Clean, shape (batch, channels, height, width).
        noise: What is to be predicted, of the same shape.
        mixed: The noise that is mixed in.
        timesteps: Shape (batch,).
    """

    latents: Tensor
    noise: Tensor
    mixed: Tensor
    timesteps: Tensor

    def to(self, device: torch.device) -> "Example":
        """Return it on a device."""
        return self._each(lambda tensor: moved(tensor, device))

    def rows(self, chosen: slice) -> "Example":
        """Return some of its images."""
        return self._each(lambda tensor: tensor[chosen])

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Example":
        latents, noise, timesteps = map(change, (self.latents, self.noise, self.timesteps))
        mixed = noise if self.mixed is self.noise else change(self.mixed)
        return Example(latents, noise, mixed, timesteps)


@dataclass(frozen=True)
class _Drawn:
    """A batch with everything that was drawn for it; on the CPU."""

    loaded: LoadedBatch
    example: Example
    captions: list[str]


def micro_losses(
    training: Training, batch: Batch, place: tuple[int, int, int], most: int
) -> Iterator[Tensor]:
    """Yield the weighted losses of the images of a batch, a part of them at a time.

    An image meets the same noise, timestep and caption in whatever part it is. Only what adapters
    switch off at random is drawn for each part.

    Args:
        training: The run.
        batch: Images of one bucket. Those that can no longer be read have no loss.
        place: (epoch, step, place of the batch in the step).
        most: Images that are computed at once.

    Yields:
        Shape (images,), of at most ``most`` images each.
    """
    _, step, index = place
    drawn = _drawn(training, batch, *place)
    if drawn is None:
        return
    for start in range(0, len(drawn.captions), most):
        part = (start,) if start else ()
        torch.manual_seed(seed_of(training.settings.seed, "dropout", step, index, *part))
        yield _losses(training, drawn, step, slice(start, start + most))


def _drawn(training: Training, batch: Batch, epoch: int, step: int, index: int) -> _Drawn | None:
    """Load a batch and draw for it; ``None`` if none of its images can be read."""
    settings, objective = training.settings, training.model.objective

    def draws(purpose: str) -> torch.Generator:
        return torch.Generator().manual_seed(seed_of(settings.seed, purpose, step, index))

    loaded = load_batch(
        training.cache, batch, (settings.seed, epoch), draws("latents"), training.lose
    )
    if loaded is None:
        return None
    latents = training.model.scaled(loaded.latents)
    noise = training_noise(latents, settings, draws)
    mixed = input_noise(noise, settings, draws)
    timesteps = objective.draw_timesteps(len(latents), draws("timesteps"), settings)
    captions = training.schedule.captions_of(step, loaded.exposures)
    return _Drawn(loaded, Example(latents, noise, mixed, timesteps), captions)


def _losses(training: Training, drawn: _Drawn, step: int, rows: slice) -> Tensor:
    """Return the weighted losses of some images of a batch, and note them in the ledger."""
    settings, objective, device = training.settings, training.model.objective, training.group.device
    loaded, own = drawn.loaded, drawn.example.rows(rows)
    exposures, timesteps, example = loaded.exposures[rows], own.timesteps, own.to(device)
    training.network.begin(timesteps / objective.timesteps_at((1.0,)))
    text = training.texts.encode(drawn.captions, training.captions_from(step), rows)
    predicted, target = _prediction(training, example, text, loaded.frames[rows])
    errors = pixel_errors(
        predicted, target, settings.loss_type, _threshold(training, example.timesteps)
    )
    weights = objective.loss_weights(example.timesteps, settings)
    importance = torch.tensor([_importance(exposure.image, settings) for exposure in exposures])
    masks = [] if loaded.masks is None else [loaded.masks[rows]]
    counting = [moved(part, device) for part in (importance, *masks)]
    training.ledger.note(step, exposures, timesteps, _unweighted(errors, *counting[1:]))
    return per_image(errors, weights, *counting)


def _unweighted(errors: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the mean error of each image over what its mask leaves, shape (batch,)."""
    errors = errors.detach()
    if mask is None:
        return per_image(errors)
    share = per_image(mask.expand_as(errors)).clamp(min=1e-6)
    return per_image(errors, mask) / share


def _importance(image: TrainImage, settings: TrainSettings) -> float:
    """Return how much an image counts beside the others."""
    return image.weight * (settings.prior_loss_weight if image.regularization else 1.0)


def _threshold(training: Training, timesteps: Tensor) -> Tensor | None:
    settings, objective = training.settings, training.model.objective
    if settings.loss_type == "l2":
        return None
    return huber_threshold(timesteps, objective.snr(timesteps), objective.timesteps, settings)


def _prediction(
    training: Training, example: Example, text: Conditioning, frames: Sequence[Frame]
) -> tuple[Tensor, Tensor]:
    """Return what the denoiser predicts and what it should, shaped as the latents."""
    model, objective, timesteps = training.model, training.model.objective, example.timesteps
    noisy = objective.noisy(example.latents, example.mixed, timesteps)
    predicted = model.predict(noisy, timesteps, model.framed(text, frames))
    return predicted, objective.target(example.latents, example.noise, timesteps)


def fixed_loss(training: Training, images: Sequence[TrainImage]) -> float:
    """Return the mean of ``fixed_losses``; NaN when no image can be read."""
    losses = fixed_losses(training, images)
    return float(torch.tensor(list(losses.values())).mean()) if losses else math.nan


@torch.no_grad()
def fixed_losses(training: Training, images: Sequence[TrainImage]) -> dict[Path, list[float]]:
    """Return the losses of images on fixed noise at ``VALIDATION_TIMES``, masked, not weighted.

    It is the same function at every step, whatever the loss of the training, so that it can be
    compared between epochs and runs. Images that can no longer be read are left out.
    """
    captions, losses = [validation_caption(image) for image in images], []
    read = []
    with training.network.in_use():
        for place, image in enumerate(images):
            try:
                mean, _ = training.cache.load(image)
                mask = training.cache.mask(image)
            except UnreadableError as error:
                training.lose(image, error.message)
                continue
            text = training.texts.encode([captions[place]], captions[place:])
            losses.append(_fixed_errors(training, image, mean, mask, text))
            read.append(image.path)
    return dict(zip(read, torch.stack(losses).tolist(), strict=True)) if losses else {}


def _fixed_errors(
    training: Training, image: TrainImage, mean: Tensor, mask: Tensor | None, text: Conditioning
) -> Tensor:
    """Return the loss of one image at each of ``VALIDATION_TIMES``, shape (times,)."""
    model, count, device = training.model, len(VALIDATION_TIMES), training.group.device
    latents = model.scaled(mean)[None].expand(count, *[-1] * mean.ndim)
    rng = torch.Generator().manual_seed(seed_of("validation", image.content))
    noise = torch.randn(latents.shape, generator=rng)
    times = model.objective.timesteps_at(VALIDATION_TIMES)
    example = Example(latents, noise, noise, times).to(device)
    several = Conditioning.joined([text] * count)
    predicted, target = _prediction(training, example, several, [frame_of(image)] * count)
    weights = [] if mask is None else [mask[None]]
    return per_image(pixel_errors(predicted, target), *weights)
