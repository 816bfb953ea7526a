"""Losses that are read seldom: nothing is lost, and nothing that is NaN is saved."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from prep.events import Event, Metric, Sample, Saved
from prep.system import jobs
from tests.train.toy import toy_image, toy_training, trained, weights
from train.run import gradients, loop, objective
from train.run.checkpoint import Counters, states
from train.run.monitor import CommandReader, Step, StepLog, TrainingError
from train.run.prepare import Training
from train.run.processes import ProcessGroup

IMAGES = [toy_image(number) for number in range(3)]
Seldom = Callable[[int, float], None]


@pytest.fixture
def seldom(monkeypatch: pytest.MonkeyPatch) -> Seldom:
    """Make the loop read losses as it does on a GPU."""

    def make(every: int, seconds: float) -> None:
        class Log(StepLog):
            def __init__(self, *given: Any) -> None:
                super().__init__(*given)
                self.every, self.seconds = every, seconds

        monkeypatch.setattr(loop, "StepLog", Log)

    return make


def metrics(found: list[Event]) -> list[Metric]:
    return [e for e in found if isinstance(e, Metric) and e.loss is not None]


def test_a_gpu_is_asked_seldom_and_a_cpu_after_every_step() -> None:
    cpu = StepLog(10, Counters(), ProcessGroup(torch.device("cpu")))
    gpu = StepLog(10, Counters(), ProcessGroup(torch.device("cuda")))
    several = StepLog(10, Counters(), ProcessGroup(torch.device("cuda"), size=2))
    assert (cpu.every, several.every) == (1, 1)
    assert gpu.every > 8
    assert gpu.seconds <= 1


@pytest.mark.parametrize("name", ["whole", "seldom"])
def test_reading_seldom_reports_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seldom: Seldom, name: str
) -> None:
    def run(folder: str) -> tuple[list[Metric], Training]:
        (tmp_path / folder).mkdir()
        training, _ = toy_training(tmp_path / folder, IMAGES, batch_size=1, epochs=3)
        return metrics(list(trained(training, monkeypatch))), training

    (plain, one) = run("plain")
    seldom(4, 1e9)
    (late, other) = run(name)
    assert [m.step for m in late] == list(range(1, 10))
    for field in ("step", "epoch", "loss", "average_loss", "learning_rate", "total"):
        assert [getattr(m, field) for m in late] == [getattr(m, field) for m in plain], field
    assert torch.equal(weights(one), weights(other))
    assert other.counters.average_loss == one.counters.average_loss
    assert other.counters.step == 9


def test_steps_are_reported_together_and_before_what_follows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seldom: Seldom
) -> None:
    seldom(3, 1e9)
    training, _ = toy_training(
        tmp_path, IMAGES, batch_size=3, epochs=8, save_every_epochs=5, pictures=1,
        sample_every_epochs=0, sample_every_steps=7,
    )  # fmt: skip
    done = []
    for event in trained(training, monkeypatch):
        if isinstance(event, Metric | Saved | Sample):
            kind = "step" if isinstance(event, Metric) else type(event).__name__
            done.append((kind, event.step, training.counters.step))
    # Every third step; the save after the fifth and the sample after the seventh ask earlier.
    assert done == [
        ("step", 1, 3), ("step", 2, 3), ("step", 3, 3),
        ("step", 4, 5), ("step", 5, 5), ("Saved", 5, 5),
        ("step", 6, 7), ("step", 7, 7), ("Sample", 7, 7),
        ("step", 8, 8), ("Saved", 8, 8), ("Sample", 8, 8),
    ]  # fmt: skip


def broken_at(monkeypatch: pytest.MonkeyPatch, step: int, value: float) -> None:
    """Make the loss of one step NaN or infinite, and with it all that follows."""
    losses = objective.micro_losses

    def broken(
        training: Training, batch: Any, place: tuple[int, int, int], most: int
    ) -> Iterator[Tensor]:
        for found in losses(training, batch, place, most):
            yield found * value if place[1] + 1 == step else found

    monkeypatch.setattr(gradients, "micro_losses", broken)


@pytest.mark.parametrize("every", [1, 100])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_state_holds_a_step_that_went_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seldom: Seldom, every: int, value: float
) -> None:
    seldom(every, 1e9)
    training, _ = toy_training(
        tmp_path, IMAGES, batch_size=3, epochs=9, save_every_epochs=0, save_every_steps=3
    )
    broken_at(monkeypatch, 5, value)
    found: list[Event] = []
    with pytest.raises(TrainingError, match="NaN or infinite at step 5") as caught:
        found.extend(trained(training, monkeypatch))
    assert "learning_rate" in caught.value.hint
    assert [path.stem for path in states(training.states)] == ["step00000003"]
    assert [path.name for path in (tmp_path / "lora").iterdir()] == ["toy-000003.safetensors"]


def test_the_steps_before_the_one_that_went_wrong_are_still_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seldom: Seldom
) -> None:
    seldom(100, 1e9)
    training, _ = toy_training(tmp_path, IMAGES, batch_size=3, epochs=9, save_every_epochs=6)
    broken_at(monkeypatch, 5, float("nan"))
    found: list[Event] = []
    with pytest.raises(TrainingError):
        found.extend(trained(training, monkeypatch))
    assert [m.step for m in metrics(found)] == [1, 2, 3, 4]


def test_time_that_passes_makes_a_log_due(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("train.run.monitor.time.monotonic", lambda: now)
    counters = Counters()
    log = StepLog(10, counters, ProcessGroup(torch.device("cpu")))
    log.every, log.seconds = 100, 0.5

    def is_due() -> bool:
        return log.due

    log.begin()
    log.add(Step(1, 1, 0.1, torch.tensor(2.0)))
    now = 0.4
    assert not is_due()
    log.begin()
    log.add(Step(2, 1, 0.1, torch.tensor(4.0)))
    now = 0.5
    assert is_due()
    now = 1.0
    first, second = list(log.read())
    assert (first.average_loss, second.average_loss) == (2.0, 3.0)
    assert (first.it_per_s, second.it_per_s, second.eta_s) == (2.0, 2.0, 4.0)
    assert counters.seconds == 1.0
    # What passes between two steps, such as saving, is not theirs; nor is a pause.
    now = 40.0
    log.begin()
    log.add(Step(3, 1, 0.1, torch.tensor(1.0)))
    now = 50.0
    log.restart()
    log.begin()
    now = 50.25
    (third,) = log.read()
    assert counters.seconds == 1.25
    assert third.it_per_s == pytest.approx(3 / 1.25)
    assert list(log.read()) == []


# ---- commands ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("commands", "restarts"), [([], 1), (["save"], 1), (["pause", "resume"], 2)]
)
def test_the_time_of_a_pause_is_not_that_of_a_step(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seldom: Seldom,
    commands: list[str],
    restarts: int,
) -> None:
    seldom(100, 1e9)
    training, _ = toy_training(tmp_path, IMAGES, batch_size=3, epochs=3, save_every_epochs=0)
    for command in commands:
        jobs.send(training.job, command)
    noted: list[StepLog] = []
    restart = StepLog.restart

    def counted(log: StepLog) -> None:
        noted.append(log)
        restart(log)

    monkeypatch.setattr(StepLog, "restart", counted)
    list(trained(training, monkeypatch))
    # Once at the first step, since all are read at the end; once more after a save or a pause.
    assert len(noted) == restarts + (commands == ["save"])


def test_commands_are_read_once_and_a_stop_ends_a_pause(tmp_path: Path) -> None:
    job = jobs.Job(tmp_path)
    reader = CommandReader(job)
    assert reader.asked() == set()
    jobs.send(job, "save")
    assert reader.asked() == {"save"}
    assert reader.asked() == set()
    jobs.send(job, "pause")
    jobs.send(job, "stop")
    assert reader.asked() == {"pause", "stop"}
    again = CommandReader(job)
    assert again.asked() == {"save", "pause", "stop"}
