"""How the libraries of the training extra are imported."""

import importlib
from importlib.util import find_spec

import pytest

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
