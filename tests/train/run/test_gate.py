"""The steps before a run measure it, stop what would fail later, and change nothing."""

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from prep.cli.run_lines import run_line
from prep.events import Event, Metric, Probed
from prep.system import jobs
from tests.train.tiny import MakeRun
from tests.train.toy import toy_image, toy_training
from train.arithmetic.precision import choose, default_device
from train.config import RunConfig
from train.run import capacity, gate, loop
from train.run.gate import expected_seconds, heaviest_step, idle_share, probe, starved
from train.run.loop import train
from train.run.monitor import TrainingError
from train.run.prepare import Training, prepare
from train.run.processes import ProcessGroup

Kinds = dict[str, dict[str, Any]]
KINDS: Kinds = {
    "adamw": {"ema_decay": 0.9, "dropout": 0.1, "max_norm": 0.5, "noisy_rank_share": 0.5},
    "lion": {"optimizer": "lion", "network": "dora", "warmup_steps": 2},
    "prodigy": {"optimizer": "prodigy", "learning_rate": 1.0, "network": "lokr"},
    "schedulefree": {"optimizer": "schedulefree", "scheduler": "constant"},
    "adafactor": {"optimizer": "adafactor", "gradient_accumulation": 2},
    "full": {"method": "full", "ema_decay": 0.9},
}


def run_of(make_run: MakeRun, **settings: Any) -> RunConfig:
    usual: dict[str, Any] = {"batch_size": 2, "save_precision": "fp32"}
    if settings.get("method") == "full":
        usual |= {"rank": 32, "alpha": 16.0}  # the defaults: networks have settings of their own
    return make_run(**usual, **settings)


def ready(run: RunConfig, folder: Path) -> Training:
    folder.mkdir()
    stream = prepare(run, jobs.Job(folder), ProcessGroup(default_device()))
    while True:
        try:
            next(stream)
        except StopIteration as end:
            training: Training = end.value
            training.network.train()
            return training


def trained(run: RunConfig, folder: Path) -> tuple[list[Event], dict[str, bytes]]:
    """Train; return the events, and what the saved files hold."""
    folder.mkdir()
    found = list(train(run, jobs.Job(folder), ProcessGroup(default_device())))
    files = {}
    for path in sorted(run.output.glob("*.safetensors")):
        data = path.read_bytes()
        files[path.name] = data[8 + int.from_bytes(data[:8], "little") :]
        path.unlink()
    return found, files


