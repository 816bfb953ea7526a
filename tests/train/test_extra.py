"""How the libraries of the training extra are imported."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from prep import demo_world
from train import extra


def test_what_nobody_uses_is_hidden_from_libraries_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "_UNUSED", ("antigravity", "json"))
    monkeypatch.delitem(sys.modules, "antigravity", raising=False)
    assert importlib.util.find_spec("antigravity")
    with extra.lean_imports():
        assert importlib.util.find_spec("antigravity") is None
        assert importlib.util.find_spec("json"), "it is there already"
        assert importlib.util.find_spec(".cli", "prep")
    assert importlib.util.find_spec("antigravity")


def test_libraries_whatever_was_imported_before(tmp_path: Path) -> None:
    """No progress bars though tqdm is there, and no fault of a package that was found before."""
    (tmp_path / "bitsandbytes.py").touch()
    installed = tmp_path / "bitsandbytes-9.dist-info" / "METADATA"
    installed.parent.mkdir()
    installed.write_text("Metadata-Version: 2.1\nName: bitsandbytes\nVersion: 9\n")
    code = (
        "import sys, tqdm, train.extra as extra\n"
        "extra.configure_libraries()\n"
        "from transformers import CLIPTextModel\n"
        f"CLIPTextModel.from_pretrained({str(demo_world.base() / 'text_encoder')!r})\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "from diffusers.utils import is_bitsandbytes_available\n"
        "assert is_bitsandbytes_available() and 'bitsandbytes' not in sys.modules\n"
        "with extra.lean_imports():\n"
        "    from diffusers.quantizers.bitsandbytes.utils import bnb\n"
        "print(bnb.__file__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout.strip()) == ("", str(tmp_path / "bitsandbytes.py"))
