"""How the libraries of the training extra are imported."""

import importlib
import subprocess
import sys
from importlib.util import find_spec

import pytest

from prep import demo_world
from train import extra


def test_what_nobody_uses_is_hidden_from_libraries_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_spec("antigravity")
    monkeypatch.setattr(extra, "_UNUSED", ("antigravity", "json"))
    with extra.lean_imports():
        assert find_spec("antigravity") is None
        with pytest.raises(ImportError):
            importlib.import_module("antigravity")
        assert importlib.import_module("json").dumps(1) == "1", "it is there already"
    assert find_spec("antigravity")
    assert find_spec("json")


def test_libraries_draw_no_progress_bars_whatever_was_imported_before() -> None:
    code = (
        "import tqdm, train.extra as extra\n"
        "extra.configure_libraries()\n"
        "from transformers import CLIPTextModel\n"
        f"CLIPTextModel.from_pretrained({str(demo_world.base() / 'text_encoder')!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
