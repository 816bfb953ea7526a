"""The loss of a batch, and of the held-out images.

Which noise and which timesteps an image meets is a function of (seed, step, place in the step),
so that neither interruptions nor the number of devices change what is learnt.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from prep.captions.shuffle import varied
from prep.seeding import generator, seed_of
from train.arithmetic.noise import squared_error
from train.data.dataset import Batch, Exposure, validation_caption
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
    settings, schedule = training.settings, training.model.schedule
    rng = torch.Generator().manual_seed(seed_of(settings.seed, "noise", step, index))
    latents = _latents(training, batch, epoch, rng)
    noise = torch.randn(latents.shape, generator=rng)
    if settings.noise_offset:
        shape = (*latents.shape[:2], 1, 1)
        noise = noise + settings.noise_offset * torch.randn(shape, generator=rng)
    timesteps = torch.randint(schedule.timesteps, (len(batch),), generator=rng)
    captions = [_caption(exposure, settings.seed, epoch) for exposure in batch]
    losses = _losses(training, latents, noise, timesteps, captions)
    weights = schedule.min_snr_weights(timesteps, settings.min_snr_gamma)
    return losses * weights.to(losses.device)


def _latents(training: Training, batch: Batch, epoch: int, rng: torch.Generator) -> Tensor:
    """Draw the latents of a batch, at the UNet's scale, shape (batch, channels, h, w)."""
    drawn = []
    for exposure in batch:
        flipped = exposure.image.flip and _coin(exposure, training.settings.seed, epoch)
        mean, deviation = training.cache.load(exposure.image, flipped=flipped)
        drawn.append(mean + deviation * torch.randn(mean.shape, generator=rng))
    return training.model.scaled(torch.stack(drawn))


def _coin(exposure: Exposure, seed: int, epoch: int) -> bool:
    return generator(seed, "flip", epoch, exposure.image.content, exposure.turn).random() < 0.5


def _caption(exposure: Exposure, seed: int, epoch: int) -> str:
    image = exposure.image
    return varied(image.caption, image.rules, seed, epoch, image.content, exposure.turn)


def _losses(
    training: Training, latents: Tensor, noise: Tensor, timesteps: Tensor, captions: Sequence[str]
) -> Tensor:
    """Return the squared error of each image, shape (batch,)."""
    schedule, device = training.model.schedule, training.group.device
    latents, noise, timesteps = (part.to(device) for part in (latents, noise, timesteps))
    context = training.texts.encode(captions)
    noisy = schedule.noisy(latents, noise, timesteps)
    predicted = training.model.predict(noisy, timesteps, context)
    return squared_error(predicted, schedule.target(latents, noise, timesteps))


@torch.no_grad()
def validation_loss(training: Training) -> float | None:
    """Return the mean loss of the held-out images on fixed noise and timesteps, unweighted.

    The same number at every step, settings of the loss weighting aside, so that it can be
    compared between epochs and runs. ``None`` when nothing is held out.
    """
    schedule, model = training.model.schedule, training.model
    training.network.eval()
    losses = []
    for image in training.held_out:
        mean, _ = training.cache.load(image)
        latents = model.scaled(mean)[None].expand(len(VALIDATION_TIMES), -1, -1, -1)
        rng = torch.Generator().manual_seed(seed_of("validation", image.content))
        noise = torch.randn(latents.shape, generator=rng)
        times = torch.tensor([int(share * schedule.timesteps) for share in VALIDATION_TIMES])
        captions = [validation_caption(image)] * len(times)
        losses.append(float(_losses(training, latents, noise, times, captions).mean()))
    training.network.train()
    return sum(losses) / len(losses) if losses else None
