"""The choice between CUDA and the CPU, and its silence."""

import subprocess
import sys
from pathlib import Path

import pytest

from prep.tagging.models.obtain import find
from prep.tagging.runtime import providers
from prep.tagging.runtime.providers import CPU, CUDA, ProviderChoice
from prep.tagging.runtime.tagger import Tagger
from tests.prep.tiny_taggers import make_tagger

ROOT = Path(__file__).resolve().parents[3]
LOAD = """
import sys
from pathlib import Path
from prep.tagging.runtime.tagger import Tagger
from prep.tagging.models.obtain import find
tagger = Tagger(find(sys.argv[1], Path()), threads=1)
print(tagger.provider, tagger.choice.reason, sep="|")
"""


def test_loading_prints_nothing_with_or_without_a_gpu(tmp_path: Path) -> None:
    folder = make_tagger(tmp_path / "tagger")
    run = subprocess.run(
        [sys.executable, "-c", LOAD, str(folder)], cwd=ROOT, capture_output=True, text=True
    )
    assert run.stderr == ""
    provider, _, reason = run.stdout.strip().partition("|")
    assert provider in (CPU, CUDA)
    assert bool(reason) == (provider == CPU)
    assert "\n" not in reason


def test_cuda_that_does_not_start_is_silent_and_leaves_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(providers, "choose", lambda _: ProviderChoice(CUDA, "no libcublas"))
    tagger = Tagger(find(str(make_tagger(tmp_path / "tagger")), tmp_path), threads=1)
    if tagger.provider == CPU:
        assert tagger.choice == ProviderChoice(CPU, "no libcublas", gpu_idle=True)
    assert capfd.readouterr() == ("", "")


def test_a_broken_model_prints_nothing_either(tmp_path: Path) -> None:
    folder = make_tagger(tmp_path / "tagger")
    (folder / "model.onnx").write_bytes(b"no model")
    quiet = LOAD.replace("tagger = ", "from prep.errors import UserError\ntry: ").replace(
        "\nprint", "\nexcept UserError as error: sys.exit()\nprint"
    )
    run = subprocess.run(
        [sys.executable, "-c", quiet, str(folder)], cwd=ROOT, capture_output=True, text=True
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


class Runtime:
    """Stands for an onnxruntime build."""

    __file__ = "/nowhere/onnxruntime/__init__.py"

    def __init__(self, *available: str) -> None:
        self._available = available

    def get_available_providers(self) -> tuple[str, ...]:
        return self._available

    def preload_dlls(self) -> None:
        print("Failed to load libcublas: not found")
        print("Please follow a link")


def choose(
    monkeypatch: pytest.MonkeyPatch, *available: str, missing: str, gpu: bool
) -> ProviderChoice:
    monkeypatch.setattr(providers, "quiet_runtime", lambda: Runtime(*available))
    monkeypatch.setattr(providers, "gpu_present", lambda: gpu)
    monkeypatch.setattr(
        providers, "_load_fault", lambda name: f"{name}: no" if missing in name else ""
    )
    return providers.choose()


def test_a_cpu_build_on_a_machine_with_a_gpu_leaves_it_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = choose(monkeypatch, CPU, missing="-", gpu=True)
    assert (found.provider, found.gpu_idle) == (CPU, True)
    assert "built for the CPU" in found.reason


@pytest.mark.parametrize("gpu", [False, True])
def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch, gpu: bool) -> None:
    found = choose(monkeypatch, CUDA, CPU, missing="cuda", gpu=gpu)
    assert (found.provider, found.gpu_idle) == (CPU, gpu)
    assert "no NVIDIA driver" in found.reason


def test_cuda_is_tried_with_its_doubts_and_no_tensorrt(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    found = choose(monkeypatch, "TensorrtExecutionProvider", CUDA, CPU, missing="-", gpu=True)
    assert (found.provider, found.reason) == (CUDA, "Failed to load libcublas: not found")
    assert "onnxruntime-gpu[cuda,cudnn]" in found.cure
    assert capfd.readouterr() == ("", "")


def test_the_cpu_can_be_asked_for() -> None:
    assert providers.choose("cpu") == ProviderChoice(CPU, "the CPU was asked for")
