"""The loss of a batch, reduced last: everything that weighs a pixel is multiplied on before."""

from torch import Tensor


def squared_error(predicted: Tensor, target: Tensor) -> Tensor:
    """Return the squared error of every latent pixel, float32, shaped as ``predicted``."""
    return (predicted.float() - target.float()) ** 2


def per_image(errors: Tensor, *weights: Tensor) -> Tensor:
    """Return the mean weighted error of each image, shape (batch,).

    Args:
        errors: Shape (batch, channels, height, width).
        weights: Each of shape (batch,), or of a shape that broadcasts to ``errors``. A weight
            scales the loss; it does not change what the mean is divided by.
    """
    for weight in weights:
        shape = (-1, *[1] * (errors.ndim - 1)) if weight.ndim == 1 else weight.shape
        errors = errors * weight.to(errors.device).view(shape)
    return errors.mean(dim=tuple(range(1, errors.ndim)))
