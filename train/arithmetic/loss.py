"""The loss of a batch, reduced last: everything that weighs a pixel is multiplied on before."""

import math

import torch
from torch import Tensor

from train.settings.objective import LossType, ObjectiveSettings


def pixel_errors(
    predicted: Tensor, target: Tensor, kind: LossType = "l2", threshold: Tensor | None = None
) -> Tensor:
    """Return the error of every latent pixel, float32, shaped as ``predicted``.

    huber and smooth_l1 are sd-scripts': 2c (sqrt(e² + c²) - c) and 2 (sqrt(e² + c²) - c), where e
    is the difference and c the threshold. The first is nearly e² where e is small.

    Args:
        predicted: Shape (batch, channels, height, width).
        target: Of the same shape.
        kind: Of the loss.
        threshold: Of huber and smooth_l1, shape (batch,), from ``huber_threshold``.
    """
    squares = (predicted.float() - target.float()) ** 2
    if kind == "l2" or threshold is None:
        return squares
    c = threshold.view(-1, *[1] * (squares.ndim - 1))
    grown = 2.0 * squares / ((squares + c**2).sqrt() + c)  # without the difference of near equals
    return c * grown if kind == "huber" else grown


def huber_threshold(
    timesteps: Tensor, snr: Tensor, count: int, settings: ObjectiveSettings
) -> Tensor:
    """Return the threshold of huber and smooth_l1 at each timestep, shape (batch,).

    Source: sd-scripts ``train_util.get_huber_threshold_if_needed``.

    Args:
        timesteps: Shape (batch,).
        snr: Signal-to-noise ratio of each, may be 0.
        count: Timesteps of the whole schedule.
        settings: Of the run.
    """
    c, scale = settings.huber_c, settings.huber_scale
    if settings.huber_schedule == "constant":
        return torch.full_like(snr, c * scale)
    if settings.huber_schedule == "exponential":
        return torch.exp(math.log(c) * timesteps / count) * scale
    return (1.0 - c) / (1.0 + snr**-0.5) ** 2 + c


def per_image(errors: Tensor, *weights: Tensor) -> Tensor:
    """Return the mean weighted error of each image, shape (batch,).

    Args:
        errors: Shape (batch, channels, height, width).
        weights: Each of shape (batch,), or of a shape that broadcasts to ``errors``, such as a mask
            of shape (batch, 1, height, width). A weight scales the loss; it does not change what
            the mean is divided by, so that a small subject counts less than a large one. So does
            sd-scripts (``custom_train_functions.apply_masked_loss``: product, then mean).
    """
    for weight in weights:
        shape = (-1, *[1] * (errors.ndim - 1)) if weight.ndim == 1 else weight.shape
        errors = errors * weight.to(errors.device).view(shape)
    return errors.mean(dim=tuple(range(1, errors.ndim)))
