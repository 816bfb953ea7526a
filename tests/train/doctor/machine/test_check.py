"""The rest of the machine: tagger runtime, disk, shared memory, and what it can train."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from prep.events import Diagnosis, Finished
from train.arithmetic import precision
from train.doctor.machine import capacity, check, storage
from train.doctor.machine.child import Answer

GIB = 1 << 30


def test_this_machine_is_judged(tmp_path: Path) -> None:
    """Whatever it is: every part is told, and nothing is left behind."""
    *found, last = check.run(tmp_path)
    told = {event.topic: event for event in found if isinstance(event, Diagnosis)}
    assert {
        "torch and driver", "graphics card", "what it can train", "tagger runtime", "disk",
        "/dev/shm",
    } <= set(told)  # fmt: skip
    assert told["tagger runtime"].evidence.startswith("onnxruntime used its provider")
    assert isinstance(last, Finished)
    topics = [topic for state in last.summary.values() for topic in state]
    assert sorted(topics) == sorted(event.topic for event in found if isinstance(event, Diagnosis))
    assert list(tmp_path.iterdir()) == []


def test_without_torch_the_rest_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "find_spec", lambda name: None)
    monkeypatch.setattr(check, "ask", lambda module: Answer(None, "no"))
    first, *rest = check.diagnoses(tmp_path)
    assert first.state == "unknown"
    assert "shikomi[train]" in first.change
    assert [each.topic for each in rest] == ["tagger runtime", "disk", "/dev/shm"]


@pytest.mark.parametrize(
    ("product", "counted"),
    [
        ({"error": 0.003, "speed": 50.0}, True),
        ({"error": 0.5, "speed": 50.0}, False),
        ({"error": float("nan"), "speed": 50.0}, False),
        ({"fault": "no kernel image"}, False),
    ],
)
def test_only_a_card_whose_products_are_right_is_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, product: dict[str, Any], counted: bool
) -> None:
    card = {"name": "RTX 9000", "memory": 96 * GIB, "capability": [8, 9], "architecture": ""}
    devices = [card | {"products": {"float16": product}}, {"name": "CPU", "products": {}}]
    said = {"torch": "2", "cuda": "13.0", "hip": None, "available": True, "devices": devices}
    answer = Answer(said | {"architectures": [], "fault": ""})
    monkeypatch.setattr(check, "ask", lambda module: answer if "kernel" in module else Answer(None))
    told = {event.topic: event for event in check.diagnoses(tmp_path)}
    assert ("RTX 9000" in told["what it can train"].evidence) is counted


@pytest.mark.parametrize(
    ("device", "note"), [("cpu", "the CPU, slowly"), ("mps", "the computer's memory")]
)
def test_without_a_card_the_memory_of_the_computer_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, note: str
) -> None:
    devices = [{"name": "CPU", "products": {"float32": {"error": 0.0, "speed": 1.0}}}]
    said = {"torch": "2", "cuda": None, "hip": None, "available": False, "devices": devices}
    answer = Answer(said | {"architectures": [], "fault": ""})
    monkeypatch.setattr(check, "ask", lambda module: answer if "kernel" in module else Answer(None))
    monkeypatch.setattr(precision, "default_device", lambda: torch.device(device))
    told = {event.topic: event for event in check.diagnoses(tmp_path)}
    assert f"LoRAs on {note} (" in told["what it can train"].evidence


SAID: dict[str, Any] = {"provider": "CUDA", "reason": "", "idle": False, "change": ""}


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        (Answer(SAID), "fine", "provider CUDA"),
        (Answer(SAID | {"provider": "CPU", "reason": "no driver (x)"}), "fine", "CPU; no driver"),
        (
            Answer(SAID | {"provider": "CPU", "reason": "no cuDNN", "idle": True, "change": "pip"}),
            "found",
            "The graphics card is not used: no cuDNN.",
        ),
        (Answer(None, "it was ended by signal 11"), "found", "signal 11"),
        (Answer({"fault": "broken", "change": ""}), "found", "broken"),
    ],
)
def test_the_provider_that_is_really_used(answer: Answer, state: str, words: str) -> None:
    told = check.tagger_runtime(answer)
    assert told.state == state
    assert words in f"{told.evidence} {told.cause}"


def test_a_disk_with_room(tmp_path: Path) -> None:
    told = storage.disk(tmp_path)
    assert "MB/s" in told.evidence
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("free", "speed", "state"),
    [(10 * GIB, 50e6, "fine"), (10 * GIB - 1, 500e6, "found"), (100 * GIB, 49e6, "found")],
)
def test_small_and_slow_disks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, speed: float, state: str
) -> None:
    class Usage:
        def __init__(self) -> None:
            self.free = free

    monkeypatch.setattr("shutil.disk_usage", lambda place: Usage())
    monkeypatch.setattr(storage, "_written", lambda place: speed)
    assert storage.disk(tmp_path).state == state


def test_what_is_written_has_reached_the_disk_when_the_time_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, sizes = [0.0], []

    def reached(file: int) -> None:
        sizes.append(os.fstat(file).st_size)
        now[0] += 4.0

    monkeypatch.setattr(storage, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(os, "fsync", reached)
    assert "written at 17 MB/s" in storage.disk(tmp_path).evidence  # 64 MiB in 4 s
    assert sizes == [64 << 20]


def test_a_place_where_nothing_can_be_written(tmp_path: Path) -> None:
    told = storage.disk(tmp_path / "nowhere")
    assert told.state == "found"
    assert "No such file" in told.evidence


@pytest.mark.parametrize(
    ("size", "cards", "state", "word"),
    [
        (64 << 20, 1, "fine", "--shm-size=8g"),
        (64 << 20, 1, "fine", "64 MiB, the default"),
        (512 << 20, 2, "fine", "512 MiB"),
        (GIB, 2, "fine", "1.0 GiB"),
        (64 << 20, 2, "found", ""),
        (8 * GIB, 2, "fine", "8.0 GiB"),
        (0, 1, "fine", "none"),
    ],
)
def test_shared_memory(
    monkeypatch: pytest.MonkeyPatch, size: int, cards: int, state: str, word: str
) -> None:
    monkeypatch.setattr(storage, "shm_size", lambda: size)
    told = storage.shared_memory(cards)
    assert told.state == state
    assert word in told.evidence
    if state == "found":
        assert "--shm-size=8g" in told.change


def test_what_fits_is_the_most_generous(monkeypatch: pytest.MonkeyPatch) -> None:
    def row(family: str, preset: str, gib: int) -> dict[str, Any]:
        return {
            "family": family, "side": 512, "presets": [preset], "format": "bf16", "bytes": gib * GIB
        }  # fmt: skip

    rows = [row("sd15", "rich", 8), row("sd15", "poor", 4), row("sdxl", "rich", 20)]
    monkeypatch.setattr(capacity, "peaks", lambda: rows)

    def told(gib: int) -> Diagnosis:
        return capacity.judge(gib * GIB, "bf16", "a card")

    assert "--preset rich (8.9 GiB)" in told(9).evidence
    assert "SDXL not: it needs 21.5 GiB at least" in told(9).evidence
    assert "--preset poor (4.7 GiB)" in told(8).evidence
    assert (told(24).state, told(8).state, told(4).state) == ("fine", "fine", "found")
    assert told(4).change.startswith("4.7 GiB")


def test_the_calculated_peaks_are_complete_and_in_order() -> None:
    rows = capacity.peaks()
    groups = {(row["family"], row["format"]) for row in rows}
    assert groups == {(f, d) for f in ("sd15", "sdxl") for d in ("bf16", "fp32")}
    for group in groups:
        sizes = [row["bytes"] for row in rows if (row["family"], row["format"]) == group]
        assert sizes == sorted(sizes, reverse=True)
        assert 2 * GIB < sizes[-1] <= sizes[0] < 48 * GIB
