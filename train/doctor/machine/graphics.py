"""The graphics card, its driver and torch: do they fit each other, and does a kernel run?

Architectures by wheel tag: pytorch/test-infra, ``get_cuda_arch_list``, and pytorch/pytorch issue
157517. cu126 is built for compute capability 5.0 to 9.0, cu128 for 7.5 to 12.0, cu130 likewise;
a driver runs wheels of its own CUDA generation and older ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prep.events import Diagnosis
from train.doctor.findings import fine, found, gib, unknown
from train.doctor.machine.child import Answer
from train.doctor.machine.kernel import wrong_products

TORCH, CARD = "torch and driver", "graphics card"

_TURING, _BLACKWELL = (7, 5), (10, 0)
_CUDA_13, _CUDA_12_8, _CUDA_12 = 13000, 12080, 12000
_NO_KERNEL = ("no kernel image", "invalid device function", "not compatible with the current")
_AMD_OVERRIDES = {
    "gfx103": "HSA_OVERRIDE_GFX_VERSION=10.3.0",
    "gfx110": "HSA_OVERRIDE_GFX_VERSION=11.0.0",
    "gfx115": "HSA_OVERRIDE_GFX_VERSION=11.0.0",
    "gfx120": "HSA_OVERRIDE_GFX_VERSION=12.0.0",
}
"""ROCm's libraries have kernels for one chip of a generation; the others run them when told so
(ROCm documentation, HSA_OVERRIDE_GFX_VERSION)."""


@dataclass(frozen=True)
class Hardware:
    """What is there without asking torch.

    Attributes:
        nvidia: There seems to be an NVIDIA card.
        driver: The newest CUDA that its driver supports, such as 13000; 0 if none is loaded.
        amd: There is an AMD card with a compute driver.
    """

    nvidia: bool = False
    driver: int = 0
    amd: bool = False


def wheel_tag(capability: Sequence[int] | None, driver: int) -> str:
    """Return the tag of torch's CUDA wheels that fit a card and its driver.

    Args:
        capability: Compute capability of the card, such as (8, 9); ``None`` if unknown.
        driver: The newest CUDA that the driver supports; 0 if unknown.

    Returns:
        Empty when the driver must be updated first.

    Example:
        >>> wheel_tag((12, 0), 12080), wheel_tag((6, 1), 13000), wheel_tag((8, 6), 11080)
        ('cu128', 'cu126', '')
    """
    card = tuple(capability) if capability else _TURING
    if driver and driver < _CUDA_12:
        return ""
    if card < _TURING:
        return "cu126"
    if card >= _BLACKWELL and 0 < driver < _CUDA_12_8:
        return ""
    if driver >= _CUDA_13:
        return "cu130"
    return "cu126" if 0 < driver < _CUDA_12_8 else "cu128"


def install(tag: str) -> str:
    """Return how to install torch with a wheel tag."""
    return (
        f"uv pip install --reinstall torch --torch-backend={tag}"
        f" (with pip: from torch's index of {tag})"
    )


def judge(answer: Answer, hardware: Hardware) -> Iterator[Diagnosis]:
    """Say whether torch, driver and cards fit.

    Args:
        answer: Of ``train.doctor.machine.kernel``.
        hardware: What is there.
    """
    report = answer.value
    if report is None:
        yield found(
            TORCH,
            f"a matrix product was tried in a process of its own: {answer.fault}",
            "torch, its driver or its libraries are broken.",
            f"Install torch again: {install(_tag(None, hardware))}",
        )
        return
    yield _build(report, hardware)
    cards = [device for device in report["devices"] if device["name"] != "CPU"]
    for card in cards:
        yield _card(card, report, hardware)
    if not cards:
        yield _processor(report)


def _tag(capability: Sequence[int] | None, hardware: Hardware) -> str:
    if hardware.amd and not hardware.nvidia:
        return "rocm6.4"
    return wheel_tag(capability, hardware.driver) or "auto"


def _build(report: Mapping[str, Any], hardware: Hardware) -> Diagnosis:
    built = _built_for(report)
    driver = f"driver up to CUDA {hardware.driver // 1000}.{hardware.driver % 1000 // 10}"
    told = f"torch {report['torch']}, built for {built}" + (
        f"; {driver}" if hardware.driver else ""
    )
    if hardware.nvidia and not hardware.driver:
        change = "Install NVIDIA's driver. In a container, start it with: docker run --gpus all"
        return found(TORCH, told, "There is an NVIDIA card, and no driver for it.", change)
    if report["available"]:
        return fine(TORCH, told)
    if hardware.nvidia and not report["cuda"]:
        cause = "There is an NVIDIA card, and this torch was built without CUDA."
        return found(TORCH, told, cause, install(_tag(None, hardware)))
    if hardware.nvidia and hardware.driver // 1000 < int(str(report["cuda"]).partition(".")[0]):
        cause = "The driver is older than the CUDA that torch was built with."
        tag = wheel_tag(None, hardware.driver)
        change = f"Update NVIDIA's driver, or: {install(tag)}" if tag else "Update NVIDIA's driver."
        return found(TORCH, told, cause, change)
    if hardware.nvidia:
        cause = f"torch does not see the card. {report['fault']}".strip()
        return found(TORCH, told, cause, "Look at nvidia-smi and at CUDA_VISIBLE_DEVICES.")
    if hardware.amd and not report["hip"]:
        cause = "There is an AMD card, and this torch was built without ROCm."
        return found(TORCH, told, cause, install("rocm6.4"))
    if hardware.amd:
        cause = f"torch does not see the card. {report['fault']}".strip()
        change = "Look at rocminfo; your user must be in the groups render and video."
        return found(TORCH, told, cause, change)
    return fine(TORCH, f"{told}; no graphics card that torch could use was found")


def _built_for(report: Mapping[str, Any]) -> str:
    if report["hip"]:
        return f"ROCm {report['hip']}"
    return f"CUDA {report['cuda']}" if report["cuda"] else "the CPU"


def _card(card: Mapping[str, Any], report: Mapping[str, Any], hardware: Hardware) -> Diagnosis:
    capability = card.get("capability")
    told = f"{card['name']}, {gib(card.get('memory', 0))}"
    if capability and not report["hip"]:
        told += f", compute capability {capability[0]}.{capability[1]}"
    if fault := card.get("fault"):
        return found(CARD, f"{told}: {fault}", "The card does not answer.", "Look at nvidia-smi.")
    faults = {n: p["fault"] for n, p in card["products"].items() if "fault" in p}
    if faults:
        name, fault = next(iter(faults.items()))
        told += f"; a matrix product in {', '.join(faults)} fails: {fault}"
        return found(CARD, told, *_kernel_fault(fault, card, report, hardware))
    if wrong := wrong_products(card["products"]):
        name, error = next(iter(wrong.items()))
        told += f"; a product in {name} is wrong by {100 * error:.1f} %"
        cause = "The card computes wrongly: overclocked, too hot, or its memory is faulty."
        return found(CARD, told, cause, "Lower its clocks, and test its memory.")
    return fine(CARD, f"{told}; {_speeds(card['products'])}")


def _kernel_fault(
    fault: str, card: Mapping[str, Any], report: Mapping[str, Any], hardware: Hardware
) -> tuple[str, str]:
    """Return the cause of a failed product, and the cure."""
    has = ", ".join(report["architectures"])
    if "out of memory" in fault.lower():
        tool = "rocm-smi" if report["hip"] else "nvidia-smi"
        return "Another program has taken the card's memory.", f"End it; {tool} lists them."
    if not any(word in fault for word in _NO_KERNEL):
        cause = "torch cannot compute on the card."
        return cause, "Update the card's driver, and install torch again."
    if report["hip"]:
        chip = str(card.get("architecture", "")).partition(":")[0]
        override = next((v for k, v in _AMD_OVERRIDES.items() if chip.startswith(k)), "")
        cause = f"This ROCm build has no kernels for {chip or 'the card'} (it has {has})."
        change = f"Set {override}, or use a newer build: {install('rocm6.4')}"
        return cause, change if override else f"Use a newer build: {install('rocm6.4')}"
    tag = wheel_tag(card.get("capability"), hardware.driver)
    cause = f"This torch has no kernels for the card (it has {has})."
    needed = "Update NVIDIA's driver first (RTX 50 needs CUDA 12.8): the wheel tag is cu128."
    return cause, install(tag) if tag else needed


def _speeds(products: Mapping[str, Mapping[str, Any]]) -> str:
    return "products right in " + ", ".join(
        f"{name} ({product['speed']:.3g} TFLOP/s)" for name, product in products.items()
    )


def _processor(report: Mapping[str, Any]) -> Diagnosis:
    products = report["devices"][-1]["products"]
    faults = [product["fault"] for product in products.values() if "fault" in product]
    if faults:
        return unknown(CARD, f"no card; on the CPU: {faults[0]}")
    if wrong := wrong_products(products):
        name, error = next(iter(wrong.items()))
        told = f"no card; on the CPU, a product in {name} is wrong by {100 * error:.1f} %"
        return found(CARD, told, "The processor or torch computes wrongly.", "Install torch again.")
    return fine(CARD, f"none; the CPU computes: {_speeds(products)}")
