"""The choice between CUDA and the CPU, and its silence."""

import subprocess
import sys
from pathlib import Path

import pytest

from prep import providers
from prep.providers import CPU, CUDA, Choice
from tests.prep.tiny_taggers import make_tagger

ROOT = Path(__file__).resolve().parents[2]
LOAD = """
import sys
from pathlib import Path
from prep.tagger import Tagger
from prep.tagger_models import find
tagger = Tagger(find(sys.argv[1], Path()), threads=1)
print(tagger.provider, tagger.choice.reason, sep="|")
"""


def test_loading_without_a_gpu_prints_nothing(tmp_path: Path) -> None:
    if providers.choose().provider == CUDA:
        pytest.skip("this machine has a working CUDA")
    folder = make_tagger(tmp_path / "tagger")
    run = subprocess.run(
        [sys.executable, "-c", LOAD, str(folder)], cwd=ROOT, capture_output=True, text=True
    )
    assert run.stderr == ""
    provider, _, reason = run.stdout.strip().partition("|")
    assert provider == CPU
    assert reason
    assert "\n" not in reason


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
        print("Failed to load libcublas: noise that must not be seen")


def choose(monkeypatch: pytest.MonkeyPatch, *available: str, missing: str, gpu: bool) -> Choice:
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
def test_missing_cuda_libraries_are_named(monkeypatch: pytest.MonkeyPatch, gpu: bool) -> None:
    found = choose(monkeypatch, CUDA, CPU, missing="providers_cuda", gpu=gpu)
    assert (found.provider, found.gpu_idle) == (CPU, gpu)
    assert "CUDA libraries do not load" in found.reason
    assert "providers_cuda" in found.reason


def test_cuda_is_taken_when_all_of_it_loads(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    found = choose(monkeypatch, "TensorrtExecutionProvider", CUDA, CPU, missing="-", gpu=True)
    assert found == Choice(CUDA)
    assert capfd.readouterr() == ("", "")


def test_the_cpu_can_be_asked_for() -> None:
    assert providers.choose("cpu") == Choice(CPU, "the CPU was asked for")
