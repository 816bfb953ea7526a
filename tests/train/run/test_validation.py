"""Validation rounds: by noise and by image, and how far held-out images stay behind."""

from pathlib import Path

import pytest
import torch

from prep.events import Event, Metric, Validation
from tests.train.toy import lora, toy_image, toy_training, trained
from train.data.dataset import watched_images
from train.run.objective import VALIDATION_TIMES, fixed_losses
from train.run.validation import NOISE, _bands, validate, worth_a_round

IMAGES = [toy_image(number) for number in range(6)]
HELD = [toy_image(8), toy_image(9)]


def rounds(found: list[Event]) -> list[Validation]:
    return [event for event in found if isinstance(event, Validation)]


def test_a_round_says_losses_by_noise_and_by_image(tmp_path: Path) -> None:
    training, _ = toy_training(tmp_path, IMAGES, held_out=HELD, watched_images=3)
    found = validate(training)
    losses = fixed_losses(training, HELD)
    assert set(found.held_out) == {"8.png", "9.png"}
    for image in HELD:
        own = losses[image.path]
        assert found.held_out[image.path.name] == pytest.approx(sum(own) / len(VALIDATION_TIMES))
    low, first, second, high = (sum(level) / 2 for level in zip(*losses.values(), strict=True))
    assert found.bands == pytest.approx({"low": low, "mid": (first + second) / 2, "high": high})
    assert found.loss == pytest.approx((low + first + second + high) / 4)
    assert len(found.trained) == 3
    assert set(found.trained) <= {image.path.name for image in IMAGES}
    assert (found.fall, found.trained_fall, found.gap) == (0.0, 0.0, 0.0)


def test_every_noise_level_is_in_one_band() -> None:
    assert [low for low, _ in NOISE.values()][1:] == [high for _, high in NOISE.values()][:-1]
    found = _bands([1.0, 2.0, 4.0, 8.0])
    assert found == {"low": 1.0, "mid": 3.0, "high": 8.0}


def test_the_gap_is_what_trained_images_gain_beyond_those_held_out(tmp_path: Path) -> None:
    training, _ = toy_training(tmp_path, IMAGES, held_out=HELD, watched_images=6)
    before = validate(training)
    training.counters.step = 5
    held = [level * 3 for level in training.counters.before["held_out"]]
    training.counters.before["held_out"] = held
    training.counters.before["trained"][0] *= 2
    found = validate(training)
    # Nothing was learned meanwhile: what it is compared with was higher.
    assert found.fall == pytest.approx(1 - 1 / 3)
    assert found.trained_fall == pytest.approx((1 - 1 / 2) / 4)
    assert found.gap == pytest.approx(1 / 8 - 2 / 3)
    assert found.loss == before.loss


def test_a_fall_counts_every_noise_level_alike(tmp_path: Path) -> None:
    """The plain mean of losses is that of the level with the largest ones."""
    training, _ = toy_training(tmp_path, IMAGES, watched_images=6)
    validate(training)
    training.counters.step = 1
    with torch.no_grad():
        for parameter in lora(training).parameters():
            parameter.mul_(1.1)
    found = validate(training)
    assert found.trained_fall is not None
    now = [sum(level) / 6 for level in zip(*fixed_losses(training, IMAGES).values(), strict=True)]
    before = training.counters.before["trained"]
    each = [1 - after / level for after, level in zip(now, before, strict=True)]
    assert found.trained_fall == pytest.approx(sum(each) / 4)
    assert found.trained_fall != pytest.approx(1 - sum(now) / sum(before), rel=0.01)


def test_watched_images_are_a_choice_by_content_of_the_trained_ones(tmp_path: Path) -> None:
    regular = toy_image(7, regularization=True)
    chosen = []
    for number, images in enumerate(([*IMAGES, regular], [regular, *reversed(IMAGES)])):
        (tmp_path / str(number)).mkdir()
        training, _ = toy_training(tmp_path / str(number), images, watched_images=2)
        chosen.append(
            {image.content for image in watched_images(training.schedule.images, training.settings)}
        )
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 2
    assert "7" not in chosen[0]


def test_without_held_out_images_a_run_has_ten_rounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, _ = toy_training(tmp_path, IMAGES, batch_size=6, epochs=40, watched_images=2)
    found = list(trained(training, monkeypatch))
    assert [each.step for each in rounds(found)] == list(range(0, 41, 4))
    assert [each.epoch for each in rounds(found)] == [1, *range(4, 41, 4)], "those that are over"
    assert all(each.loss is None and each.gap is None for each in rounds(found))
    assert not [e for e in found if isinstance(e, Metric) and e.loss is None]
    (tmp_path / "held").mkdir()
    held, _ = toy_training(tmp_path / "held", IMAGES, held_out=HELD, batch_size=6, epochs=40)
    held.counters.step, held.counters.validated = 21, 20
    assert worth_a_round(held), "there, after every epoch"


def test_nothing_is_measured_when_nothing_is_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, recorded = toy_training(tmp_path, IMAGES, batch_size=6, epochs=2)
    assert not rounds(list(trained(training, monkeypatch)))
    assert len(recorded.noise) == 2


def test_a_resumed_run_compares_with_its_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(folder: str) -> list[Validation]:
        (tmp_path / folder).mkdir()
        training, _ = toy_training(
            tmp_path / folder, IMAGES, held_out=HELD, batch_size=6, epochs=4, watched_images=2
        )
        found: list[Event] = []
        for event in trained(training, monkeypatch):
            found.append(event)
            if folder == "stopped" and isinstance(event, Validation) and event.step == 2:
                break
        if folder == "stopped":
            found += trained(training, monkeypatch)
        return rounds(found)

    assert run("stopped")[-1] == run("whole")[-1]


def test_metrics_say_rates_of_parts_and_the_gradient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, _ = toy_training(
        tmp_path, IMAGES, batch_size=6, epochs=4, scheduler="linear", max_grad_norm=1e-3,
        learning_rate=0.1, text_encoder_learning_rate=0.01,
    )  # fmt: skip
    found = [e for e in trained(training, monkeypatch) if isinstance(e, Metric)]
    assert [m.rates["unet"] for m in found] == [m.learning_rate for m in found]
    assert [m.rates["text_encoder"] for m in found] == pytest.approx(
        [0.1 * (m.learning_rate or 0.0) for m in found]
    )
    assert found[0].rates["unet"] > found[-1].rates["unet"]
    # Before it is clipped to a thousandth.
    assert all(m.gradient_norm is not None and m.gradient_norm > 0.01 for m in found)
