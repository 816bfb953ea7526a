"""The cheapest change that makes a run fit, and what the command line says of it."""

from dataclasses import replace
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
from train.memory_plan import fit
from train.memory_plan.options import MemoryOptions
from train.memory_plan.peak import MemoryPeak, Place

BASE = {"unet": 4, "vae": 1}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = initialise(tmp_path / "project")
    return made.saved({"project": {"resolution": 64}, "buckets": {"step": 16, "minimum": 32}})


def pretended(run: RunConfig, *_: Any) -> MemoryPeak:
    """Need 1 GiB for each image of a batch, half of it with checkpointing."""
    settings = run.train
    step = settings.batch_size * fit.GIB // (2 if settings.gradient_checkpointing else 1)
    return MemoryPeak(dict.fromkeys(BASE, fit.GIB), fit.GIB, fit.GIB // 4, step, 0, 0, tuple(BASE))


def ends(
    project: Project, settings: TrainSettings, card: float | None
) -> tuple[dict[str, Any], list[str]]:
    """Return the summary, and what was measured."""
    found = list(fit.run(project, settings, MemoryOptions(memory=True, card=card)))
    last = found[-1]
    assert isinstance(last, Finished)
    return last.summary, [e.note.split(":")[0] for e in found if isinstance(e, Stage)]


@pytest.mark.parametrize(
    ("card", "at_once", "changes", "measured"),
    [
        (12, 5, {}, ["as set"]),
        (7.1, 3, {}, ["as set", "3 of 5 images at once"]),
        (4.9, 1, {}, ["as set", *(f"{n} of 5 images at once" for n in (3, 2, 1))]),
        (4.4, 1, {"gradient_checkpointing": True}, None),
    ],
)
def test_a_batch_that_a_card_divides_is_no_change(
    project: Project,
    base: Path,
    monkeypatch: pytest.MonkeyPatch,
    card: float,
    at_once: int,
    changes: dict[str, Any],
    measured: list[str] | None,
) -> None:
    """UNet, trained weights and one image take 3 GiB, 3.65 with slack and libraries."""
    monkeypatch.setattr(fit, "known_peak", pretended)
    settings = TrainSettings(base=str(base), batch_size=5, gradient_accumulation=2)
    summary, seen = ends(project, settings, card)
    assert summary["changes"] == changes
    assert summary["fits"] is (not changes)
    assert (summary["batch"], summary["at_once"]) == (5, at_once)
    assert seen == (measured or [*seen[:4], "gradient_checkpointing = true, 1 of 5 images at once"])
    assert summary["room"] == int(card * fit.GIB)


@pytest.mark.parametrize(
    ("card", "tiled", "needed", "enough"),
    [(7.4, False, 7.325, True), (7.3, True, 5.225, True), (5.2, True, 5.225, False)],
)
def test_samples_that_do_not_fit_whole_are_decoded_in_tiles(
    project: Project,
    base: Path,
    monkeypatch: pytest.MonkeyPatch,
    card: float,
    tiled: bool,
    needed: float,
    enough: bool,
) -> None:
    """Weights take 3 GiB then, and decoding 3.5 or, in tiles, 1.5; then slack and libraries."""

    def drawing(run: RunConfig, *_: Any) -> MemoryPeak:
        whole, tiles = 7 * fit.GIB // 2, 3 * fit.GIB // 2
        return replace(pretended(run), drawing=whole, tiled=tiles, resident=("unet",))

    monkeypatch.setattr(fit, "known_peak", drawing)
    settings = TrainSettings(base=str(base), batch_size=1, sample_prompts=("mochi",))
    summary, seen = ends(project, settings, card)
    assert (summary["tiled"], summary["fits"]) == (tiled, enough)
    assert summary["needed"] / fit.GIB == pytest.approx(needed)
    assert seen[0] == ("samples decoded in tiles" if tiled else "as set")


@pytest.mark.parametrize(
    ("room", "changes"),
    [
        (12, {}),
        (6, {"batch_size": 1, "gradient_accumulation": 8}),
        (4.4, {"batch_size": 1, "gradient_accumulation": 8, "gradient_checkpointing": True}),
    ],
)
def test_the_cheapest_change_that_fits_into_a_computer(
    project: Project,
    base: Path,
    monkeypatch: pytest.MonkeyPatch,
    room: float,
    changes: dict[str, Any],
) -> None:
    """A CPU's run is ended by the system, and divides nothing."""
    monkeypatch.setattr(fit, "known_peak", pretended)
    monkeypatch.setattr(fit, "memory_here", lambda: int(room * fit.GIB))
    settings = TrainSettings(base=str(base), batch_size=4, gradient_accumulation=2)
    summary, measured = ends(project, settings, None)
    assert summary["changes"] == changes
    assert summary["fits"] is (not changes)
    assert len(measured) == 1 + (len(changes) + 1) // 2


def test_what_never_fits_is_said(
    project: Project, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "known_peak", pretended)
    summary, measured = ends(project, TrainSettings(base=str(base), batch_size=4), 3)
    assert (summary["fits"], summary["changes"], len(measured)) == (False, {}, 6)
    last = "gradient_checkpointing = true, train_text_encoder = false, rank = 8, alpha = 4.0"
    assert measured[-1] == f"{last}, 1 of 4 images at once"


@pytest.mark.parametrize(
    ("settings", "last"),
    [
        ({}, [{}, {"optimizer": "adafactor"}, {"method": "lora"}]),
        ({"optimizer": "adafactor"}, [{}, {"method": "lora"}]),
        ({"betas": (0.9, 0.95)}, [{}, {"method": "lora"}]),
        (
            {"ema_decay": 0.9},
            [
                {},
                {"ema_decay": 0.0},
                {"ema_decay": 0.0, "optimizer": "adafactor"},
                {"method": "lora"},
            ],
        ),
    ],
)
def test_what_makes_a_whole_model_smaller(
    settings: dict[str, Any], last: list[dict[str, Any]]
) -> None:
    made = TrainSettings(method="full", batch_size=1, gradient_checkpointing=True, **settings)
    assert [rung.changes for rung in fit.ladder(made, "sdxl", divides=True)] == last


@pytest.mark.parametrize("size", [2, 3])
def test_a_computer_takes_a_batch_image_by_image(size: int) -> None:
    made = TrainSettings(batch_size=size)
    _, second, *_ = fit.ladder(made, "sd15", divides=False)
    assert second.changes == {"batch_size": 1, "gradient_accumulation": size}


@pytest.mark.parametrize(
    ("settings", "last"),
    [
        ({"execution": "graphs"}, [{"gradient_checkpointing": True, "execution": "eager"}]),
        ({"gradient_checkpointing": True, "rank": 9, "alpha": 4.5}, [{"rank": 8, "alpha": 4.0}]),
        ({"train_unet": False}, [{"gradient_checkpointing": True}]),
        ({"gradient_checkpointing": True, "rank": 9, "alpha": 9.0, "train_text_encoder": True},
         [{"train_text_encoder": False}, {"train_text_encoder": False, "rank": 8, "alpha": 8.0}]),
    ],
)  # fmt: skip
def test_what_makes_a_lora_smaller(settings: dict[str, Any], last: list[dict[str, Any]]) -> None:
    usual = {"batch_size": 1, "rank": 8, "train_text_encoder": not settings.get("train_unet", True)}
    made = TrainSettings(**{**usual, **settings})
    for divides in (True, False):
        rungs = list(fit.ladder(made, "sd15", divides=divides))
        assert [rung.changes for rung in rungs] == [{}, *last]
        assert {rung.at_once for rung in rungs} == {1}


@pytest.mark.parametrize(
    ("settings", "card", "dtype", "drawn"),
    [
        ({}, 12, torch.bfloat16, None),
        ({"precision": "fp32"}, 12, torch.float32, None),
        ({"sample_prompts": ["mochi"], "precision": "fp32"}, None, torch.float32, (64, 64)),
    ],
)
def test_what_is_measured(
    project: Project,
    base: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    card: float | None,
    dtype: torch.dtype,
    drawn: Any,
) -> None:
    asked: list[Any] = []

    def noted(run: RunConfig, *rest: Any) -> MemoryPeak:
        asked.append(rest[1:])
        return pretended(run)

    monkeypatch.setattr(fit, "known_peak", noted)
    made = TrainSettings(base=str(base), batch_size=1, **settings)
    found = list(fit.run(project, made, MemoryOptions(memory=True, card=card)))
    assert asked[0] == (Place(dtype, is_cpu=card is None), (64, 64), drawn)
    (last, told) = (found[-1], found[0])
    assert isinstance(last, Finished)
    assert isinstance(told, Stage)
    assert told.note == "as set: 4.7 GiB"  # 4 GiB, a twentieth, and half a GiB
    assert last.summary["needed"] == last.summary["changed"] == int(4.2 * fit.GIB) + fit.GIB // 2
    assert 2**28 < fit.memory_here() < 2**45


def test_the_family_must_match(project: Project, tmp_path: Path) -> None:
    other = make_sdxl_base(tmp_path / "sdxl")
    with pytest.raises(UserError, match="for sd15, and sdxl") as caught:
        list(fit.run(project, TrainSettings(base=str(other)), MemoryOptions(memory=True)))
    assert 'set family = "sdxl" and resolution = 1024' in caught.value.hint
