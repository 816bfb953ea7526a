"""A hub of models on this machine."""

from pathlib import Path

import pytest

from prep.tagging.models import catalogue
from prep.tagging.models.catalogue import HubTagger
from prep.tagging.models.records import WD
from tests.prep.model_hub import ModelHub, sha256
from tests.prep.tiny_taggers import make_tagger


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
