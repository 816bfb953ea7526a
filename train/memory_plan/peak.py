"""The peak memory of a run: its real modules, without their weights, taken through one step.

Three phases are looked at: encoding the images, training steps, drawing a sample. What is resident
in each is what the trainer keeps on the device then.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from prep.images.buckets import Size
from train.arithmetic.precision import PrecisionPolicy
from train.config import RunConfig
from train.families.base import Conditioning, Family, Frame
from train.families.base_model import BaseModel
from train.families.clip import TOKENS_PER_CHUNK
from train.families.opening import empty_family
from train.memory_plan.tracker import MemoryTracker
from train.run.prepare import make_network, make_stepper

_STEPS = 2
"""Optimisers make their state in the first step; the second one shows what a step needs with it."""


@dataclass(frozen=True)
class MemoryPeak:
    """Bytes that a run needs at its largest bucket, by phase and by what they are for.

    Attributes:
        weights: Frozen weights by component.
        trained: What is trained, with gradients and the optimiser's state.
        encoding: What encoding one image takes on top of the weights.
        step: What a step takes on top of weights and ``trained``: saved activations and workspace.
        drawing: What drawing a sample takes on top of the weights and ``trained``; 0 for none.
    """

    weights: dict[str, int]
    trained: int
    encoding: int
    step: int
    drawing: int

    @property
    def phases(self) -> dict[str, int]:
        """The peak of each phase."""
        resident = sum(self.weights.values())
        found = {
            "encode": resident + self.trained + self.encoding,
            "train": resident + self.trained + self.step,
        }
        return found | ({"sample": resident + self.trained + self.drawing} if self.drawing else {})

    @property
    def total(self) -> int:
        """The peak of the run."""
        return max(self.phases.values())


def peak_of(
    run: RunConfig, base: BaseModel, dtype: torch.dtype, bucket: Size, sample: Size | None = None
) -> MemoryPeak:
    """Find out the peak memory of a run, in 10 to 60 seconds; nothing of the model is loaded.

    Args:
        run: The run.
        base: Its base model.
        dtype: Of frozen weights and activations.
        bucket: The largest bucket, pixels.
        sample: The largest sample, pixels; ``None`` when none is drawn.
    """
    policy = PrecisionPolicy(torch.device("cpu"), dtype, "")
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = empty_family(base, policy)
        if run.train.gradient_checkpointing:
            model.checkpoint_gradients()
        weights = {name: _size(module.parameters()) for name, module in model.components().items()}
        encoding = _encoding(model, bucket)
        trained, step = _training(model, run, bucket)
        drawing = _drawing(model, sample) if sample else 0
    return MemoryPeak(weights, trained, encoding, step, drawing)


def _size(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _known(model: Family) -> list[Tensor]:
    modules = model.components().values()
    return [tensor for m in modules for tensor in (*m.parameters(), *m.buffers())]


def _encoding(model: Family, bucket: Size) -> int:
    with MemoryTracker(_known(model)) as tracker:
        model.encode_pixels(torch.empty(1, 3, bucket[1], bucket[0]))
    return int(tracker.peak)


def _training(model: Family, run: RunConfig, bucket: Size) -> tuple[int, int]:
    """Return what is trained with all that belongs to it, and what a step takes on top."""
    settings = run.train
    with MemoryTracker(_known(model)) as tracker:
        network = make_network(model, run, fresh=False)
        stepper = make_stepper(model, network, settings)
        for step in range(_STEPS):
            network.begin(torch.full((settings.batch_size,), 0.5))
            loss = loss_of(model, run, bucket)
            torch.autograd.backward(loss)
            del loss
            stepper.optimizer.step()
            for group in stepper.groups:
                group.gradients.zero_()
            network.after_step(step + 1)
        trained = tracker.live
    network.detach()
    return int(trained), int(tracker.peak - trained)


def loss_of(model: Family, run: RunConfig, bucket: Size) -> Tensor:
    """Return the loss of a batch of the largest bucket."""
    settings, count = run.train, run.train.batch_size
    texts = any(rate for part, rate in settings.rates(run.family).items() if part != "unet")
    with torch.set_grad_enabled(texts):
        conditioning = _conditioning(model, count, settings.max_token_length, bucket)
    latents = torch.randn(count, *model.latent_shape(*bucket)[1:])
    predicted = model.predict(latents, torch.zeros(count, dtype=torch.long), conditioning)
    return (predicted.float() - latents).square().mean()


def _conditioning(model: Family, count: int, tokens: int, size: Size) -> Conditioning:
    parts: Any = model
    chunks = max(1, tokens // TOKENS_PER_CHUNK)
    ids = torch.zeros(count, len(parts.texts), chunks, parts.texts[0].window, dtype=torch.long)
    frames = [Frame(size, (0, 0), size)] * count
    return model.framed(model.encode_tokens(ids), frames)


@torch.no_grad()
def _drawing(model: Family, size: Size) -> int:
    """Return what one denoising step with guidance, or decoding, takes: the larger of both."""
    with MemoryTracker(_known(model)) as tracker:
        conditioning = _conditioning(model, 2, 0, size)
        latents = torch.randn(model.latent_shape(*size))
        model.predict(latents.expand(2, -1, -1, -1), torch.zeros(2, dtype=torch.long), conditioning)
        model.decode(latents)
    return int(tracker.peak)
