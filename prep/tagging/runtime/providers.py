"""Which processor onnxruntime runs on, found out without a word on stderr.

onnxruntime asked for a GPU that does not work prints C++ and Python errors before it falls back,
or falls back in silence. So it is told to be silent, driver and libraries are tried here, and the
reason for staying on the CPU is kept, with its cure, for whoever wants to show it.
"""

import contextlib
import ctypes
import io
import shutil
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Device = Literal[
    "auto", "cpu", "cuda", "tensorrt", "rocm", "migraphx", "directml", "coreml", "openvino"
]
CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"
PROVIDERS: dict[str, str] = {
    "cpu": CPU,
    "cuda": CUDA,
    "tensorrt": TENSORRT,
    "rocm": "ROCMExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
"""By the names of devices."""

_AUTOMATIC = ("cuda", "rocm", "migraphx", "directml", "coreml")
"""In this order; TensorRT builds an engine for minutes, OpenVINO is mostly the CPU again."""
_PACKAGES = {
    "cuda": "onnxruntime-gpu",
    "tensorrt": "onnxruntime-gpu",
    "directml": "onnxruntime-directml",
    "openvino": "onnxruntime-openvino",
    "rocm": "onnxruntime-rocm",
    "migraphx": "onnxruntime-migraphx",
    "coreml": "onnxruntime",
}
_FATAL = 4
_WINDOWS = sys.platform == "win32"
_DRIVER = "nvcuda.dll" if _WINDOWS else "libcuda.so.1"
_CUDNN = "cudnn64_9.dll" if _WINDOWS else "libcudnn.so.9"
_GIB = 1 << 30
_BATCHES = ((20 * _GIB, 32), (7 * _GIB, 16), (3 * _GIB, 8))
"""Images per run by the least memory of a card."""

_NO_MEMORY = (
    "out of memory",
    "failed to allocate",
    "bad_alloc",
    "bad allocation",
    "alloc_failed",
    "not enough memory",
)
"""What onnxruntime, CUDA and its libraries, and DirectML say."""

_GET_LIBRARIES = "pip install 'onnxruntime-gpu[cuda,cudnn]'"
_GET_GPU_BUILD = "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu"


@dataclass(frozen=True)
class ProviderChoice:
    """A provider, and why it is not a GPU.

    Attributes:
        provider: In the words of onnxruntime, as ``CUDAExecutionProvider``.
        reason: One clause; of a GPU, why it may fail to start.
        gpu_idle: A GPU seems to be there, and is not used.
        cure: What to do about the reason; may be empty.
        batch: Images per run to begin with.
    """

    provider: str
    reason: str = ""
    gpu_idle: bool = False
    cure: str = ""
    batch: int = 1

    @property
    def wanted(self) -> list[str]:
        """What to ask onnxruntime for."""
        fallback = {TENSORRT: [TENSORRT, CUDA, CPU], CPU: [CPU]}
        return fallback.get(self.provider, [self.provider, CPU])


def quiet_runtime() -> Any:
    """Import onnxruntime and keep its C++ side from writing to stderr."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(_FATAL)
    return onnxruntime


def choose(device: str = "auto") -> ProviderChoice:
    """Return the best provider worth trying for a ``Device``.

    onnxruntime's CUDA library itself is not tried: without its host it crashes the process.
    """
    if device == "cpu":
        return ProviderChoice(CPU, "the CPU was asked for")
    runtime = quiet_runtime()
    built = runtime.get_available_providers()
    names = _AUTOMATIC if device == "auto" else (device,)
    found = next((name for name in names if PROVIDERS[name] in built), "")
    if not found:
        return _not_built(device, built)
    if found not in ("cuda", "tensorrt"):
        return ProviderChoice(PROVIDERS[found], batch=_BATCHES[-1][1])
    fault = _load_fault(_DRIVER)
    if fault:
        cure = "Install NVIDIA's driver, or look with nvidia-smi why it is not loaded."
        return ProviderChoice(CPU, f"no NVIDIA driver ({fault})", gpu_present(), cure)
    reason, cure = _cuda_doubt(runtime)
    return ProviderChoice(PROVIDERS[found], reason, cure=cure, batch=_gpu_batch())


def gpu_present() -> bool:
    """Does this machine seem to have an NVIDIA GPU, whether or not it can be used?"""
    return Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") is not None


def out_of_memory(error: BaseException) -> bool:
    """Did a run fail because its batch did not fit into memory?"""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(mark in text for mark in _NO_MEMORY)


def _not_built(device: str, built: Sequence[str]) -> ProviderChoice:
    has = ", ".join(name.removesuffix("ExecutionProvider") for name in built)
    if device == "auto":
        idle = gpu_present()
        return ProviderChoice(
            CPU, "this onnxruntime was built for the CPU only", idle, _GET_GPU_BUILD if idle else ""
        )
    cure = f"pip uninstall -y onnxruntime onnxruntime-gpu && pip install {_PACKAGES[device]}"
    return ProviderChoice(CPU, f"this onnxruntime has no {device} (it has {has})", True, cure)


def _load_fault(library: str) -> str:
    try:
        ctypes.CDLL(library)
    except OSError as error:
        return str(error)
    return ""


def _cuda_doubt(runtime: Any) -> tuple[str, str]:
    """Return why CUDA may fail to start, and the cure; two empty texts when nothing is amiss."""
    version = str(getattr(runtime, "cuda_version", "") or "")
    driver = driver_version()
    if version and driver and driver < int(version.partition(".")[0]) * 1000:
        known = f"the driver knows CUDA {driver // 1000} at most"
        return (
            f"this onnxruntime needs CUDA {version}, {known}",
            "Update NVIDIA's driver, or take an older onnxruntime-gpu.",
        )
    reason = _preload(runtime)
    missing = reason or _load_fault(_CUDNN)
    if missing and not reason:
        reason = f"cuDNN cannot be loaded ({missing})"
    return reason, _GET_LIBRARIES if reason else ""


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


def driver_version() -> int:
    """Return the newest CUDA that the driver knows, as 13000 for 13.0; 0 when it cannot tell."""
    version = ctypes.c_int(0)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(_DRIVER).cuDriverGetVersion(ctypes.byref(version))
    return version.value


def _gpu_batch() -> int:
    memory = _gpu_memory()
    return next((batch for least, batch in _BATCHES if memory >= least), 4)


def _gpu_memory() -> int:
    """Return the bytes of memory of the first NVIDIA card, 0 when the driver does not tell."""
    size, device = ctypes.c_size_t(0), ctypes.c_int(0)
    with contextlib.suppress(OSError, AttributeError):
        driver = ctypes.CDLL(_DRIVER)
        ready = driver.cuInit(0) == 0 and driver.cuDeviceGet(ctypes.byref(device), 0) == 0
        if ready:
            driver.cuDeviceTotalMem_v2(ctypes.byref(size), device)
    return size.value
