"""The list of taggers that are known by name."""

from pathlib import Path

import pytest

from prep import events
from prep.errors import UserError
from prep.ops import models
from prep.ops.models import ModelOptions
from prep.tagging.models.catalogue import KNOWN


def listed(options: ModelOptions) -> dict[str, events.KnownTagger]:
    found = [e for e in models.run(options) if isinstance(e, events.KnownTagger)]
    return {line.name: line for line in found}


def test_all_are_listed_without_a_request(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    found = listed(ModelOptions())
    assert list(found) == ["demo", *(known.name for known in KNOWN)]
    assert found["wd-vit-tagger-v3"].general == 0.2614
    assert [name for name, line in found.items() if line.cached] == ["demo"]
    assert list(listed(ModelOptions(cached=True))) == ["demo"]
    assert found["demo"].bytes > 100_000


@pytest.mark.parametrize("name", ["", "."])
def test_a_folder_is_not_downloaded(name: str) -> None:
    with pytest.raises(UserError, match="cannot be downloaded"):
        list(models.run(ModelOptions(download=(name,))))
