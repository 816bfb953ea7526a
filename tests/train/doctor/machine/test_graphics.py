"""Card, driver and torch: which do not fit, and which wheel tag does."""

from typing import Any

import pytest

from train.doctor.machine.child import Answer
from train.doctor.machine.graphics import Hardware, judge, wheel_tag

NVIDIA = Hardware(nvidia=True, driver=13000)
NO_KERNEL = "CUDA error: no kernel image is available for execution on the device"
RIGHT = {name: {"error": 0.001, "speed": 50.0} for name in ("bfloat16", "float16", "float32")}
CPU = {"name": "CPU", "products": {"bfloat16": {"error": 0.002, "speed": 0.1}}}


def report(*cards: dict[str, Any], **values: Any) -> Answer:
    usual: dict[str, Any] = {
        "torch": "2.13.0+cu130",
        "cuda": "13.0",
        "hip": None,
        "available": bool(cards),
        "architectures": ["sm_80", "sm_90"],
        "devices": [*cards, CPU],
        "fault": "",
    }
    return Answer(usual | values)


def card(products: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "name": "GeForce RTX 4090",
        "memory": 24 << 30,
        "capability": [8, 9],
        "architecture": "",
        "products": products or RIGHT,
    }
    return usual | values


def broken(fault: str) -> dict[str, Any]:
    return {name: {"fault": fault} for name in RIGHT}


@pytest.mark.parametrize(
    ("capability", "driver", "tag"),
    [
        ((12, 0), 13000, "cu130"),
        ((12, 0), 12080, "cu128"),
        ((12, 0), 12040, ""),  # RTX 50 came with CUDA 12.8
        ((12, 0), 0, "cu128"),
        ((8, 9), 13010, "cu130"),
        ((8, 9), 12090, "cu128"),
        ((8, 6), 12020, "cu126"),
        ((7, 5), 12080, "cu128"),
        ((7, 0), 13000, "cu126"),  # Volta, Pascal and Maxwell were left out afterwards
        ((6, 1), 12080, "cu126"),
        ((8, 6), 11080, ""),
        (None, 12080, "cu128"),
    ],
)
def test_the_wheel_tag_of_a_card(capability: Any, driver: int, tag: str) -> None:
    assert wheel_tag(capability, driver) == tag


def test_a_card_that_computes_is_fine() -> None:
    build, own = judge(report(card()), NVIDIA)
    assert (build.state, own.state) == ("fine", "fine")
    assert "driver up to CUDA 13.0" in build.evidence
    assert "compute capability 8.9" in own.evidence
    assert "bfloat16 (50 TFLOP/s)" in own.evidence


def test_an_rtx_50_without_kernels() -> None:
    old = card(broken(NO_KERNEL), name="GeForce RTX 5070", capability=[12, 0])
    answer = report(old, torch="2.7.0+cu126", cuda="12.6")
    build, own = judge(answer, Hardware(nvidia=True, driver=12080))
    assert build.state == "fine"
    assert own.state == "found"
    assert "no kernel image" in own.evidence
    assert "it has sm_80, sm_90" in own.cause
    assert "--torch-backend=cu128" in own.change
    _, late = judge(answer, Hardware(nvidia=True, driver=12040))
    assert "Update NVIDIA's driver" in late.change
    assert "cu128" in late.change


def test_an_old_card_that_newer_wheels_left_out() -> None:
    _, own = judge(report(card(broken(NO_KERNEL), capability=[6, 1])), NVIDIA)
    assert "--torch-backend=cu126" in own.change


@pytest.mark.parametrize(
    ("chip", "change"),
    [
        ("gfx1031", "HSA_OVERRIDE_GFX_VERSION=10.3.0"),
        ("gfx1101:xnack-", "11.0.0"),
        ("gfx906", "rocm"),
    ],
)
def test_a_rocm_build_without_kernels(chip: str, change: str) -> None:
    own = card(broken("HIP error: invalid device function"), architecture=chip)
    answer = report(own, hip="6.2", cuda=None, architectures=["gfx1030", "gfx90a"])
    build, told = judge(answer, Hardware(amd=True))
    assert "built for ROCm 6.2" in build.evidence
    assert told.state == "found"
    assert change in told.change
    assert ("HSA" in told.change) == (chip != "gfx906")


