"""A real matrix product on each device, in each number format; a process of its own runs it.

``python -m train.doctor.machine.kernel`` prints what it found as JSON. That torch was built for a
card, and sees it, does not mean that it has kernels for it.
"""

import json
import sys
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

SIDE = 1024
"""Of the matrices."""
_TIMED = 10
FORMATS = ("bfloat16", "float16", "float32")
_CPU_FORMATS = ("bfloat16", "float32")
LIMIT = 0.02
"""Relative error above which a product is wrong: bf16 has 8 bits, so that its own is 0.003."""


def probe(torch: Any) -> dict[str, Any]:
    """Return what torch is, and what its devices compute.

    Args:
        torch: The module.
    """
    found: dict[str, Any] = {
        "torch": str(torch.__version__),
        "cuda": torch.version.cuda,
        "hip": getattr(torch.version, "hip", None),
        "available": False,
        "architectures": [],
        "devices": [],
        "fault": "",
    }
    try:
        found["available"] = bool(torch.cuda.is_available())
        count = torch.cuda.device_count() if found["available"] else 0
        found["architectures"] = list(torch.cuda.get_arch_list()) if found["available"] else []
    except (RuntimeError, AssertionError) as error:
        found["fault"], count = _line(error), 0
    for index in range(count):
        found["devices"].append(_card(torch, index))
    found["devices"].append({"name": "CPU", "products": _products(torch, "cpu", _CPU_FORMATS)})
    return found


def _card(torch: Any, index: int) -> dict[str, Any]:
    card: dict[str, Any] = {"name": f"card {index}", "products": {}}
    try:
        facts = torch.cuda.get_device_properties(index)
        card |= {
            "name": str(facts.name),
            "memory": int(facts.total_memory),
            "capability": list(torch.cuda.get_device_capability(index)),
            "architecture": str(getattr(facts, "gcnArchName", "")),
        }
    except (RuntimeError, AssertionError) as error:
        return card | {"fault": _line(error)}
    return card | {"products": _products(torch, f"cuda:{index}", FORMATS)}


def _products(torch: Any, device: str, formats: tuple[str, ...]) -> dict[str, Any]:
    return {name: _product(torch, device, getattr(torch, name)) for name in formats}


def _product(torch: Any, device: str, dtype: Any) -> dict[str, Any]:
    """Return the error of a product beside fp32 on the CPU, and its speed (10^12 operations/s)."""
    try:
        rng = torch.Generator().manual_seed(0)
        a, b = (torch.randn(SIDE, SIDE, generator=rng) for _ in range(2))
        exact = a @ b
        mine, other = a.to(device, dtype), b.to(device, dtype)
        result = (mine @ other).float().cpu()
        error = float((result - exact).norm() / exact.norm())
        # Of this card: without its name, the first one is waited for.
        wait = partial(torch.cuda.synchronize, device) if device != "cpu" else _nothing
        wait()
        began = time.perf_counter()
        for _ in range(_TIMED):
            mine @ other
        wait()
        seconds = (time.perf_counter() - began) / _TIMED
    except RuntimeError as fault:  # torch's errors of devices and memory are RuntimeErrors
        return {"fault": _line(fault)}
    return {"error": error, "speed": 2 * SIDE**3 / seconds / 1e12}


def wrong_products(products: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return the errors of products that are wrong, by number format; failed ones have none."""
    errors = {name: product["error"] for name, product in products.items() if "error" in product}
    return {name: error for name, error in errors.items() if not error < LIMIT}  # or NaN


def _nothing() -> None:
    pass


def _line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def main() -> int:
    """Print what is found."""
    import torch

    sys.stdout.write(json.dumps(probe(torch)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
