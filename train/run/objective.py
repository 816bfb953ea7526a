"""The loss of a batch, and of the held-out images.

Which noise and which timesteps an image gets is a function of (seed, step, place in the step), so
that neither interruptions nor the number of devices change what is learned.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from prep.captions.shuffle import varied
from prep.seeding import generator, seed_of
from train.arithmetic.loss import per_image, squared_error
from train.data.dataset import Batch, Exposure, TrainImage, validation_caption
from train.families.base import Frame
from train.run.prepare import Training

VALIDATION_TIMES = (0.125, 0.375, 0.625, 0.875)
"""Where on the noise schedule the validation loss is measured, as shares of its length."""


def batch_losses(training: Training, batch: Batch, *place: int) -> Tensor:
    """Return the weighted loss of each image of a batch, shape (batch,).

    Args:
        training: The run.
        batch: Images of one bucket.
        place: (epoch, step, place of the batch in the step).
    """
    epoch, step, index = place
    settings, objective = training.settings, training.model.objective
    rng = torch.Generator().manual_seed(seed_of(settings.seed, "noise", step, index))
    latents = _latents(training, batch, epoch, rng)
    noise = torch.randn(latents.shape, generator=rng)
    if settings.noise_offset:
        shape = (*latents.shape[:2], *[1] * (latents.ndim - 2))
        noise = noise + settings.noise_offset * torch.randn(shape, generator=rng)
    timesteps = objective.draw_timesteps(len(batch), rng)
    captions = [_caption(exposure, settings.seed, epoch) for exposure in batch]
    frames = [_frame(e.image, flipped=_is_flipped(e, settings.seed, epoch)) for e in batch]
    errors = _errors(training, latents, noise, timesteps, captions, frames)
    return per_image(errors, objective.loss_weights(timesteps, settings.min_snr_gamma))


def _latents(training: Training, batch: Batch, epoch: int, rng: torch.Generator) -> Tensor:
    """Draw the latents of a batch, at the denoiser's scale, shape (batch, channels, h, w)."""
    drawn = []
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


def _errors(
    training: Training,
    latents: Tensor,
    noise: Tensor,
    timesteps: Tensor,
    captions: Sequence[str],
    frames: Sequence[Frame],
) -> Tensor:
    """Return the squared error of every latent pixel, shaped as ``latents``."""
    model, device = training.model, training.group.device
    latents, noise, timesteps = (part.to(device) for part in (latents, noise, timesteps))
    conditioning = model.framed(training.texts.encode(captions), frames)
    noisy = model.objective.noisy(latents, noise, timesteps)
    predicted = model.predict(noisy, timesteps, conditioning)
    return squared_error(predicted, model.objective.target(latents, noise, timesteps))


@torch.no_grad()
def validation_loss(training: Training) -> float | None:
    """Return the mean loss of the held-out images on fixed noise and timesteps, unweighted.

    It is the same function at every step, whatever the loss weighting, so that it can be compared
    between epochs and runs. ``None`` when nothing is held out.
    """
    model, count = training.model, len(VALIDATION_TIMES)
    training.network.eval()
    losses = []
    for image in training.held_out:
        mean, _ = training.cache.load(image)
        latents = model.scaled(mean)[None].expand(count, *[-1] * mean.ndim)
        rng = torch.Generator().manual_seed(seed_of("validation", image.content))
        noise = torch.randn(latents.shape, generator=rng)
        times = model.objective.timesteps_at(VALIDATION_TIMES)
        captions, frames = [validation_caption(image)] * count, [_frame(image)] * count
        losses.append(float(_errors(training, latents, noise, times, captions, frames).mean()))
    training.network.train()
    return sum(losses) / len(losses) if losses else None
