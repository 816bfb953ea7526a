"""The list of taggers that are known by name."""

from pathlib import Path

import pytest

from prep import events
from prep.errors import UserError
from prep.ops import models
from prep.ops.models import ModelOptions
from prep.tagging.models import detectors
from prep.tagging.models.catalogue import KNOWN


def listed(options: ModelOptions) -> dict[str, events.KnownTagger | events.KnownDetector]:
    kinds = events.KnownTagger | events.KnownDetector
    return {line.name: line for line in models.run(options) if isinstance(line, kinds)}


def test_all_are_listed_without_a_request(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    found = listed(ModelOptions())
    taggers, heads = [known.name for known in KNOWN], [known.name for known in detectors.KNOWN]
    assert list(found) == ["demo", *taggers, "demo detector", *heads]
    tagger, detector = found["wd-vit-tagger-v3"], found["head_detect_v1.6_s"]
    assert isinstance(tagger, events.KnownTagger)
    assert tagger.general == 0.2614
    assert (detector.bytes, detector.licence, detector.cached) == (44_400_000, "MIT", False)
    assert [name for name, line in found.items() if line.cached] == ["demo", "demo detector"]
    assert list(listed(ModelOptions(cached=True))) == ["demo", "demo detector"]
    assert found["demo"].bytes > 100_000


@pytest.mark.parametrize("name", ["", "."])
def test_a_folder_is_not_downloaded(name: str) -> None:
    with pytest.raises(UserError, match="cannot be downloaded"):
        list(models.run(ModelOptions(download=(name,))))
