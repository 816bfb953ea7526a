"""Which processor onnxruntime runs on, found out without a word on stderr.

onnxruntime-gpu asked for CUDA on a machine without it prints C++ and Python errors before it
falls back. So it is told to be silent, driver and CUDA libraries are tried here, and the reason
for staying on the CPU is kept for whoever wants to show it.
"""

import contextlib
import ctypes
import io
import shutil
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"

_FATAL = 4
_DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


@dataclass(frozen=True)
class Choice:
    """A provider, and why it is not CUDA.

    Attributes:
        provider: ``CUDAExecutionProvider`` or ``CPUExecutionProvider``.
        reason: One clause; of CUDA, why it may fail to start.
        gpu_idle: An NVIDIA GPU seems to be there, and is not used.
    """

    provider: str
    reason: str = ""
    gpu_idle: bool = False


def quiet_runtime() -> Any:
    """Import onnxruntime and keep its C++ side from writing to stderr."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(_FATAL)
    return onnxruntime


def choose(device: str = "auto") -> Choice:
    """Return the best provider worth trying; ``device`` is ``auto``, ``cpu`` or ``cuda``.

    onnxruntime's CUDA library itself is not tried: without its host it crashes the process.
    """
    if device == "cpu":
        return Choice(CPU, "the CPU was asked for")
    runtime = quiet_runtime()
    if CUDA not in runtime.get_available_providers():
        return Choice(CPU, "this onnxruntime was built for the CPU only", gpu_present())
    fault = _load_fault(_DRIVER)
    if fault:
        return Choice(CPU, f"no NVIDIA driver ({fault})", gpu_present())
    return Choice(CUDA, _preload(runtime))


def gpu_present() -> bool:
    """Does this machine seem to have an NVIDIA GPU, whether or not it can be used?"""
    return Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") is not None


def _load_fault(library: str) -> str:
    try:
        ctypes.CDLL(library)
    except OSError as error:
        return str(error)
    return ""


def _preload(runtime: Any) -> str:
    """Load CUDA's libraries from their pip packages, where there are any.

    Returns:
        The first failure, which onnxruntime prints; empty when all of them were found.
    """
    said = io.StringIO()
    with (
        contextlib.redirect_stdout(said),
        contextlib.suppress(Exception),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        runtime.preload_dlls()
    return next((line for line in said.getvalue().splitlines() if "ailed" in line), "")
