"""What a run is told about its memory before it begins, and when it ran out."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from prep.cli.run_lines import run_line
from prep.events import Event, Stage, Warned
from prep.system import jobs
from tests.train.tiny import MakeRun
from train import __main__ as process
from train.arithmetic.memory import MemoryRanOutError
from train.arithmetic.precision import choose, default_device
from train.config import RunConfig
from train.families.base_model import BaseModel
from train.memory_plan import fit, run_plan
from train.memory_plan.peak import MemoryPeak, Place
from train.run import gate, loop
from train.run import prepare as prepare_module
from train.run.loop import train
from train.run.processes import ProcessGroup


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Let a run need 1 GiB for each image of a batch, with checkpointing half; there are 3.5.

    A sample needs 3 GiB, or 1 in tiles. The list holds what was asked beside run and model.
    """
    found: list[Any] = []

    def peak(run: RunConfig, _: BaseModel, *rest: Any) -> MemoryPeak:
        found.append(rest)
        step = run.train.batch_size * fit.GIB // (1 + run.train.gradient_checkpointing)
        drawing = (3 * fit.GIB, fit.GIB) if run.train.sample_prompts else (0, 0)
        return MemoryPeak({"unet": 0, "vae": 0}, 0, 0, step, *drawing, ("unet",))

    monkeypatch.setattr(fit, "known_peak", peak)
    monkeypatch.setattr(run_plan, "memory_here", lambda: int(3.5 * fit.GIB))
    return found


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_plan, "default_device", lambda: torch.device("cuda"))
    policy = choose("fp32", torch.device("cpu"))
    monkeypatch.setattr(run_plan, "choose", lambda *_: policy)


def planned(run: RunConfig) -> tuple[str, list[str], int]:
    """Return what is told, the hints of warnings, and the peak in MiB."""
    stream = run_plan.plan_run(run, BaseModel.open(run.base), (64, 96))
    found: list[Event] = []
    while True:
        try:
            found.append(next(stream))
        except StopIteration as end:
            begun, told, *warned = found
            assert begun == Stage("plan")
            assert isinstance(told, Stage)
            assert told.done
            assert told.seconds is not None
            assert 0 <= told.seconds < 60
            hints = [event.hint for event in warned if isinstance(event, Warned)]
            return told.note, hints, end.value // 2**20


def test_a_run_is_planned_before_its_denoiser_is_loaded(
    make_run: MakeRun, tmp_path: Path, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    del asked
    monkeypatch.setattr(prepare_module, "LEAST_STEPS", 1)
    (tmp_path / "job").mkdir()
    group = ProcessGroup(default_device())
    stream = train(make_run(epochs=1), jobs.Job(tmp_path / "job"), group, plan_run_of)
    stages = [event for event in stream if isinstance(event, Stage) and event.done]
    names = [event.name for event in stages]
    assert names.index("plan") < names.index("load")
    told = stages[names.index("plan")]
    assert run_line(told) == told.note


@pytest.mark.parametrize(
    ("size", "room", "hints"),
    [
        (2, 3.5, []),
        (4, 3.5, ["--set batch_size=1 --set gradient_accumulation=4 (1.5 GiB)."]),
        (4, 1.0, ["No setting makes it fit; lower the resolution."]),
    ],
)
def test_what_a_computer_has_no_room_for_is_warned_of(
    make_run: MakeRun,
    asked: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    room: float,
    hints: list[str],
) -> None:
    monkeypatch.setattr(run_plan, "memory_here", lambda: int(room * fit.GIB))
    note, found, peak = planned(make_run(batch_size=size, precision="bf16"))
    needed = size * 1.05 + 0.5
    assert note == f"about {needed:.1f} GiB of {room} will be needed"
    assert [hint.removeprefix("The cheapest change: ") for hint in found] == hints
    assert peak == int(needed * 1024)
    assert set(asked) == {(Place(torch.bfloat16, is_cpu=True), (64, 96), None)}


def test_a_short_run_is_not_planned(make_run: MakeRun, tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    run = make_run(epochs=1)
    stream = train(run, jobs.Job(tmp_path / "job"), ProcessGroup(default_device()), plan_run_of)
    assert not any(isinstance(event, Stage) and event.name == "plan" for event in stream)


def plan_run_of(*args: Any) -> Any:
    return run_plan.plan_run(*args)


def test_memory_that_runs_out_is_answered_with_the_cheapest_change(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[Any]
) -> None:
    del asked
    monkeypatch.setattr(gate, "LEAST_STEPS", 1)
    run = make_run(batch_size=4)
    job = jobs.create(tmp_path, jobs.JobSettings("train", []), run.to_toml())

    def full(*_: Any, **__: Any) -> Tensor:
        raise MemoryRanOutError("Memory ran out: a training step.", "Set something.")

    monkeypatch.setattr(loop, "optimise", full)
    with pytest.raises(MemoryRanOutError, match="a training step") as caught:
        list(process._run(job))
    # Not a smaller batch: its images were computed one by one before it came to this.
    assert caught.value.hint == (
        "The cheapest change: --set gradient_checkpointing=true (1.0 GiB)."
    )
    assert not list(run.output.glob("*"))


@pytest.mark.parametrize(
    ("room", "note", "hints"),
    [
        (9.0, "about 8.9 GiB of 9.0 will be needed", []),
        (
            5.0,
            "a batch needs about 8.9 GiB, and there are 5.0: 4 of its 8 images are computed at once"
            " (4.7 GiB)",
            [],
        ),
        (
            1.2,
            "about 8.9 GiB of 1.2 will be needed",
            ["The cheapest change: --set gradient_checkpointing=true (1.0 GiB)."],
        ),
    ],
)
def test_a_card_divides_batches_and_is_not_told_to(
    make_run: MakeRun,
    asked: list[Any],
    card: None,
    monkeypatch: pytest.MonkeyPatch,
    room: float,
    note: str,
    hints: list[str],
) -> None:
    monkeypatch.setattr(run_plan, "memory_here", lambda: int(room * fit.GIB))
    found = planned(make_run(batch_size=8))
    assert found == (note, hints, (4 if room == 5.0 else 8) * 1024)
    assert not asked[0][0].is_cpu


def test_samples_that_a_card_decodes_in_tiles_are_told(
    make_run: MakeRun, asked: list[Any], card: None
) -> None:
    """Their size is that of the largest bucket."""
    note, hints, peak = planned(make_run(batch_size=1, sample_prompts=("mochi",)))
    assert note == "about 1.5 GiB of 3.5 will be needed; samples are decoded in tiles"
    assert (hints, peak) == ([], 1024)
    assert [rest[1:] for rest in asked] == [((64, 96), (64, 96))]


def test_no_advice_where_none_helps(
    make_run: MakeRun, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(batch_size=4)
    monkeypatch.setattr(run_plan, "memory_here", lambda: fit.GIB // 2)
    assert run_plan.what_fits(run) == ""
    assert asked
    gone = run.model_copy(update={"train": run.train.model_copy(update={"base": "nowhere"})})
    assert run_plan.what_fits(gone) == ""
