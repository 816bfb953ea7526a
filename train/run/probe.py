"""Does the base model predict what its file says? Measured before the first step of a run.

A model trained under the wrong hypothesis learns nonsense for hours, and many files of v-prediction
models do not say that they are. So the base model's own error is measured under each hypothesis
that its family knows, on a few training images at timesteps where the targets differ most.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from prep.errors import ConfigError
from prep.events import Warned
from prep.seeding import seed_of
from train.data.dataset import TrainImage, validation_caption
from train.data.latents import LatentCache
from train.families.base import Family, Frame
from train.families.conditioning import Texts

LEAST_STEPS = 30
"""Steps of a run that is looked at before it begins; a shorter one tells by itself."""
_IMAGES = 2
_TIMES = (0.3, 0.5, 0.7)
"""Shares of the noise schedule. Early on both errors are large, and at its end the targets of
epsilon and v differ little from the noise."""
_CLEAR = 0.7
"""Another hypothesis must have less than this share of the error to be believed instead."""


def probed(images: Sequence[TrainImage]) -> Sequence[TrainImage]:
    """Return the images that are used, of those that are trained on."""
    return images[:_IMAGES]


@torch.no_grad()
def prediction_errors(
    model: Family,
    cache: LatentCache,
    texts: Texts,
    images: Sequence[TrainImage],
    heed: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """Return the base model's error under each hypothesis of what it predicts.

    Args:
        model: The base model, with networks that change nothing yet.
        cache: Latents of the images.
        texts: Encodes their captions.
        images: The first few are used.
        heed: Called before each forward; what it raises ends the measurement.

    Returns:
        Mean squared error divided by the mean square of the target, by prediction: below 1 for
        a model that knows something, and 1 for one that predicts nothing at all.
    """
    sums: dict[str, list[float]] = {name: [] for name in model.objective.hypotheses}
    for image in probed(images):
        for name, error in _errors(model, cache, texts, image, heed).items():
            sums[name].append(error)
    return {name: sum(errors) / len(errors) for name, errors in sums.items() if errors}


def _errors(
    model: Family, cache: LatentCache, texts: Texts, image: TrainImage, heed: Callable[[], None]
) -> Mapping[str, float]:
    objective, device, count = model.objective, model.policy.device, len(_TIMES)
    mean, _ = cache.load(image)
    rng = torch.Generator().manual_seed(seed_of("probe", image.content))
    noise = torch.randn((count, *mean.shape), generator=rng).to(device)
    latents = model.scaled(mean)[None].expand(count, *mean.shape).to(device)
    times = objective.timesteps_at(_TIMES).to(device)
    bucket = image.fit.bucket
    frame = Frame(image.origin.size, image.origin.corner_of(bucket, flipped=False), bucket)
    conditioning = model.framed(texts.encode([validation_caption(image)]), [frame])
    noisy, answers = objective.noisy(latents, noise, times), []
    for row in range(count):  # one by one: as little memory as a batch of one
        heed()
        one = slice(row, row + 1)
        answers.append(model.predict(noisy[one], times[one], conditioning))
    predicted = torch.cat(answers).float()

    def error(target: Tensor) -> float:
        return float(((predicted - target) ** 2).mean() / (target**2).mean())

    return {n: error(h.target(latents, noise, times)) for n, h in objective.hypotheses.items()}


def judge(
    errors: Mapping[str, float], prediction: str, *, asked_for: bool, name: str
) -> Warned | None:
    """Compare the hypothesis that a run trains under with the others.

    Args:
        errors: From ``prediction_errors``.
        prediction: The hypothesis.
        asked_for: The user set it.
        name: What to call the base model.

    Returns:
        A warning when the user's own setting is contradicted clearly; ``None`` when nothing is.

    Raises:
        ConfigError: What the model's file says is contradicted clearly.
    """
    if not errors:
        return None
    best = min(errors, key=lambda one: errors[one])
    if best == prediction or not errors[best] < _CLEAR * errors[prediction]:
        return None
    figures = ", ".join(f"{error:.3f} as {one}" for one, error in errors.items())
    message = (
        f"{name} seems to predict {best}, not {prediction}: on your images its relative error is"
        f" {figures}."
    )
    if asked_for:
        return Warned(message, "The run goes on as prediction in [train] says.")
    raise ConfigError(
        message, f'Set prediction = "{best}" in [train]; or "{prediction}" to train it so anyway.'
    )
