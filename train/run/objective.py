"""The loss of a batch, and of the held-out images.

What is drawn for an image (timestep, noise, whether it is mirrored) is a function of the seed, the
step and the place in the step, so that neither interruptions nor the number of devices change what
is learned. Each purpose has a stream of its own: an option that is switched on changes no other's
draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prep.captions.shuffle import varied
from prep.seeding import generator, seed_of
from train.arithmetic.loss import huber_threshold, per_image, pixel_errors
from train.arithmetic.perturbation import Draws, input_noise, training_noise
from train.data.dataset import Batch, Exposure, TrainImage, validation_caption
from train.families.base import Frame
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
        latents, noise, timesteps = (
            _moved(part, device) for part in (self.latents, self.noise, self.timesteps)
        )
        mixed = noise if self.mixed is self.noise else _moved(self.mixed, device)
        return Example(latents, noise, mixed, timesteps)


def _moved(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy to a device; the GPU goes on computing meanwhile."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def batch_losses(training: Training, batch: Batch, *place: int) -> Tensor:
    """Return the weighted loss of each image of a batch, shape (batch,).

    Args:
        training: The run.
        batch: Images of one bucket.
        place: (epoch, step, place of the batch in the step).
    """
    epoch, step, index = place
    settings, objective = training.settings, training.model.objective

    def draws(purpose: str) -> torch.Generator:
        return torch.Generator().manual_seed(seed_of(settings.seed, purpose, step, index))

    latents = _latents(training, batch, epoch, draws)
    noise = training_noise(latents, settings, draws)
    mixed = input_noise(noise, settings, draws)
    timesteps = objective.draw_timesteps(len(batch), draws("timesteps"), settings)
    example = Example(latents, noise, mixed, timesteps).to(training.group.device)
    training.network.begin(timesteps / objective.timesteps_at((1.0,)))
    captions = [_caption(exposure, settings.seed, epoch) for exposure in batch]
    frames = [_frame(e.image, flipped=_is_flipped(e, settings.seed, epoch)) for e in batch]
    predicted, target = _prediction(training, example, captions, frames)
    errors = pixel_errors(
        predicted, target, settings.loss_type, _threshold(training, example.timesteps)
    )
    kinds = [exposure.image.regularization for exposure in batch]
    importance = torch.tensor([settings.prior_loss_weight if kind else 1.0 for kind in kinds])
    weights = objective.loss_weights(example.timesteps, settings)
    return per_image(errors, weights, _moved(importance, training.group.device))


def _threshold(training: Training, timesteps: Tensor) -> Tensor | None:
    settings, objective = training.settings, training.model.objective
    if settings.loss_type == "l2":
        return None
    return huber_threshold(timesteps, objective.snr(timesteps), objective.timesteps, settings)


def _latents(training: Training, batch: Batch, epoch: int, draws: Draws) -> Tensor:
    """Draw the latents of a batch, at the denoiser's scale, shape (batch, channels, h, w)."""
    rng, drawn = draws("latents"), []
    for exposure in batch:
        flipped = _is_flipped(exposure, training.settings.seed, epoch)
        mean, deviation = training.cache.load(exposure.image, flipped=flipped)
        drawn.append(mean + deviation * torch.randn(mean.shape, generator=rng))
    return training.model.scaled(torch.stack(drawn))


def _is_flipped(exposure: Exposure, seed: int, epoch: int) -> bool:
    if not exposure.image.flip:
        return False
    return generator(seed, "flip", epoch, exposure.image.content, exposure.turn).random() < 0.5


def _caption(exposure: Exposure, seed: int, epoch: int) -> str:
    image = exposure.image
    return varied(image.caption, image.rules, seed, epoch, image.content, exposure.turn)


def _frame(image: TrainImage, *, flipped: bool = False) -> Frame:
    bucket = image.fit.bucket
    return Frame(image.origin.size, image.origin.corner_of(bucket, flipped=flipped), bucket)


def _prediction(
    training: Training, example: Example, captions: Sequence[str], frames: Sequence[Frame]
) -> tuple[Tensor, Tensor]:
    """Return what the denoiser predicts and what it should, shaped as the latents."""
    model, objective, timesteps = training.model, training.model.objective, example.timesteps
    conditioning = model.framed(training.texts.encode(captions), frames)
    noisy = objective.noisy(example.latents, example.mixed, timesteps)
    predicted = model.predict(noisy, timesteps, conditioning)
    return predicted, objective.target(example.latents, example.noise, timesteps)


def validation_loss(training: Training) -> float | None:
    """Return the ``fixed_loss`` of the held-out images; ``None`` when nothing is held out."""
    return fixed_loss(training, training.held_out) if training.held_out else None


@torch.no_grad()
def fixed_loss(training: Training, images: Sequence[TrainImage]) -> float:
    """Return the mean loss of images on fixed noise and timesteps, unweighted.

    It is the same function at every step, whatever the loss of the training, so that it can be
    compared between epochs and runs.
    """
    with training.network.in_use():
        losses = [_held_out_loss(training, image) for image in images]
    return float(torch.stack(losses).mean())


def _held_out_loss(training: Training, image: TrainImage) -> Tensor:
    model, count = training.model, len(VALIDATION_TIMES)
    mean, _ = training.cache.load(image)
    latents = model.scaled(mean)[None].expand(count, *[-1] * mean.ndim)
    rng = torch.Generator().manual_seed(seed_of("validation", image.content))
    noise = torch.randn(latents.shape, generator=rng)
    times = model.objective.timesteps_at(VALIDATION_TIMES)
    example = Example(latents, noise, noise, times).to(training.group.device)
    captions, frames = [validation_caption(image)] * count, [_frame(image)] * count
    predicted, target = _prediction(training, example, captions, frames)
    return pixel_errors(predicted, target).mean()
