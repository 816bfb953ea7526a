"""The ledger: each image beside what is usual at its timestep, and exactly resumable."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.train.toy import CPU, toy_image, toy_training, trained
from train.data.dataset import Exposure
from train.run import objective
from train.run.checkpoint import load_state, states
from train.run.ledger import Ledger
from train.run.loop import optimise, set_rates
from train.run.prepare import Training
from train.run.processes import ProcessGroup

ALONE = ProcessGroup(CPU)
IMAGES = [toy_image(number) for number in range(3)]


def note(ledger: Ledger, step: int, image: int, timestep: int, loss: float) -> None:
    batch = (Exposure(IMAGES[image], 0),)
    ledger.note(step, batch, torch.tensor([timestep]), torch.tensor([loss]))


def test_a_loss_is_compared_with_those_of_its_own_timesteps() -> None:
    """Late timesteps have losses a hundred times as large: that says nothing of an image."""
    ledger = Ledger(IMAGES, steps=1000, timesteps=1000)
    for step in range(300):
        image, late = step % 3, step // 3 % 2
        usual = 0.01 if late else 1.0
        note(ledger, step, image, 990 if late else 10, usual * (1.5 if image == 2 else 1.0))
    ledger.settle(ALONE, 1)
    easy, other, hard = ledger.entries()
    assert (easy.exposures, hard.exposures) == (100, 100)
    # Of each band the first eight are what later ones are compared with.
    assert easy.rated + other.rated + hard.rated == 300 - 2 * 8
    assert easy.relative == pytest.approx(1 / (3.5 / 3), rel=0.02)
    assert other.relative == pytest.approx(easy.relative, rel=0.02)
    assert hard.relative == pytest.approx(1.5 / (3.5 / 3), rel=0.02)


def test_neighbouring_bands_are_kept_apart() -> None:
    """A twentieth of the schedule has a mean of its own; its last timestep belongs to it."""
    ledger = Ledger(IMAGES, steps=1000, timesteps=1000)
    for step in range(40):
        note(ledger, step, 0, 49, 1.0)
        note(ledger, step, 1, 50, 9.0)
        note(ledger, step, 2, 949, 1.0)
        note(ledger, step, 0, 950, 9.0)
    ledger.settle(ALONE, 4)
    assert [entry.relative for entry in ledger.entries()] == [1.0, 1.0, 1.0]


def test_mean_spread_and_parts_of_the_run() -> None:
    ledger = Ledger(IMAGES, steps=40, timesteps=1000)
    for _ in range(200):  # so many that two more do not move the mean
        note(ledger, 15, 0, 500, 1.0)
    for step, loss in ((0, 3.0), (9, 3.0), (10, 9.0), (20, 1.0), (39, 1.0)):
        note(ledger, step, 1, 500, loss)
        for _ in range(200):
            note(ledger, 15, 0, 500, 1.0)
    ledger.settle(ALONE, 1)
    entry = ledger.entries()[1]
    assert entry.exposures == entry.rated == 5
    assert entry.relative == pytest.approx(17 / 5, rel=0.02)
    # Sample standard deviation of 3, 3, 9, 1, 1.
    assert entry.spread == pytest.approx(3.286, rel=0.02)
    assert entry.first == pytest.approx(3.0, rel=0.02)  # steps 0 to 9 of 40
    assert entry.last == pytest.approx(1.0, rel=0.02)  # from step 20
    assert ledger.entries()[2].relative is None


def test_a_step_that_is_done_again_counts_once() -> None:
    ledger = Ledger(IMAGES, steps=10, timesteps=1000)
    note(ledger, 0, 0, 500, 1.0)
    note(ledger, 1, 0, 500, 1.0)
    ledger.forget(1)
    note(ledger, 1, 0, 500, 1.0)
    ledger.settle(ALONE, 1)
    assert ledger.entries()[0].exposures == 2


def test_a_loss_that_is_no_number_spoils_nothing() -> None:
    ledger = Ledger(IMAGES, steps=100, timesteps=1000)
    for step in range(20):
        note(ledger, step, 0, 500, float("nan") if step == 3 else 2.0)
    ledger.settle(ALONE, 1)
    assert ledger.entries()[0].relative == 1.0
    assert ledger.entries()[0].exposures == 19


def test_images_are_known_by_content_in_a_state() -> None:
    ledger = Ledger(IMAGES, steps=100, timesteps=1000)
    for step in range(30):
        note(ledger, step, step % 3, 500, 1.0 + step % 3)
    ledger.settle(ALONE, 1)
    # One image went, another came, and the order changed.
    later = Ledger([toy_image(7), IMAGES[2], IMAGES[0]], steps=100, timesteps=1000)
    later.restore(ledger.tensors())
    new, third, first = later.entries()
    assert new.exposures == 0
    before = ledger.entries()
    assert (third.relative, third.spread) == (before[2].relative, before[2].spread)
    assert (first.relative, first.last) == (before[0].relative, before[0].last)
    assert torch.equal(later.tensors()["ledger.bands"], ledger.tensors()["ledger.bands"])


def test_states_of_earlier_versions_begin_a_ledger_anew() -> None:
    ledger = Ledger(IMAGES, steps=100, timesteps=1000)
    note(ledger, 0, 0, 500, 1.0)
    ledger.settle(ALONE, 1)
    ledger.restore({"lora.weight": torch.zeros(1)})
    assert ledger.entries()[0].exposures == 1


# ---- in a run ------------------------------------------------------------------------------------


def run_steps(training: Training, count: int) -> None:
    for _ in range(count):
        set_rates(training)
        optimise(training)
        training.counters.step += 1


def test_the_loop_notes_unweighted_losses_of_every_exposure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights of timesteps, of images and of the prior do not tell which image is hard."""
    plain, weighted = (tmp_path / name for name in ("plain", "weighted"))
    found = []
    weights: dict[str, Any] = {"min_snr_gamma": 0.5, "prior_loss_weight": 0.1}
    for folder, settings in ((plain, {}), (weighted, weights)):
        folder.mkdir()
        images = [*IMAGES[:2], toy_image(2, regularization=True)]
        training, _ = toy_training(
            folder, images, batch_size=2, epochs=5, learning_rate=1e-9, **settings
        )
        run_steps(training, training.schedule.steps)
        training.ledger.settle(ALONE, 2)
        found.append(training.ledger)
    assert [entry.exposures for entry in found[0].entries()] == [5, 5, 5]
    one, other = (ledger.tensors()["ledger.bands"] for ledger in found)
    assert torch.allclose(one, other)
    assert found[0].tensors()["ledger.bands"][:, 1].max() > 0


def test_what_a_mask_leaves_is_averaged_over_what_it_leaves() -> None:
    errors = torch.tensor([[[[1.0, 1.0], [8.0, 8.0]]]])
    mask = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    assert objective._unweighted(errors, mask).tolist() == pytest.approx([1.0])
    assert objective._unweighted(errors).tolist() == [4.5]


def test_a_resumed_run_has_the_same_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {
        "batch_size": 2,
        "epochs": 20,
        "save_every_epochs": 0,
        "save_every_steps": 7,
    }
    whole, _ = toy_training(tmp_path, IMAGES, **settings)
    for _ in trained(whole, monkeypatch):
        pass
    saved = [path for path in states(whole.states) if path.stem == "step00000035"]
    (tmp_path / "again").mkdir()
    again, _ = toy_training(tmp_path / "again", IMAGES, **settings)
    again.counters = load_state(saved[0], again.network, again.stepper, again.ledger)
    for _ in trained(again, monkeypatch):
        pass
    expected, found = whole.ledger.tensors(), again.ledger.tensors()
    assert expected["ledger.rows"].sum() > 0
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())
