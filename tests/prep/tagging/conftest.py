"""A hub of models on this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from prep.tagging.models import catalogue, download
from prep.tagging.models.catalogue import HubTagger
from prep.tagging.models.records import WD
from tests.prep.model_hub import ModelHub, serving, sha256
from tests.prep.tiny_taggers import make_tagger


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    """Serve a hub, with an empty cache and no waiting; nothing of the client is replaced."""
    monkeypatch.setattr(download, "PAUSES", (0.0, 0.0, 0.0, 0.0))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    # Tests run with HF_HUB_OFFLINE, which the client reads only once, when it is imported.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with serving() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        yield served


@pytest.fixture
def known(hub: ModelHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HubTagger:
    """Put a tagger on the hub that shikomi knows by name."""
    folder = make_tagger(tmp_path / "made")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    commit = hub.add("somebody/known-tagger", files)
    record = WD.model_copy(update={"general": 0.21, "character": 0.6})
    pinned = sha256(files["model.onnx"])
    made = HubTagger("known-tagger", "somebody/known-tagger", commit, record, pinned)
    monkeypatch.setattr(catalogue, "KNOWN", (made,))
    return made