@pytest.mark.parametrize(
    ("fault", "cause", "change"),
    [
        ("HIP out of memory. Tried to allocate 2.00 MiB.", "Another program", "rocm-smi"),
        ("HIP error: an illegal memory access", "cannot compute", "Update the card's driver"),
    ],
)
def test_faults_of_an_amd_card_that_has_kernels(fault: str, cause: str, change: str) -> None:
    answer = report(card(broken(fault), architecture="gfx1101"), hip="6.2", cuda=None)
    _, told = judge(answer, Hardware(amd=True))
    assert cause in told.cause
    assert change in told.change


def test_a_processor_that_computes_wrongly_is_told() -> None:
    wrong = {"name": "CPU", "products": {"float32": {"error": 0.03, "speed": 1.0}}}
    _, own = judge(report(devices=[wrong]), Hardware())
    assert own.state == "found"
    assert "float32 is wrong by 3.0 %" in own.evidence


@pytest.mark.parametrize(
    ("values", "hardware", "cause", "change"),
    [
        ({"cuda": None}, NVIDIA, "built without CUDA", "--torch-backend=cu130"),
        ({"cuda": "13.0"}, Hardware(True, 12080), "driver is older", "--torch-backend=cu128"),
        ({"cuda": "12.6"}, Hardware(True, 11040), "driver is older", "Update NVIDIA's driver."),
        ({}, Hardware(nvidia=True), "no driver", "--gpus all"),
        ({"fault": "unknown error"}, NVIDIA, "unknown error", "CUDA_VISIBLE_DEVICES"),
        ({"cuda": None}, Hardware(amd=True), "built without ROCm", "--torch-backend=rocm"),
        ({"cuda": None, "hip": "6.2"}, Hardware(amd=True), "does not see", "render"),
    ],
)
def test_torch_that_does_not_see_the_card(
    values: dict[str, Any], hardware: Hardware, cause: str, change: str
) -> None:
    build, _ = judge(report(**values), hardware)
    assert build.state == "found"
    assert cause in build.cause
    assert change in build.change


def test_a_bare_cpu_is_fine() -> None:
    build, own = judge(report(cuda=None, torch="2.13.0+cpu"), Hardware())
    assert (build.state, own.state) == ("fine", "fine")
    assert "built for the CPU" in build.evidence
    assert "the CPU computes" in own.evidence


def test_other_faults_of_a_card() -> None:
    wrong = RIGHT | {"float16": {"error": 0.5, "speed": 1.0}}
    for own, evidence, cause in (
        (card(wrong), "float16 is wrong by 50.0 %", "overclocked"),
        (
            card(RIGHT | {"float32": {"error": float("nan"), "speed": 1.0}}),
            "wrong by nan",
            "faulty",
        ),
        (card(broken("CUDA error: out of memory")), "out of memory", "Another program"),
        (card(broken("CUDA error: misaligned address")), "misaligned", "cannot compute"),
        (card({}, fault="lost"), "lost", "does not answer"),
    ):
        _, told = judge(report(own), NVIDIA)
        assert told.state == "found"
        assert evidence in told.evidence
        assert cause in told.cause


@pytest.mark.parametrize(
    ("hardware", "tag"),
    [(NVIDIA, "cu130"), (Hardware(amd=True), "rocm6.4"), (Hardware(True, 12080, True), "cu128")],
)
def test_a_crash_is_told(hardware: Hardware, tag: str) -> None:
    (told,) = judge(Answer(None, "it was ended by signal 11"), hardware)
    assert told.state == "found"
    assert "signal 11" in told.evidence
    assert f"--torch-backend={tag}" in told.change
