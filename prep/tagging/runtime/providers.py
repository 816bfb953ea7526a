"""Choose the execution provider of onnxruntime, without output on stderr.

If a GPU does not work, onnxruntime prints C++ and Python errors before it falls back, or falls
back silently. So it is silenced, driver and libraries are tried here, and the reason for staying
on the CPU is kept, with its fix, to be shown.
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
"""Provider by device name."""

OPTIONS: dict[str, dict[str, str]] = {CUDA: {"cudnn_conv_algo_search": "HEURISTIC"}}
"""Options of providers. By default, CUDA's tries all algorithms for each convolution and each size
of a batch, the short last one too: seconds at the start of each run."""

_AUTOMATIC = ("cuda", "rocm", "migraphx", "directml", "coreml")
"""In order of preference; TensorRT builds engines for minutes, OpenVINO is mostly the CPU."""
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
"""(Minimum memory of a card, images per run)."""

_NO_MEMORY = (
    "out of memory",
    "failed to allocate",
    "bad_alloc",
    "bad allocation",
    "alloc_failed",
    "not enough memory",
)
"""Messages of onnxruntime, CUDA and its libraries, and DirectML."""

_GET_LIBRARIES = "pip install 'onnxruntime-gpu[cuda,cudnn]'"
_GET_GPU_BUILD = "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu"


@dataclass(frozen=True)
class ProviderChoice:
    """An execution provider, and why it is not a GPU.

    Attributes:
        provider: Name in onnxruntime, such as ``CUDAExecutionProvider``.
        reason: Why it is not a GPU, as a clause; for a GPU, why it may fail to start.
        gpu_idle: A GPU seems to be present but is not used.
        cure: How to fix the reason; may be empty.
        batch: Initial number of images per run.
    """

    provider: str
    reason: str = ""
    gpu_idle: bool = False
    cure: str = ""
    batch: int = 1

    @property
    def wanted(self) -> list[str]:
        """Providers to request from onnxruntime."""
        fallback = {TENSORRT: [TENSORRT, CUDA, CPU], CPU: [CPU]}
        return fallback.get(self.provider, [self.provider, CPU])


def quiet_runtime() -> Any:
    """Import onnxruntime and keep its C++ side from writing to stderr."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(_FATAL)
    return onnxruntime


def choose(device: str = "auto") -> ProviderChoice:
    """Return the best provider worth trying for a ``Device``.

    onnxruntime's CUDA library is not loaded for a test: without its host it crashes the process.
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
        cure = "Install NVIDIA's driver, or check with nvidia-smi why it is not loaded."
        return ProviderChoice(CPU, f"no NVIDIA driver ({fault})", gpu_present(), cure)
    reason, cure = _cuda_doubt(runtime)
    return ProviderChoice(PROVIDERS[found], reason, cure=cure, batch=_gpu_batch())


def gpu_present() -> bool:
    """Return whether this machine seems to have an NVIDIA GPU, usable or not."""
    return Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") is not None


def out_of_memory(error: BaseException) -> bool:
    """Return whether a run failed because its batch did not fit into memory."""
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
    """Return why CUDA may fail to start, and the fix; two empty strings if nothing is wrong."""
    version = str(getattr(runtime, "cuda_version", "") or "")
    driver = driver_version()
    if version and driver and driver < int(version.partition(".")[0]) * 1000:
        known = f"the driver supports at most CUDA {driver // 1000}"
        return (
            f"this onnxruntime needs CUDA {version}, {known}",
            "Update NVIDIA's driver, or install an older onnxruntime-gpu.",
        )
    reason = _preload(runtime)
    missing = reason or _load_fault(_CUDNN)
    if missing and not reason:
        reason = f"cuDNN cannot be loaded ({missing})"
    return reason, _GET_LIBRARIES if reason else ""


def _preload(runtime: Any) -> str:
    """Load CUDA's libraries from their pip packages, if installed.

    Returns:
        The first failure, as printed by onnxruntime; empty if all were found.
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
    """Return the newest CUDA that the driver supports (13000 for 13.0); 0 if unknown."""
    version = ctypes.c_int(0)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(_DRIVER).cuDriverGetVersion(ctypes.byref(version))
    return version.value


def _gpu_batch() -> int:
    memory = _gpu_memory()
    return next((batch for least, batch in _BATCHES if memory >= least), 4)


def _gpu_memory() -> int:
    """Return the memory of the first NVIDIA card, bytes; 0 if unknown."""
    size, device = ctypes.c_size_t(0), ctypes.c_int(0)
    with contextlib.suppress(OSError, AttributeError):
        driver = ctypes.CDLL(_DRIVER)
        ready = driver.cuInit(0) == 0 and driver.cuDeviceGet(ctypes.byref(device), 0) == 0
        if ready:
            driver.cuDeviceTotalMem_v2(ctypes.byref(size), device)
    return size.value
