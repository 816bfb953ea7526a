"""Steps that are replayed learn what they would have learned, and nothing is lost without them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend

from prep.errors import ConfigError
from prep.events import Stage, Warned
from tests.train.recorder import CpuRecorder
from tests.train.run.test_gate import ready
from tests.train.tiny import MakeRun, make_sdxl_base
from tests.train.toy import steps, toy_image, toy_training, weights
from train.config import validated
from train.run.execution import choose_execution, compile_blocks
from train.run.graphs import DIFFERENT, NO_ROOM, Graphs, Outputs, Recorder
from train.run.loop import optimise, set_rates
from train.run.prepare import Training
from train.run.processes import ProcessGroup

IMAGES = [toy_image(number) for number in range(3)]
KINDS: dict[str, dict[str, Any]] = {
    "usual": {"gradient_accumulation": 2, "batch_size": 2},
    "objective": {"min_snr_gamma": 5.0, "loss_type": "huber", "dropout": 0.2, "batch_size": 4},
    "lokr": {"network": "lokr", "max_norm": 0.5, "ema_decay": 0.9},
    "dora": {"network": "dora", "rank_dropout": 0.2, "optimizer": "lion"},
    "sdxl": {"batch_size": 2},
}


def recorded(training: Training, recorder: Recorder | None = None) -> CpuRecorder:
    made: Any = recorder or CpuRecorder()
    training.graphs = Graphs(made, [group.gradients for group in training.stepper.groups])
    found: CpuRecorder = made
    return found


def taken(training: Training, count: int) -> tuple[list[float], dict[str, Tensor]]:
    """Take steps; return their losses and the weights after them."""
    losses = []
    for _ in range(count):
        set_rates(training)
        losses.append(float(optimise(training)))
        training.counters.step += 1
    return losses, training.network.state()


@pytest.mark.parametrize("kind", KINDS)
def test_replayed_steps_learn_the_same_bits(make_run: MakeRun, tmp_path: Path, kind: str) -> None:
    more = {"validation_fraction": 0, "epochs": 20, **KINDS[kind]}
    if kind == "sdxl":
        more["base"] = str(make_sdxl_base(tmp_path / "sdxl"))
    run = make_run(**more)
    run = run.model_copy(update={"family": "sdxl" if kind == "sdxl" else "sd15"})
    expected = taken(ready(run, tmp_path / "eager"), 8)
    training = ready(run, tmp_path / "graphs")
    recorder = recorded(training)
    losses, found = taken(training, 8)
    assert losses == expected[0]
    assert all(torch.equal(found[name], tensor) for name, tensor in expected[1].items())
    assert recorder.recorded >= 2, "pictures of two sizes"
    assert recorder.replays >= 8
    assert training.graphs.in_use
    assert training.ledger.entries()[0].exposures == 0, "nobody has asked for a loss yet"
    training.ledger.settle(training.group, 64)
    assert sum(entry.exposures for entry in training.ledger.entries()) > 8


class Failing(CpuRecorder):
    """Fails where it is told to."""

    def __init__(self, *, record: Exception | None = None, replay: Exception | None = None) -> None:
        super().__init__()
        self.in_record, self.in_replay = record, replay

    def record(self, work: Callable[[], Outputs]) -> Callable[[], Outputs]:
        made = super().record(work)
        if self.in_record:
            raise self.in_record

        def replay() -> Outputs:
            if self.in_replay and self.replays >= 2:
                raise self.in_replay
            return made()

        return replay


class Wrong(CpuRecorder):
    """Adds a gradient that is a little longer."""

    def __init__(self, training: Training) -> None:
        super().__init__()
        self._training = training

    def record(self, work: Callable[[], Outputs]) -> Callable[[], Outputs]:
        made = super().record(work)

        def replay() -> Outputs:
            found = made()
            for group in self._training.stepper.groups:
                group.gradients *= 1.1
            return found

        return replay


@pytest.mark.parametrize(
    ("recorder", "reason"),
    [
        (lambda _: Failing(record=torch.OutOfMemoryError()), NO_ROOM),
        (
            lambda _: Failing(record=RuntimeError("a wrong call\nat 0x0")),
            r"recorded \(a wrong call\)",
        ),
        (lambda _: Failing(replay=torch.OutOfMemoryError()), NO_ROOM),
        (Wrong, DIFFERENT),
    ],
)
def test_without_graphs_a_run_learns_the_same(
    tmp_path: Path, recorder: Callable[[Training], CpuRecorder], reason: str
) -> None:
    plain, _ = toy_training(tmp_path, IMAGES, batch_size=2, epochs=10)
    expected = steps(plain, 6)
    training, _ = toy_training(tmp_path, IMAGES, batch_size=2, epochs=10)
    recorded(training, recorder(training))
    assert steps(training, 6) == expected
    assert torch.equal(weights(training), weights(plain))
    assert not training.graphs.in_use
    (warning,) = training.graphs.news()
    assert re.search(reason, warning.message)
    assert not list(training.graphs.news()), "said once"
    assert not training.micro.table(training.group), "no batch was halved"


class Adding:
    """Implements ``Recorder``; what it replays adds an amount of its own to a gradient."""

    def __init__(self, gradient: Tensor, amount: float) -> None:
        self.gradient, self.amount = gradient, amount

    def record(self, work: Callable[[], Outputs]) -> Callable[[], Outputs]:
        outputs = work()

        def replay() -> Outputs:
            self.gradient += self.amount
            return outputs

        return replay

    def forget(self) -> None:
        pass


@pytest.mark.parametrize(("amount", "used"), [(1.01, True), (1.05, False), (-1.0, False)])
def test_a_replay_is_judged_by_what_it_adds(amount: float, used: bool) -> None:
    """Not by what was there: of many batches in a step, the last one is a small part."""
    gradient = torch.full((4,), 100.0)
    graphs = Graphs(Adding(gradient, amount), [gradient])

    def work(inputs: Sequence[Tensor]) -> Outputs:
        gradient.add_(1.0)
        return (inputs[0].sum(),)

    (found,) = graphs.run(work, [torch.ones(3)], "key", 0)
    assert graphs.in_use is used
    assert found == 3.0
    assert torch.allclose(gradient, torch.tensor(100.0 + (amount if used else 1.0)))


def test_a_step_that_asks_for_a_value_cannot_be_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, _ = toy_training(tmp_path, IMAGES, batch_size=3, epochs=10)
    recorded(training)
    predict = training.model.predict

    def asking(noisy: Tensor, *others: Any) -> Tensor:
        return predict(noisy, *others) * float(noisy.sum() > -1e9)

    monkeypatch.setattr(training.model, "predict", asking)
    steps(training, 2)
    (warning,) = training.graphs.news()
    assert "cannot be recorded" in warning.message


def test_memory_is_given_back_and_graphs_are_made_anew(tmp_path: Path) -> None:
    training, _ = toy_training(tmp_path, IMAGES, batch_size=3, epochs=10)
    recorder = recorded(training)
    training.graphs.release()
    assert recorder.forgotten == 0, "there is nothing to wait for"
    steps(training, 2)
    assert (recorder.recorded, recorder.replays) == (1, 2)
    training.graphs.release()
    assert (recorder.recorded, recorder.forgotten) == (0, 1)
    steps(training, 1)
    assert (recorder.recorded, recorder.forgotten) == (1, 1)
    assert training.graphs.in_use


def test_no_more_shapes_are_recorded_than_there_is_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.run.graphs._MOST", 1)
    training, _ = toy_training(tmp_path, IMAGES, batch_size=2, epochs=10)  # of two and of one
    recorder = recorded(training)
    plain, _ = toy_training(tmp_path, IMAGES, batch_size=2, epochs=10)
    assert steps(training, 6) == steps(plain, 6)
    assert (recorder.recorded, training.graphs.in_use) == (1, True)


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch warns of its own looks at tensors
def test_compiled_blocks_learn_nearly_the_same_and_are_compiled_once(
    make_run: MakeRun, tmp_path: Path
) -> None:
    """What is traced, and how often; without a compiler at the end."""
    usual = {"validation_fraction": 0, "epochs": 20, "batch_size": 1}
    run = make_run(execution="compile", **usual)
    eager = run.model_copy(update={"train": run.train.model_copy(update={"execution": "eager"})})
    expected, _ = taken(ready(eager, tmp_path / "eager"), 7)
    training = ready(run, tmp_path / "compiled")
    compiler = CompileCounterWithBackend("eager")
    few: Any = torch._dynamo.config
    with few.patch(recompile_limit=1, accumulated_recompile_limit=1):  # fewer than blocks
        (told,) = compile_blocks(training.model, training.settings, compiler)
        assert isinstance(told, Stage)
        losses, _ = taken(training, 5)  # pictures of both sizes
        compiled = compiler.frame_count
        more, _ = taken(training, 2)
    assert losses + more == pytest.approx(expected, rel=1e-3)
    unet: Any = training.model.component("unet")
    blocks = sum(type(module).__name__ in unet._repeated_blocks for module in unet.modules())
    assert blocks <= compiled == compiler.frame_count
    torch._dynamo.reset()


# ---- the choice ------------------------------------------------------------------------------


def on_card(folder: Path, **settings: Any) -> Training:
    training, _ = toy_training(folder, IMAGES, **settings)
    return replace(training, group=ProcessGroup(torch.device("cuda")))


@pytest.mark.parametrize(
    ("settings", "waits", "before", "used"),
    [
        ({}, True, None, True),
        ({}, False, None, False),
        ({}, None, None, False),
        ({}, None, True, True),
        ({}, True, False, False),
        ({"execution": "graphs"}, None, None, True),
        ({"execution": "eager"}, True, None, False),
        ({"execution": "compile"}, True, None, False),
        ({"execution": "graphs"}, None, False, True),
        ({"gradient_checkpointing": True}, True, None, False),
        ({"gradient_checkpointing": True}, None, True, False),
        ({"module_dropout": 0.1}, True, None, False),
        ({"noisy_rank_share": 0.5}, True, None, False),
        ({"method": "full", "rank": 32, "alpha": 16.0}, True, None, False),
    ],
)
def test_graphs_are_used_where_a_card_waits(
    tmp_path: Path, settings: dict[str, Any], waits: bool | None, before: bool | None, used: bool
) -> None:
    training = on_card(tmp_path, **settings)
    training.counters.graphs = before
    found = list(choose_execution(training, starved=waits))
    assert training.graphs.in_use is used
    assert [type(event) for event in found] == ([Stage] if used else [])
    assert bool(training.counters.graphs) is used


def test_a_processor_has_no_graphs(tmp_path: Path) -> None:
    training, _ = toy_training(tmp_path, IMAGES, execution="graphs")
    (warning,) = choose_execution(training, starved=None)
    assert isinstance(warning, Warned)
    assert not training.graphs.in_use


def test_what_excludes_graphs_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="not possible with gradient_checkpointing"):
        validated({"execution": "graphs", "gradient_checkpointing": True}, "here")
