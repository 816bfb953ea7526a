"""The peak memory of a run: its real modules, without their weights, taken through one step.

Three phases are looked at: encoding images and captions, training steps, drawing a sample. What is
resident in each is what the trainer keeps on the device then.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily

from prep.images.buckets import Size
from train.arithmetic.convolutions import large_convolutions
from train.arithmetic.precision import PrecisionPolicy
from train.config import RunConfig
from train.data.latents import BATCH_PIXELS
from train.families.base import Conditioning, Family, Frame
from train.families.base_model import BaseModel
from train.families.clip import TOKENS_PER_CHUNK
from train.families.opening import empty_family
from train.memory_plan.tracker import MemoryTracker
from train.networks.full import trained_components
from train.optim.flat import FlatGroup
from train.optim.optimizers import make_optimizer
from train.optim.stepper import Stepper
from train.run.building import make_network, make_stepper
from train.settings.optimization import OptimizationSettings
from train.settings.optimizers import kind_of

_REORDERED = "unet, reordered"
"""Weights that a CPU holds twice, by the name under which they are told."""
_FEW = 4096
_STEPS = 2
"""Optimisers make their state in the first step; the second one shows what a step needs with it."""


@dataclass(frozen=True)
class MemoryPeak:
    """Bytes that a run needs at its largest bucket, by phase and by what they are for.

    Attributes:
        weights: Weights by component, as they are loaded.
        trained: What is trained, with gradients, the optimiser's state and what the model computes
            with instead of it.
        encoding: What encoding images takes on top of the VAE's weights.
        step: What a step takes on top of weights and ``trained``: saved activations and workspace.
        drawing: What drawing a sample takes on top of a step's weights and the VAE's; 0 for none.
        tiled: The same, if the picture is decoded in tiles.
        resident: Frozen components whose weights are there in every step.
    """

    weights: dict[str, int]
    trained: int
    encoding: int
    step: int
    drawing: int
    tiled: int
    resident: tuple[str, ...]

    @property
    def phases(self) -> dict[str, int]:
        """The peak of each phase.

        Images, captions and the prompts of samples are encoded before the denoiser is loaded; the
        VAE has gone by then, and text encoders that are not trained go as well.
        """
        texts = sum(size for name, size in self.weights.items() if name.startswith("text_encoder"))
        steady = sum(self.weights[name] for name in self.resident) + self.trained
        found = {
            "encode": max(self.weights["vae"] + self.encoding, texts),
            "train": steady + self.step,
        }
        drawing = steady + self.weights["vae"] + self.drawing
        return found | ({"sample": drawing} if self.drawing else {})

    @property
    def total(self) -> int:
        """The peak of the run."""
        return max(self.phases.values())

    def in_tiles(self) -> "MemoryPeak":
        """Return the peak of a card on which samples do not fit whole: they come in tiles."""
        return replace(self, drawing=self.tiled)


@dataclass(frozen=True)
class Place:
    """What a run is planned for.

    Attributes:
        dtype: Of frozen weights and activations.
        is_cpu: It runs on the CPU, whose frozen text encoders stay where captions are many.
    """

    dtype: torch.dtype
    is_cpu: bool


def peak_of(
    run: RunConfig, base: BaseModel, place: Place, bucket: Size, sample: Size | None = None
) -> MemoryPeak:
    """Find out the peak memory of a run, in 10 to 60 seconds; nothing of the model is loaded.

    Args:
        run: The run.
        base: Its base model.
        place: Where it runs, and in which format.
        bucket: The largest bucket, pixels.
        sample: The largest sample, pixels; ``None`` when none is drawn.
    """
    policy = PrecisionPolicy(torch.device("cpu"), place.dtype, "")
    whole = trained_components(run.train, run.family) if run.train.method == "full" else []
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = empty_family(base, policy)
        if run.train.gradient_checkpointing:
            model.checkpoint_gradients()
        weights = {n: _size(model.component(n).parameters()) for n in base.components}
        together = 1 if place.is_cpu else max(1, BATCH_PIXELS // (bucket[0] * bucket[1]))
        encoding = _encoding(model, bucket, together)
        trained, step, twice = _training(model, run, bucket, whole)
        weights |= {_REORDERED: twice} if twice and place.is_cpu else {}
        drawing, tiled = _drawing(model, sample) if sample else (0, 0)
    texts = base.text_encoders if run.train.trains_texts(run.family) or place.is_cpu else ()
    denoiser = ("unet", *({_REORDERED} & weights.keys()))
    resident = tuple(name for name in (*denoiser, *texts) if name not in whole)
    return MemoryPeak(weights, trained, encoding, step, drawing, tiled, resident)


def _size(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _known(model: Family, components: Iterable[str] | None = None) -> list[Tensor]:
    modules = [model.component(name) for name in components or model.base.components]
    return [tensor for m in modules for tensor in (*m.parameters(), *m.buffers())]


def _encoding(model: Family, bucket: Size, together: int) -> int:
    with MemoryTracker(_known(model)) as tracker:
        model.encode_pixels(torch.empty(together, 3, bucket[1], bucket[0]))
    return int(tracker.peak)


def _training(
    model: Family, run: RunConfig, bucket: Size, whole: Sequence[str]
) -> tuple[int, int, int]:
    """Return what is trained with all that belongs to it, and what a step takes on top.

    The third number is what a CPU holds twice: ``train.arithmetic.convolutions``. Steps that are
    replayed take what they took when they were recorded: graphs share one pool, nothing else is
    held beside it, and it is given back before a sample is drawn (``train.run.graphs``).

    Args:
        model: Empty.
        run: Its settings.
        bucket: The largest, pixels.
        whole: Components whose own weights are trained, and belong to it.
    """
    # A step takes the most when no adapter drops out; and nothing can be drawn without values.
    run = run.model_copy(update={"train": run.train.model_copy(update={"module_dropout": 0.0})})
    settings, calculable = run.train, True
    counted = _known(model, whole) if whole else ()
    with MemoryTracker(_known(model), counted) as tracker:
        conditioning = known_conditioning(model, run, bucket)
        network = make_network(model, run, fresh=False)
        stepper = make_stepper(model, network, settings)
        for step in range(_STEPS):
            network.begin(torch.full((settings.batch_size,), 0.5))
            loss = loss_of(model, run, bucket, conditioning)
            torch.autograd.backward(loss)
            del loss
            calculable = calculable and _steps(stepper.optimizer)
            for group in stepper.groups:
                group.gradients.zero_()
            network.after_step(step + 1)
        trained = tracker.live
    frozen = large_convolutions(model.component("unet")).values()
    twice = _size(convolution.weight for convolution in frozen)
    network.detach()
    step = tracker.peak - trained
    if not calculable:
        state, workspace = _optimizer_bytes(stepper, settings)
        trained, step = trained + state, max(step, workspace)
    return int(trained), int(step), twice


def _steps(optimizer: torch.optim.Optimizer) -> bool:
    """Do a step; return whether the optimiser does without values, of which there are none."""
    try:
        optimizer.step()
    except Exception:  # Prodigy asks whether weights are 0; those of others may ask anything
        optimizer.state.clear()
        return False
    return True


def _optimizer_bytes(stepper: Stepper, settings: OptimizationSettings) -> tuple[float, float]:
    """Return what an optimiser keeps and what a step of it takes, from steps with few real weights.

    A part of each shape stands for the whole; its last two axes are whole, on which Adafactor's
    state depends.
    """
    flat = kind_of(settings.optimizer).flat
    weights = [w for g in stepper.groups for w in ([g.values] if flat else g.parameters)]
    kept = workspace = 0.0
    for shape, count in Counter(tuple(weight.shape) for weight in weights).items():
        part = (*(1 for _ in shape[:-2]), *shape[-2:]) if len(shape) > 1 else (min(_FEW, *shape),)
        state, taken = _optimizer_bytes_of(part, settings)
        share = prod(shape) / prod(part)
        kept += count * state * share
        workspace = max(workspace, taken * share)
    return kept, workspace


def _optimizer_bytes_of(
    shape: tuple[int, ...], settings: OptimizationSettings
) -> tuple[float, float]:
    """Return what an optimiser keeps of a weight, and what a step of it takes on top."""
    with unset_fake_temporarily():
        group = FlatGroup([nn.Parameter(torch.ones(shape))], 1.0)
        group.gradients.fill_(1.0)
        optimizer = make_optimizer([group], settings, torch.device("cpu"))
        optimizer.step()
        with MemoryTracker([group.values, group.gradients]) as tracker:
            optimizer.step()
    kept = (value for state in optimizer.state.values() for value in state.values())
    return _size(v for v in kept if isinstance(v, Tensor)), tracker.peak


def known_conditioning(model: Family, run: RunConfig, bucket: Size) -> Conditioning | None:
    """Return what the denoiser reads beside latents of a batch, encoded before the steps.

    ``None`` where text encoders are trained: each step encodes its own.
    """
    settings = run.train
    if settings.trains_texts(run.family):
        return None
    with torch.no_grad():
        return _conditioning(model, settings.batch_size, settings.max_token_length, bucket)


def loss_of(model: Family, run: RunConfig, bucket: Size, known: Conditioning | None) -> Tensor:
    """Return the loss of a batch of the largest bucket, with ``known_conditioning``."""
    settings, count = run.train, run.train.batch_size
    conditioning = known or _conditioning(model, count, settings.max_token_length, bucket)
    latents = torch.randn(count, *model.latent_shape(*bucket)[1:])
    predicted = model.predict(latents, torch.zeros(count, dtype=torch.long), conditioning)
    return (predicted.float() - latents).square().mean()


def _conditioning(model: Family, count: int, tokens: int, size: Size) -> Conditioning:
    parts: Any = model
    shape = count, len(parts.texts), tokens // TOKENS_PER_CHUNK, parts.texts[0].window
    ids = torch.zeros(shape, dtype=torch.long)
    frames = [Frame(size, (0, 0), size)] * count
    return model.framed(model.encode_tokens(ids), frames)


@torch.no_grad()
def _drawing(model: Family, size: Size) -> tuple[int, int]:
    """Return what one denoising step with guidance, or decoding, takes: the larger of both.

    The second number is for decoding in tiles.
    """
    latents = torch.randn(model.latent_shape(*size))
    with MemoryTracker(_known(model)) as denoising:
        conditioning = _conditioning(model, 2, TOKENS_PER_CHUNK, size)
        model.predict(latents.expand(2, -1, -1, -1), torch.zeros(2, dtype=torch.long), conditioning)
    with MemoryTracker(_known(model)) as whole:
        model.decode(latents)
    with MemoryTracker(_known(model)) as tiled:
        model.decode(latents, tiled=True)
    return int(max(denoising.peak, whole.peak)), int(max(denoising.peak, tiled.peak))
