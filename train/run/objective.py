"""The loss of a batch, and of the held-out images.

What is drawn for an image (timestep, noise, whether it is mirrored) is a function of the seed, the
step and the place in the step, so that neither interruptions nor the number of devices change what
is learned. Each purpose has a stream of its own: an option that is switched on changes no other's
draws.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
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
from train.families.base import Conditioning
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
class Question:
    """All that the losses of some images depend on, beside the weights; see ``answer``.

    Attributes:
        step: Of the run, from 0.
        seed: Of what is drawn in the course of the answer.
        exposures: The images.
        drawn: Their timesteps on the CPU, shape (images,).
        example: On the device.
        text: From ``Texts.asked``, with frames; on the device.
        importance: How much each image counts, shape (images,).
        mask: How much each latent pixel counts, (images, 1, height, width); ``None`` for 1.
    """

    step: int
    seed: int
    exposures: Batch
    drawn: Tensor
    example: Example
    text: Conditioning
    importance: Tensor
    mask: Tensor | None

    def tensors(self) -> list[Tensor]:
        """Return all that is on the device, in a fixed order."""
        example, masks = self.example, [] if self.mask is None else [self.mask]
        own = [example.latents, example.noise, example.mixed, example.timesteps, self.importance]
        return [*own, self.text.context, *self.text.extra.values(), *masks]

    def reading(self, tensors: Sequence[Tensor]) -> "Question":
        """Return the same question with other ``tensors`` of the same shapes."""
        latents, noise, mixed, timesteps, importance, context, *others = tensors
        mask = None if self.mask is None else others.pop()
        text = Conditioning(context, dict(zip(self.text.extra, others, strict=True)))
        example = Example(latents, noise, mixed, timesteps)
        return replace(self, example=example, text=text, importance=importance, mask=mask)


@dataclass(frozen=True)
class Answer:
    """Losses of images, each of shape (images,): what is learned from, and what it was before.

    ``plain`` is the mean error over what a mask leaves, not weighted, without a gradient.
    """

    weighted: Tensor
    plain: Tensor


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

    Args:
        training: The run.
        batch: Images of one bucket. Those that can no longer be read have no loss.
        place: (epoch, step, place of the batch in the step).
        most: Images that are computed at once.

    Yields:
        Shape (images,), of at most ``most`` images each.
    """
    for question in questions(training, batch, place, most):
        found = answer(training, question)
        note(training, question, found.plain)
        yield found.weighted


def questions(
    training: Training, batch: Batch, place: tuple[int, int, int], most: int
) -> Iterator[Question]:
    """Yield what is asked about a batch, a part of it at a time; arguments as ``micro_losses``.

    An image meets the same noise, timestep and caption in whatever part it is. Only what adapters
    switch off at random is drawn for each part, by torch's own generators, which are seeded here.
    """
    _, step, index = place
    drawn = _drawn(training, batch, *place)
    if drawn is None:
        return
    for start in range(0, len(drawn.captions), most):
        part = (start,) if start else ()
        seed = seed_of(training.settings.seed, "dropout", step, index, *part)
        torch.manual_seed(seed)
        yield _question(training, drawn, step, slice(start, start + most), seed)


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


def _question(training: Training, drawn: _Drawn, step: int, rows: slice, seed: int) -> Question:
    """Bring some images of a batch, and all that belongs to them, to the device."""
    loaded, own, device = drawn.loaded, drawn.example.rows(rows), training.group.device
    exposures = loaded.exposures[rows]
    text = training.texts.asked(drawn.captions, training.captions_from(step), rows)
    counting = [_importance(exposure.image, training.settings) for exposure in exposures]
    return Question(
        step,
        seed,
        exposures,
        own.timesteps,
        own.to(device),
        training.model.framed(text, loaded.frames[rows]),
        moved(torch.tensor(counting), device),
        None if loaded.masks is None else moved(loaded.masks[rows], device),
    )


def answer(training: Training, question: Question) -> Answer:
    """Return the losses, with gradients; every operation is the device's."""
    settings, objective, example = training.settings, training.model.objective, question.example
    training.network.begin(question.drawn / objective.timesteps_at((1.0,)))
    predicted, target = _prediction(training, example, training.texts.encoded(question.text))
    errors = pixel_errors(
        predicted, target, settings.loss_type, _threshold(training, example.timesteps)
    )
    weights = objective.loss_weights(example.timesteps, settings)
    masks = [] if question.mask is None else [question.mask]
    weighted = per_image(errors, weights, question.importance, *masks)
    return Answer(weighted, _unweighted(errors, *masks))


def note(training: Training, question: Question, plain: Tensor) -> None:
    """Write losses into the ledger of the run; they need not be known yet."""
    training.ledger.note(question.step, question.exposures, question.drawn, plain)


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


def _prediction(training: Training, example: Example, text: Conditioning) -> tuple[Tensor, Tensor]:
    """Return what the denoiser predicts and what it should, shaped as the latents."""
    model, objective, timesteps = training.model, training.model.objective, example.timesteps
    noisy = objective.noisy(example.latents, example.mixed, timesteps)
    predicted = model.predict(noisy, timesteps, text)
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
            training.commands.heed()
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
    several = model.framed(Conditioning.joined([text] * count), [frame_of(image)] * count)
    predicted, target = _prediction(training, example, several)
    weights = [] if mask is None else [mask[None]]
    return per_image(pixel_errors(predicted, target), *weights)
