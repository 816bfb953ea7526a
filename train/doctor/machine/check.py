"""What is wrong with this machine: a diagnosis for each part of it."""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from prep.events import Diagnosis, Event, Finished
from prep.language import marked
from prep.tagging.runtime.providers import driver_version, gpu_present
from train.doctor.findings import fine, found, unknown
from train.doctor.machine import capacity, graphics, storage
from train.doctor.machine.child import Answer, ask
from train.doctor.machine.graphics import Hardware
from train.doctor.machine.kernel import wrong_products
from train.extra import configure_libraries

TAGGER = marked("tagger runtime")
_AMD = Path("/dev/kfd")


def run(folder: Path) -> Iterator[Event]:
    """Look at card, driver, torch, onnxruntime, disk and shared memory.

    Args:
        folder: Where a project would be: its disk is measured.

    Yields:
        Diagnoses; last Finished with topics by state.
    """
    topics: dict[str, list[str]] = {"found": [], "fine": [], "unknown": []}
    for diagnosis in diagnoses(folder):
        topics[diagnosis.state].append(diagnosis.topic)
        yield diagnosis
    yield Finished(dict(topics))


def diagnoses(folder: Path) -> Iterator[Diagnosis]:
    """Yield what there is to say, a part after another."""
    configure_libraries()
    hardware = Hardware(gpu_present(), driver_version(), _AMD.exists())
    cards: list[Mapping[str, Any]] = []
    if find_spec("torch") is None:
        yield unknown(
            graphics.TORCH,
            "torch is not installed: nothing can be trained yet",
            f"pip install 'shikomi[train]'; for a card: {graphics.install('auto')}",
        )
    else:
        answer = ask("train.doctor.machine.kernel")
        yield from graphics.judge(answer, hardware)
        cards = _cards(answer)
        yield _capacity(answer, cards)
    yield tagger_runtime(ask("train.doctor.machine.provider"))
    yield storage.disk(folder)
    yield storage.shared_memory(len(cards))


def _cards(answer: Answer) -> list[Mapping[str, Any]]:
    """Return the cards on which products are right."""
    devices = answer.value["devices"] if answer.value else []
    return [
        device
        for device in devices
        if device["name"] != "CPU"
        and device["products"]
        and all("fault" not in product for product in device["products"].values())
        and not wrong_products(device["products"])
    ]


def _capacity(answer: Answer, cards: list[Mapping[str, Any]]) -> Diagnosis:
    from train.arithmetic.precision import choose, default_device
    from train.memory_plan.fit import computer_memory

    if cards:
        return capacity.judge(int(cards[0]["memory"]), "bf16", str(cards[0]["name"]))
    if answer.value is None or not computer_memory():
        return unknown(capacity.TRAINING, "torch does not compute here")
    import torch

    half = choose("auto", torch.device("cpu")).dtype != torch.float32
    note = "the CPU, slowly" if default_device().type == "cpu" else "the computer's memory"
    return capacity.judge(computer_memory(), "bf16" if half else "fp32", note)


def tagger_runtime(answer: Answer) -> Diagnosis:
    """Say which provider of onnxruntime ran a tagger."""
    said = answer.value
    if said is None:
        told = f"a tagger was run in a process of its own: {answer.fault}"
        change = "pip install --force-reinstall onnxruntime-gpu (or onnxruntime)"
        return found(TAGGER, told, "onnxruntime or its libraries are broken.", change)
    if "fault" in said:
        cause = "The demo tagger does not run."
        return found(TAGGER, str(said["fault"]), cause, str(said["change"]))
    told = f"onnxruntime used its provider {said['provider']}"
    if said["idle"]:
        cause = f"The graphics card is not used: {said['reason']}."
        return found(TAGGER, told, cause, str(said["change"]))
    reason = str(said["reason"]).partition(" (")[0]
    return fine(TAGGER, f"{told}; {reason}" if reason else told)
