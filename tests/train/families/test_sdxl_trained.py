"""The small SDXL of the demo world, which other code has trained, is read here as it was trained.

Its loss on drawings is least with the words, sizes and corners that belong to them: whoever joins
the encoders the other way round, reads another layer or turns the sizes about makes it worse.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from prep import demo_world
from sample_data.make import frames
from sample_data.make.captions import spoken
from sample_data.make.vae import allowed_scene, to_tensor
from sample_data.make.world import tags
from train.arithmetic.precision import choose
from train.families import sdxl
from train.families.base import Conditioning, Frame
from train.families.base_model import BaseModel
from train.families.sdxl import StableDiffusionXL

SIZE = (64, 64)
SHARES = (0.35, 0.55, 0.75, 0.95)
"""Where on the noise schedule the loss is measured."""
FIRST = 64
"""Width of the first text encoder."""


@dataclass(frozen=True)
class Drawings:
    """Drawings with what belongs to them."""

    latents: Tensor
    captions: list[str]
    frames: list[Frame]

    def only(self, wanted: Callable[[Frame], bool]) -> "Drawings":
        """Return those whose frame is of a kind."""
        kept = [i for i, frame in enumerate(self.frames) if wanted(frame)]
        assert len(kept) > 10
        captions, shown = [self.captions[i] for i in kept], [self.frames[i] for i in kept]
        return Drawings(self.latents[kept], captions, shown)


@pytest.fixture(scope="module")
def model() -> StableDiffusionXL:
    base = BaseModel.open(demo_world.root() / "sdxl")
    return StableDiffusionXL.load(base, choose("fp32", torch.device("cpu")))


@pytest.fixture(scope="module")
def drawings(model: StableDiffusionXL) -> Drawings:
    """Drawings that the model has not seen, some of them cut and some scaled up."""
    rng = random.Random("read as it was trained")
    scenes = [replace(allowed_scene(rng), size=0.95, shift=0.0, mirrored=False) for _ in range(96)]
    shown = [frames.framed(scene, SIZE, rng) for scene in scenes]
    pixels = to_tensor(np.stack([np.asarray(picture) for picture, _ in shown]))
    latents = model.scaled(model.encode_pixels(pixels).chunk(2, dim=1)[0])
    captions = [", ".join(map(spoken, tags(scene))) for scene in scenes]
    return Drawings(latents, captions, [Frame(f.original, f.corner, f.target) for _, f in shown])


@pytest.fixture(scope="module")
def text(model: StableDiffusionXL, drawings: Drawings) -> Conditioning:
    return conditioning(model, drawings)


@pytest.fixture(scope="module")
def right(model: StableDiffusionXL, drawings: Drawings, text: Conditioning) -> float:
    """The loss with everything that belongs to the drawings."""
    return loss(model, drawings, text)


def test_nothing_is_wrong_in_what_is_taken_for_right(right: float) -> None:
    assert right < 0.26


def conditioning(model: StableDiffusionXL, drawings: Drawings) -> Conditioning:
    with torch.no_grad():
        return model.encode_tokens(model.tokenize(drawings.captions))


def loss(
    model: StableDiffusionXL,
    drawings: Drawings,
    text: Conditioning,
    given: Sequence[Frame] | None = None,
) -> float:
    """Return the mean error over ``SHARES`` on noise that is always the same."""
    noise = torch.randn(drawings.latents.shape, generator=torch.Generator().manual_seed(3))
    framed, errors = model.framed(text, given or drawings.frames), []
    for timestep in model.objective.timesteps_at(SHARES):
        times = timestep.expand(len(noise))
        noisy = model.objective.noisy(drawings.latents, noise, times)
        with torch.no_grad():
            predicted = model.predict(noisy, times, framed)
        target = model.objective.target(drawings.latents, noise, times)
        errors.append((predicted - target).square().mean())
    return float(torch.stack(errors).mean())


def without_context(text: Conditioning, empty: Conditioning) -> Conditioning:
    return Conditioning(empty.context.expand_as(text.context), text.extra)


def without_pooled(text: Conditioning, empty: Conditioning) -> Conditioning:
    pooled = empty.extra["pooled"].expand_as(text.extra["pooled"])
    return Conditioning(text.context, {"pooled": pooled})


def zero_pooled(text: Conditioning, empty: Conditioning) -> Conditioning:
    return Conditioning(text.context, {"pooled": torch.zeros_like(text.extra["pooled"])})


def others_pooled(text: Conditioning, empty: Conditioning) -> Conditioning:
    return Conditioning(text.context, {"pooled": text.extra["pooled"].roll(1, dims=0)})


def swapped_encoders(text: Conditioning, empty: Conditioning) -> Conditioning:
    parts = text.context[..., FIRST:], text.context[..., :FIRST]
    return Conditioning(torch.cat(parts, dim=-1), text.extra)


@pytest.mark.parametrize(
    ("change", "rise"),
    [
        (without_context, 0.3),
        (without_pooled, 0.05),
        (zero_pooled, 0.05),
        (others_pooled, 0.15),
        (swapped_encoders, 0.3),
    ],
)
def test_words_are_read_as_they_were_trained(
    model: StableDiffusionXL,
    drawings: Drawings,
    text: Conditioning,
    right: float,
    change: Callable[[Conditioning, Conditioning], Conditioning],
    rise: float,
) -> None:
    empty = conditioning(model, replace(drawings, captions=[""]))
    assert loss(model, drawings, change(text, empty)) > (1 + rise) * right


@pytest.mark.parametrize(("layer", "rise"), [(-1, 0.001), (-3, 0.01)])
def test_the_layer_before_the_last_is_read(
    model: StableDiffusionXL,
    drawings: Drawings,
    right: float,
    monkeypatch: pytest.MonkeyPatch,
    layer: int,
    rise: float,
) -> None:
    monkeypatch.setattr(sdxl, "_LAYER", layer)
    assert loss(model, drawings, conditioning(model, drawings)) > (1 + rise) * right


def cut(frame: Frame) -> bool:
    return frame.corner != (0, 0)


def scaled_up(frame: Frame) -> bool:
    return frame.original[0] < SIZE[0]


def at_origin(frame: Frame) -> Frame:
    return replace(frame, corner=(0, 0))


def turned(frame: Frame) -> Frame:
    left, top = frame.corner
    return replace(frame, corner=(top, left))


def as_if_large(frame: Frame) -> Frame:
    return replace(frame, original=SIZE)


@pytest.mark.parametrize(
    ("kind", "change", "rise"),
    [(cut, at_origin, 0.05), (cut, turned, 0.06), (scaled_up, as_if_large, 0.01)],
)
def test_frames_are_read_as_they_were_trained(
    model: StableDiffusionXL,
    drawings: Drawings,
    kind: Callable[[Frame], bool],
    change: Callable[[Frame], Frame],
    rise: float,
) -> None:
    some = drawings.only(kind)
    text = conditioning(model, some)
    given = [change(frame) for frame in some.frames]
    assert loss(model, some, text, given) > (1 + rise) * loss(model, some, text)
