"""Noise that is more than white: offset, pyramid, input perturbation.

Every option draws from a stream of its own, so that switching one on changes no other's draws.
Sources: https://www.crosslabs.org/blog/diffusion-with-offset-noise (offset), J. Whitaker 2023
(multi-resolution noise), Ning et al. 2023 (input perturbation, arXiv 2301.11706); the details that
these leave open are sd-scripts'.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from train.settings.objective import ObjectiveSettings

Draws = Callable[[str], torch.Generator]
"""Returns the generator of a purpose, at its beginning."""


def training_noise(latents: Tensor, settings: ObjectiveSettings, draws: Draws) -> Tensor:
    """Return the noise that is mixed into latents and is to be predicted, shaped as they are.

    Args:
        latents: Shape (batch, channels, height, width), at the denoiser's scale.
        settings: Of the run.
        draws: The randomness of this batch.
    """
    noise = torch.randn(latents.shape, generator=draws("noise"))
    if settings.noise_offset:
        noise = noise + _offset(latents, settings, draws)
    if settings.multires_noise_iterations:
        noise = _pyramid(noise, settings, draws("pyramid noise"))
    return noise


def input_noise(noise: Tensor, settings: ObjectiveSettings, draws: Draws) -> Tensor:
    """Return the noise that is mixed in, where it is more than what is to be predicted."""
    if not settings.ip_noise_gamma:
        return noise
    strength = torch.full(_per_image(noise), settings.ip_noise_gamma)
    if settings.ip_noise_gamma_random_strength:
        strength *= torch.rand(strength.shape, generator=draws("strength of input perturbation"))
    return noise + strength * torch.randn(noise.shape, generator=draws("input perturbation"))


def _offset(latents: Tensor, settings: ObjectiveSettings, draws: Draws) -> Tensor:
    """Return a shift for each channel of each image, shape (batch, channels, 1, 1)."""
    strength = torch.full(_per_image(latents), settings.noise_offset)
    if settings.noise_offset_random_strength:
        strength *= torch.rand(strength.shape, generator=draws("strength of noise offset"))
    if settings.adaptive_noise_scale:
        means = latents.mean(dim=_inner(latents), keepdim=True).abs()
        strength = (strength + settings.adaptive_noise_scale * means).clamp(min=0.0)
    shape = (*latents.shape[:2], *[1] * (latents.ndim - 2))
    return strength * torch.randn(shape, generator=draws("noise offset"))


def _pyramid(noise: Tensor, settings: ObjectiveSettings, rng: torch.Generator) -> Tensor:
    """Add noise of ever coarser resolutions, and bring each image back to unit deviation."""
    size = noise.shape[2:]
    for level in range(settings.multires_noise_iterations):
        # Not always 2: a random factor from 2 to 4 leaves no resolution out.
        shrink = (2.0 + 2.0 * torch.rand((), generator=rng).item()) ** level
        coarse = [max(1, int(side / shrink)) for side in size]
        added = torch.randn((*noise.shape[:2], *coarse), generator=rng)
        added = interpolate(added, size=size, mode="bilinear")
        noise = noise + added * settings.multires_noise_discount**level
        if 1 in coarse:
            break
    return noise / noise.std(dim=tuple(range(1, noise.ndim)), keepdim=True)


def _per_image(latents: Tensor) -> tuple[int, ...]:
    """Return the shape of one number for each image."""
    return (len(latents), *[1] * (latents.ndim - 1))


def _inner(latents: Tensor) -> tuple[int, ...]:
    """Return the axes within a channel."""
    return tuple(range(2, latents.ndim))
