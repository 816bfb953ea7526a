"""Out of memory, /dev/shm, slow."""

from pathlib import Path
from typing import Any

import pytest

from prep.events import Diagnosis, Failed
from tests.train.doctor.runs import metric, record
from train.doctor.record import RunRecord
from train.doctor.resources import Surroundings, out_of_memory, shared_memory, slow

GIB = 1 << 30
HERE = Surroundings(memory=24 * GIB, shm=24 * GIB)


def states(found: RunRecord, here: Surroundings = HERE) -> dict[str, Diagnosis]:
    told = (out_of_memory(found, here), shared_memory(found, here), slow(found, here))
    return {each.topic: each for each in told}


def test_a_healthy_run_is_left_alone(tmp_path: Path) -> None:
    assert {each.state for each in states(record(tmp_path)).values()} == {"fine"}


def test_a_run_that_has_not_begun_is_not_judged(tmp_path: Path) -> None:
    found = states(record(tmp_path, metrics=[]))
    assert found["out of memory"].state == found["slow"].state == "unknown"


@pytest.mark.parametrize(
    ("failure", "evidence", "change"),
    [
        (
            Failed("Memory ran out: a training step.", "Set gradient_checkpointing = true.", 1),
            "Memory ran out: a training step; peak 4.0 GiB of 24.0 GiB",
            "Set gradient_checkpointing = true. What fits: shikomi plan",
        ),
        (
            Failed("The command was killed by signal 9. x", "", 137),
            "The command was killed by signal 9; peak",
            "batch_size = 2 and gradient_accumulation = 2",
        ),
        (Failed("The command ended with code 137.", "", 137), "code 137", "batch_size = 2"),
    ],
)
def test_memory_that_ran_out(tmp_path: Path, failure: Failed, evidence: str, change: str) -> None:
    told = out_of_memory(record(tmp_path, failure=failure, settings={"batch_size": 4}), HERE)
    assert told.state == "found"
    assert evidence in told.evidence
    assert change in told.change


def test_memory_that_is_nearly_full(tmp_path: Path) -> None:
    metrics = [metric(step, memory_bytes=23 * GIB) for step in range(1, 101)]
    batches = {"batch_size": 4}
    told = out_of_memory(record(tmp_path, metrics=metrics, settings=batches), HERE)
    assert (told.state, told.change.split(".")[0]) == ("found", "Set gradient_checkpointing = true")
    assert out_of_memory(record(tmp_path / "b"), Surroundings()).state == "fine"


@pytest.mark.parametrize(
    ("message", "log"),
    [
        ("The command was killed by signal 7.", ""),
        ("The command ended with code 1.", "DataLoader worker is killed by signal: Bus error."),
        ("An error.", "RuntimeError: unable to write to </dev/shm/torch>: No space left on device"),
    ],
)
def test_shared_memory_that_ran_out(tmp_path: Path, message: str, log: str) -> None:
    here = Surroundings(shm=64 << 20)
    told = shared_memory(record(tmp_path, failure=Failed(message), log=log), here)
    assert told.state == "found"
    assert "--shm-size=8g" in told.change
    # What an earlier sitting said is no matter when this one goes well.
    assert shared_memory(record(tmp_path / "b", log=log), here).state == "fine"


def test_a_full_disk_is_not_shared_memory(tmp_path: Path) -> None:
    failure = Failed("output/lora cannot be written: No space left on device.")
    assert shared_memory(record(tmp_path, failure=failure), HERE).state == "fine"


@pytest.mark.parametrize(
    ("devices", "shm", "state"), [(1, 64 << 20, "fine"), (2, 64 << 20, "found"), (2, GIB, "fine")]
)
def test_several_cards_need_shared_memory(
    tmp_path: Path, devices: int, shm: int, state: str
) -> None:
    found = record(tmp_path, settings={"devices": devices})
    assert shared_memory(found, Surroundings(shm=shm)).state == state


def cases() -> list[tuple[dict[str, Any], Surroundings, str, str]]:
    slower = [metric(s, it_per_s=2.0 if s < 60 else 0.8) for s in range(1, 101)]
    steady = [metric(s, it_per_s=2.0 if s < 60 else 1.2) for s in range(1, 101)]
    return [
        ({"device": "cpu"}, Surroundings(gpu=True), "found", "shikomi doctor"),
        ({"device": "cpu"}, Surroundings(), "fine", ""),
        ({"metrics": slower}, HERE, "found", "nvidia-smi"),
        ({"metrics": steady}, HERE, "fine", ""),
        ({"metrics": slower[:39]}, HERE, "unknown", "later"),
        ({"spent": {"steps": 50.0, "sample": 45.0}}, HERE, "found", "sample_every_epochs=8"),
        ({"spent": {"steps": 50.0, "validation": 45.0}}, HERE, "found", "validate_every_epochs=4"),
        ({"spent": {"steps": 50.0, "sample": 20.0}}, HERE, "fine", ""),
        (
            {"settings": {"gradient_checkpointing": True}},
            HERE,
            "found",
            "gradient_checkpointing=false",
        ),
        ({"settings": {"gradient_checkpointing": True}}, Surroundings(8 * GIB), "fine", ""),
    ]


@pytest.mark.parametrize(("values", "here", "state", "change"), cases())
def test_what_is_slow(
    tmp_path: Path, values: dict[str, Any], here: Surroundings, state: str, change: str
) -> None:
    settings = {"sample_every_epochs": 2, **values.pop("settings", {})}
    told = slow(record(tmp_path, settings=settings, **values), here)
    assert told.state == state
    assert change in told.change
