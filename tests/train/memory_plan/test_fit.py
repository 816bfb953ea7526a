"""The cheapest change that makes a run fit, and what the command line says of it."""

from pathlib import Path
from typing import Any

import pytest
import torch

from prep.errors import UserError
from prep.events import Finished, Stage
from prep.project import Project
from prep.project.creation import initialise
from tests.train.tiny import make_sdxl_base
from train.config import RunConfig, TrainSettings
from train.families.base_model import BaseModel
from train.memory_plan import fit
from train.memory_plan.options import MemoryOptions
from train.memory_plan.peak import MemoryPeak, Place, peak_of

BASE = {"unet": 4, "vae": 1}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = initialise(tmp_path / "project")
    return made.saved({"project": {"resolution": 64}, "buckets": {"step": 16, "minimum": 32}})


def pretended(run: RunConfig, *_: Any) -> MemoryPeak:
    """Need 1 GiB for each image of a batch, half of it with checkpointing."""
    settings = run.train
    step = settings.batch_size * fit.GIB // (2 if settings.gradient_checkpointing else 1)
    return MemoryPeak(dict.fromkeys(BASE, fit.GIB), fit.GIB, fit.GIB // 4, step, 0, tuple(BASE))


def ends(project: Project, settings: TrainSettings, card: float) -> tuple[dict[str, Any], int]:
    found = list(fit.run(project, settings, MemoryOptions(memory=True, card=card)))
    last = found[-1]
    assert isinstance(last, Finished)
    return last.summary, sum(isinstance(event, Stage) for event in found)


@pytest.mark.parametrize(
    ("card", "changes"),
    [
        (12, {}),
        (6, {"batch_size": 1, "gradient_accumulation": 8}),
        (
            4.4,
            {"batch_size": 1, "gradient_accumulation": 8, "gradient_checkpointing": True},
        ),
    ],
)
def test_the_cheapest_change_that_fits(
    project: Project,
    base: Path,
    monkeypatch: pytest.MonkeyPatch,
    card: float,
    changes: dict[str, Any],
) -> None:
    monkeypatch.setattr(fit, "known_peak", pretended)
    settings = TrainSettings(base=str(base), batch_size=4, gradient_accumulation=2)
    summary, measured = ends(project, settings, card)
    assert summary["changes"] == changes
    assert summary["fits"] is (not changes)
    assert measured == 1 + (len(changes) + 1) // 2
    assert summary["room"] == int(card * fit.GIB)


def test_what_never_fits_is_said(
    project: Project, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "known_peak", pretended)
    summary, measured = ends(project, TrainSettings(base=str(base), batch_size=4), 3)
    assert (summary["fits"], summary["changes"], measured) == (False, {}, 5)


def test_the_family_must_match(project: Project, tmp_path: Path) -> None:
    other = make_sdxl_base(tmp_path / "sdxl")
    with pytest.raises(UserError, match="for sd15, and sdxl"):
        list(fit.run(project, TrainSettings(base=str(other)), MemoryOptions(memory=True)))


def test_whole_models_are_not_calculated(project: Project, base: Path) -> None:
    settings = TrainSettings(base=str(base), method="full")
    with pytest.raises(UserError, match="LoRA runs only"):
        list(fit.run(project, settings, MemoryOptions(memory=True)))


def measured(base: Path, *, is_cpu: bool = True, **settings: Any) -> MemoryPeak:
    run = RunConfig(
        name="a",
        project=base,
        dataset=base,
        output=base,
        samples=base,
        cache=base,
        train=TrainSettings(base=str(base), **{"batch_size": 1, "rank": 4, **settings}),
    )
    place = Place(torch.float32, is_cpu=is_cpu)
    return peak_of(run, BaseModel.open(base), place, (64, 64), (64, 64))


def test_the_parts_of_a_peak(base: Path) -> None:
    plain = measured(base)
    parameters = sum(
        p.numel()
        for name in ("unet", "vae", "text_encoder")
        for p in BaseModel.open(base).source.load(name, {}, torch.float32).parameters()
    )
    assert sum(plain.weights.values()) == 4 * parameters
    frozen, saving = (
        measured(base, train_text_encoder=False),
        measured(base, gradient_checkpointing=True),
    )
    assert frozen.trained < plain.trained
    assert saving.step < plain.step
    assert measured(base, batch_size=4).step > 2 * plain.step
    assert measured(base, rank=8).trained > 1.7 * plain.trained
    assert plain.phases.keys() == {"encode", "train", "sample"}
    assert plain.total == max(plain.phases.values())


def test_what_is_there_in_each_phase(base: Path) -> None:
    """Images and captions are encoded before the UNet is there, and what is frozen goes again."""
    card = measured(base, is_cpu=False, train_text_encoder=False)
    weights, phases = card.weights, card.phases
    assert phases["encode"] == max(weights["vae"] + card.encoding, weights["text_encoder"])
    assert phases["train"] == weights["unet"] + card.trained + card.step
    assert phases["sample"] == weights["unet"] + weights["vae"] + card.trained + card.drawing
    trained = measured(base, is_cpu=False)
    both = weights["unet"] + weights["text_encoder"]
    assert trained.phases["train"] == both + trained.trained + trained.step
    here = measured(base, train_text_encoder=False)
    assert here.phases["train"] == both + here.trained + here.step
    assert card.encoding > 100 * here.encoding, "a GPU encodes many small images together"


def test_an_optimiser_that_asks_for_values_is_planned_by_what_it_keeps(
    base: Path, tmp_path: Path
) -> None:
    """Prodigy keeps four values of each weight, AdamW two; the rest of a run is the same."""

    def trained(optimizer: str) -> int:
        settings = TrainSettings(optimizer=optimizer, rank=4, learning_rate=1.0)
        places: Any = dict.fromkeys(("project", "dataset", "output", "samples", "cache"), tmp_path)
        run = RunConfig(name="a", train=settings, **places)
        place = Place(torch.float32, is_cpu=True)
        return peak_of(run, BaseModel.open(base), place, (64, 64)).trained

    adamw, prodigy = trained("adamw"), trained("prodigy")
    # AdamW: weight, gradient, two moments. Prodigy: two values more.
    assert prodigy / adamw == pytest.approx(6 / 4, rel=0.02)
