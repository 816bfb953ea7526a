"""Overfitting, not learning, NaN: each called by its name, with figures, and nothing else."""

from pathlib import Path

import pytest

from prep.events import Failed
from tests.train.doctor.runs import a_round, metric, record
from train.doctor.learning import not_a_number, not_learning, overfitting
from train.doctor.record import ImageRow, ImagesFile

HEALTHY = [(0, 0.0, 0.0), (25, 0.15, 0.18), (50, 0.2, 0.25), (100, 0.21, 0.3)]
BY_HEART = [(0, 0.0, 0.0), (25, 0.15, 0.2), (50, 0.25, 0.4), (100, 0.1, 0.7)]


def test_a_healthy_run_is_left_alone(tmp_path: Path) -> None:
    found = record(tmp_path, validations=[a_round(*each) for each in HEALTHY])
    assert overfitting(found).state == "fine"
    assert not_learning(found).state == "fine"
    assert not_a_number(found).state == "fine"
    assert "gap 9 points" in overfitting(found).evidence


def test_held_out_images_that_get_worse_are_overfitting(tmp_path: Path) -> None:
    saved = {25: "mochi-000001.safetensors", 60: "mochi-000002.safetensors"}
    found = record(tmp_path, validations=[a_round(*each) for each in BY_HEART], saved=saved)
    told = overfitting(found)
    assert told.state == "found"
    assert "25.0 % below the base model's at step 50" in told.evidence
    assert "--set max_steps=50" in told.change
    assert "mochi-000002.safetensors (step 60)" in told.change
    assert not_learning(found).state == "fine"


@pytest.mark.parametrize(
    ("rounds", "state"),
    [
        ([(0, 0.0, 0.0), (50, 0.2, 0.3), (100, 0.185, 0.32)], "fine"),  # it wavers
        ([(0, 0.0, 0.0), (50, 0.2, 0.3), (100, 0.17, 0.32)], "found"),
        # The trained images got worse, too: that is another ailment.
        ([(0, 0.0, 0.0), (50, 0.2, 0.3), (100, 0.05, 0.1)], "fine"),
        ([(0, 0.0, 0.0), (100, 0.2, 0.3)], "unknown"),
    ],
)
def test_what_is_overfitting(
    tmp_path: Path, rounds: list[tuple[int, float, float]], state: str
) -> None:
    found = record(tmp_path, validations=[a_round(*each) for each in rounds])
    assert overfitting(found).state == state


def test_a_run_that_was_best_before_it_began_needs_a_lower_rate(tmp_path: Path) -> None:
    rounds = [(0, 0.0, 0.0), (50, -0.1, 0.1), (100, -0.2, 0.2)]
    told = overfitting(record(tmp_path, validations=[a_round(*each) for each in rounds]))
    assert told.state == "found"
    assert "--set learning_rate=0.0003" in told.change


def test_without_held_out_images_nobody_can_say(tmp_path: Path) -> None:
    rows = [ImageRow(path=f"{n}.png", folder="a", exposures=40) for n in range(3)]
    images = ImagesFile(step=1, steps=2, images=rows, folders={}, tags={})
    rounds = [a_round(0, None, 0.0), a_round(50, None, 0.2)]
    told = overfitting(record(tmp_path, validations=rounds, images=images))
    assert told.state == "unknown"
    assert "shown 40 times" in told.evidence
    assert "validation_fraction=0.1" in told.change


def test_a_rate_that_is_far_too_low(tmp_path: Path) -> None:
    rounds = [a_round(0, 0.0, 0.0), a_round(50, 0.005, 0.007), a_round(100, 0.01, 0.014)]
    told = not_learning(record(tmp_path, validations=rounds))
    assert told.state == "found"
    assert "1.4 % below" in told.evidence
    assert "adamw at 0.001 (unet)" in told.evidence
    assert "too low" in told.cause
    assert "--set learning_rate=0.01" in told.change
    still = [a_round(step, 0.0, 0.0) for step in (0, 50, 100)]
    assert not_learning(record(tmp_path / "b", validations=still)).state == "found"


def test_a_model_that_knew_its_images_learns_little_and_that_is_fine(tmp_path: Path) -> None:
    """Its pace falls, as that of a run does which has learned what there is."""
    rounds = [a_round(0, 0.0, 0.0), a_round(50, 0.01, 0.013), a_round(100, 0.01, 0.014)]
    assert not_learning(record(tmp_path, validations=rounds)).state == "fine"


def test_pace_is_counted_per_learning_rate(tmp_path: Path) -> None:
    """A schedule that falls slows a run down; that is not what was learned coming to an end."""
    rounds = [a_round(0, 0.0, 0.0), a_round(50, 0.01, 0.012), a_round(100, 0.01, 0.015)]
    metrics = [metric(s, learning_rate=1e-3 if s <= 50 else 2.5e-4) for s in range(1, 101)]
    constant = not_learning(record(tmp_path / "a", validations=rounds))
    falling = not_learning(record(tmp_path / "b", validations=rounds, metrics=metrics))
    assert (constant.state, falling.state) == ("fine", "found")


def test_a_rate_that_is_too_high(tmp_path: Path) -> None:
    rounds = [a_round(0, 0.0, 0.0), a_round(8, -3.0, -2.0)]
    told = not_learning(record(tmp_path, validations=rounds))
    assert told.state == "found"
    assert "200.0 % above" in told.evidence
    assert "too high" in told.cause
    assert "--set learning_rate=0.0001" in told.change


def test_a_run_that_has_just_begun_is_not_judged(tmp_path: Path) -> None:
    rounds = [a_round(0, 0.0, 0.0), a_round(40, 0.001, 0.001)]
    assert not_learning(record(tmp_path, validations=rounds)).state == "unknown"
    assert not_learning(record(tmp_path / "b")).state == "unknown"
    wavering = [a_round(0, 0.0, 0.0), a_round(8, -0.05, -0.05)]
    assert not_learning(record(tmp_path / "d", validations=wavering)).state == "unknown"
    enough = [a_round(0, 0.0, 0.0), a_round(50, 0.2, 0.2)]
    assert not_learning(record(tmp_path / "c", validations=enough)).state == "fine"


@pytest.mark.parametrize(
    ("precision", "change"),
    [("bf16: as set", "learning_rate=0.0001"), ("fp16: the GPU is too old", "precision=bf16")],
)
def test_nan_is_told_with_what_went_before(tmp_path: Path, precision: str, change: str) -> None:
    failure = Failed("The loss is NaN or infinite at step 12.", "Lower learning_rate.", 1)
    metrics = [metric(step, gradient_norm=0.5 if step < 99 else 40.0) for step in range(1, 101)]
    found = record(tmp_path, failure=failure, precision=precision, metrics=metrics)
    told = not_a_number(found)
    assert told.state == "found"
    assert "at step 12" in told.evidence
    assert "0.5 (median), 40 at most" in told.evidence
    assert change in told.change


def test_other_failures_are_not_nan(tmp_path: Path) -> None:
    found = record(tmp_path, failure=Failed("Memory ran out: a training step."))
    assert not_a_number(found).state == "fine"
    assert not_a_number(record(tmp_path / "b", metrics=[])).state == "unknown"