@pytest.mark.parametrize("kind", KINDS)
def test_a_probed_run_learns_the_same_bits(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(capacity, "check_base", lambda _: None)
    run = run_of(make_run, epochs=1, **KINDS[kind])
    plain, expected = trained(run, tmp_path / "plain")
    assert not any(isinstance(event, Probed) for event in plain)
    monkeypatch.setattr(gate, "LEAST_STEPS", 1)
    steps: list[bool] = []
    optimise = loop.optimise

    def noted(training: Training, *, move: bool = True) -> Tensor:
        steps.append(move)
        return optimise(training, move=move)

    monkeypatch.setattr(loop, "optimise", noted)
    found, files = trained(run, tmp_path / "probed")
    assert sum(isinstance(event, Probed) for event in found) == 1
    assert files == expected
    assert next(event for event in found if isinstance(event, Metric)).step == 1
    own = [event.loss for event in plain if isinstance(event, Metric)]
    assert [event.loss for event in found if isinstance(event, Metric)] == own
    assert len(steps) == gate.STEPS + len([loss for loss in own if loss is not None])
    assert steps[: gate.STEPS] == [kind != "full"] * gate.STEPS


def test_the_findings_are_told_and_kept(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "LEAST_STEPS", 1)
    training = ready(run_of(make_run, epochs=2), tmp_path / "job")
    training.planned = 3 << 29
    state = torch.random.get_rng_state()
    *_, found = probe(training, loop._trial)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert isinstance(found, Probed)
    assert (found.planned_bytes, found.idle) == (3 << 29, None)
    assert found.memory_bytes > 0
    assert 0 < found.step_seconds < found.run_seconds
    assert "(calculated: 1.5)" in str(run_line(found))
    kept = json.loads((tmp_path / "job" / "probe.json").read_text())
    assert kept["step_seconds"] == found.step_seconds
    assert kept["relative_errors"].keys() == {"epsilon", "v_prediction"}
    # Neither short runs nor those that go on are probed.
    training.counters.step = 1
    assert list(probe(training, _never)) == []
    training.counters.step = 0
    monkeypatch.setattr(gate, "LEAST_STEPS", training.schedule.steps + 1)
    assert list(probe(training, _never)) == []


def _never(_: Training) -> Tensor:
    raise AssertionError


def test_the_largest_batch_is_probed_and_others_take_less(
    make_run: MakeRun, tmp_path: Path
) -> None:
    """Four images of 64 x 64 and a wide one, which has fewer pixels; each twice, in pairs."""
    schedule = ready(run_of(make_run, epochs=10), tmp_path / "job").schedule
    windows = [schedule.window_of(step)[0][1] for step in range(5)]
    buckets = [batch[0].image.fit.bucket for batch in windows]
    (wide,) = {bucket for bucket in buckets if bucket != (64, 64)}
    assert sorted(buckets) == sorted([wide, *[(64, 64)] * 4])
    place = heaviest_step(schedule)
    assert buckets[place] == (64, 64)
    assert schedule.steps == 50
    share = wide[0] * wide[1] / 64**2
    assert share < 1
    assert expected_seconds(schedule, place, 3.0) == pytest.approx(10 * 3.0 * (4 + share))


@pytest.mark.parametrize(
    ("precision", "nan_at", "said", "hint"),
    [
        ("fp32", 0, "before anything was learned", "base model or the VAE is broken"),
        ("fp16", 0, "before anything was learned", "--set precision=bf16"),
        ("fp32", 1, "after 1 step of a trial", "--set learning_rate=0.0001"),
    ],
)
def test_a_loss_that_is_no_number_stops_the_run_with_what_helps(
    make_run: MakeRun,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
    nan_at: int,
    said: str,
    hint: str,
) -> None:
    monkeypatch.setattr(gate, "LEAST_STEPS", 1)
    training = ready(run_of(make_run), tmp_path / "job")
    policy: Any = choose("fp32", default_device())
    if precision == "fp16":
        policy = type(policy)(policy.device, torch.float16, "")
    object.__setattr__(training.model, "policy", policy)
    losses = iter([0.5] * nan_at + [float("nan")])
    with pytest.raises(TrainingError, match=said) as caught:
        list(probe(training, lambda _: torch.tensor(next(losses))))
    assert hint in caught.value.hint


def test_advice_against_a_nonsensical_rate_is_the_usual_one(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "LEAST_STEPS", 1)
    training = ready(run_of(make_run, learning_rate=1e30), tmp_path / "job")
    losses = iter([0.5, float("inf")])
    with pytest.raises(TrainingError) as caught:
        list(probe(training, lambda _: torch.tensor(next(losses))))
    assert caught.value.hint.endswith("--set learning_rate=0.0001")


def test_the_idle_share_of_a_gpu() -> None:
    assert idle_share(0.6, 0.8) == pytest.approx(0.25)
    assert idle_share(1.0, 0.8) == 0.0
    assert idle_share(None, 0.8) is None


class Clock:
    """Stands for the module ``time``; a step takes some time to ask for, and some to wait for."""

    def __init__(self, *steps: tuple[float, float]) -> None:
        self._now, self._steps = 0.0, iter(steps)

    def monotonic(self) -> float:
        return self._now

    def take_step(self, _: Training) -> Any:
        asking, waiting = next(self._steps, (0.0, 0.0))
        self._now += asking
        clock = self

        class Loss:
            def __float__(self) -> float:
                clock._now += waiting
                return 0.5

        return Loss()


@pytest.mark.parametrize(
    ("busy", "asking", "idle", "waits"),
    [
        (1.0, 0.1, 0.5, True),
        (1.9, 2.0, 0.05, False),
        (None, 1.95, None, True),
        (None, 1.8, None, False),
    ],
)
def test_a_card_is_watched_in_the_last_step(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    busy: float | None,
    asking: float,
    idle: float | None,
    waits: bool,
) -> None:
    """The step before, of two seconds, tells how long a step takes; the first one does not."""
    clock, watched = Clock((0.5, 0.5), (asking, 2.0 - asking)), []

    def observed(step: Callable[[], object]) -> float | None:
        watched.append(step())
        return busy

    monkeypatch.setattr(gate, "time", clock)
    monkeypatch.setattr(gate, "busy_seconds", observed)
    monkeypatch.setattr(gate, "memory_in_use", lambda _: 7)
    monkeypatch.setattr(torch.random, "fork_rng", lambda _: nullcontext())
    made, _ = toy_training(tmp_path, [toy_image(0)], epochs=60)
    training = replace(made, group=ProcessGroup(torch.device("cuda")))
    found: list[Event] = []
    answers: list[bool | None] = []

    def noted() -> Iterator[Event]:
        answers.append((yield from probe(training, clock.take_step)))

    found.extend(noted())
    assert answers == [waits]
    assert len(watched) == 1
    last = found[-1]
    assert isinstance(last, Probed)
    assert (last.step_seconds, last.memory_bytes) == (2.0, 7)
    assert last.idle == (None if idle is None else pytest.approx(idle))


def test_the_first_step_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock((0.5, 0.5), (1.0, 3.0), (1.0, 2.0))
    monkeypatch.setattr(gate, "time", clock)
    training, _ = toy_training(tmp_path, [toy_image(0)], epochs=60)
    *_, found = probe(training, clock.take_step)
    assert isinstance(found, Probed)
    assert (found.step_seconds, found.run_seconds) == (3.0, 180.0)


@pytest.mark.parametrize(
    ("idle", "asking", "waits"),
    [(0.5, 0.0, True), (0.1, 1.0, False), (None, 0.99, True), (None, 0.5, False)],
)
def test_a_card_that_keeps_up_is_not_starved(
    idle: float | None, asking: float, waits: bool
) -> None:
    assert starved(idle, asking) is waits
