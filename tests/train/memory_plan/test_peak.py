"""What a run needs at its largest, calculated with the real modules of a small model."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from train.config import RunConfig, TrainSettings
from train.data.latents import BATCH_PIXELS
from train.families.base_model import BaseModel
from train.memory_plan.peak import MemoryPeak, Place, peak_of

Measure = Callable[..., MemoryPeak]


@pytest.fixture(scope="module")
def measured(base: Path) -> Measure:
    """Return a function that calculates a run of one image at a time; the same one once."""

    @cache
    def measure(
        dtype: torch.dtype = torch.float32,
        *,
        is_cpu: bool = True,
        drawn: bool = True,
        **settings: Any,
    ) -> MemoryPeak:
        places: Any = dict.fromkeys(("project", "dataset", "output", "samples", "cache"), base)
        train = TrainSettings(base=str(base), **{"batch_size": 1, **settings})
        run = RunConfig(name="a", train=train, **places)
        place = Place(dtype, is_cpu=is_cpu)
        return peak_of(run, BaseModel.open(base), place, (64, 96), (96, 64) if drawn else None)

    return measure


def count(base: Path, component: str) -> int:
    module = BaseModel.open(base).source.load(component, {}, torch.float32)
    return sum(weight.numel() for weight in module.parameters())


def test_the_phases_and_the_largest_of_them() -> None:
    weights = {"unet": 100, "vae": 10, "text_encoder": 30, "text_encoder_2": 40}
    peak = MemoryPeak(weights, 5, 50, 7, 20, 2, ("unet", "text_encoder"))
    assert peak.phases == {"encode": 30 + 40, "train": 130 + 5 + 7, "sample": 130 + 5 + 10 + 20}
    assert peak.total == 165
    assert peak.in_tiles().phases["sample"] == 130 + 5 + 10 + 2
    assert replace(peak, drawing=0).phases.keys() == {"encode", "train"}
    assert replace(peak, encoding=500).total == 510


def test_the_parts_of_a_peak(measured: Measure, base: Path) -> None:
    plain = measured(rank=4)
    parameters = sum(count(base, name) for name in ("unet", "vae", "text_encoder"))
    assert sum(plain.weights.values()) == 4 * parameters
    frozen = measured(rank=4, train_text_encoder=False)
    saving = measured(rank=4, gradient_checkpointing=True)
    assert frozen.trained < plain.trained
    assert saving.step < plain.step
    larger = measured(rank=8, batch_size=4, module_dropout=0.99)  # none may drop out
    assert larger.step > 2 * plain.step
    assert larger.trained > 1.7 * plain.trained
    assert plain.phases.keys() == {"encode", "train", "sample"}
    assert plain.drawing >= plain.tiled > 0


@pytest.mark.parametrize(
    ("dtype", "settings", "each"),
    [
        (torch.float32, {}, 16),
        (torch.bfloat16, {}, 18),
        (torch.bfloat16, {"ema_decay": 0.9}, 22),
        (torch.bfloat16, {"optimizer": "lion"}, 14),
    ],
)
def test_a_whole_model_takes_what_is_kept_of_each_weight(
    measured: Measure, base: Path, dtype: torch.dtype, settings: dict[str, Any], each: int
) -> None:
    """Master, gradient and moments in fp32; copies where the model computes in 16 bits."""
    peak = measured(dtype, method="full", **settings)
    assert peak.trained == pytest.approx(each * count(base, "unet"), rel=0.01)
    # Nothing of the UNet is there beside it; a CPU keeps the frozen text encoder.
    assert peak.resident == ("text_encoder",)


def test_a_whole_model_with_its_text_encoder_leaves_nothing_frozen(
    measured: Measure, base: Path
) -> None:
    card = measured(torch.bfloat16, is_cpu=False, drawn=False, method="full")
    assert card.phases["train"] == card.trained + card.step
    assert (card.drawing, card.tiled) == (0, 0)
    texts = measured(torch.bfloat16, method="full", train_text_encoder=True)
    both = count(base, "unet") + count(base, "text_encoder")
    assert texts.trained == pytest.approx(18 * both, rel=0.01)
    assert texts.resident == ()


def test_a_whole_model_of_fp32_is_there_twice_while_its_masters_are_made(
    measured: Measure, base: Path
) -> None:
    """As it is loaded, and flat with the gradients: more than Adafactor's steps ever need."""
    saving: dict[str, Any] = {"optimizer": "adafactor", "gradient_checkpointing": True}
    peak = measured(method="full", **saving)
    assert peak.trained + peak.step >= 12 * count(base, "unet")


def test_what_is_there_in_each_phase(measured: Measure) -> None:
    """Images and captions are encoded before the UNet is there, and what is frozen goes again."""
    card = measured(rank=4, is_cpu=False, train_text_encoder=False)
    weights, phases = card.weights, card.phases
    assert phases["encode"] == max(weights["vae"] + card.encoding, weights["text_encoder"])
    assert phases["train"] == weights["unet"] + card.trained + card.step
    assert phases["sample"] == weights["unet"] + weights["vae"] + card.trained + card.drawing
    trained = measured(rank=4, is_cpu=False)
    both = weights["unet"] + weights["text_encoder"]
    assert trained.phases["train"] == both + trained.trained + trained.step
    here = measured(rank=4, train_text_encoder=False)
    assert here.phases["train"] == both + here.trained + here.step
    together = BATCH_PIXELS // (64 * 96)  # a GPU encodes many small images at once
    assert card.encoding == pytest.approx(together * here.encoding, rel=0.02)


def test_an_optimiser_that_asks_for_values_is_planned_by_what_it_keeps(measured: Measure) -> None:
    """AdamW: weight, gradient, two moments. Prodigy keeps two values more of each weight."""
    adamw, prodigy = measured(rank=4), measured(rank=4, optimizer="prodigy", learning_rate=1.0)
    assert prodigy.trained / adamw.trained == pytest.approx(6 / 4, rel=0.02)
