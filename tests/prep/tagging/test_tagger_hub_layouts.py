"""What the hub is asked for: which files, and what is said before they are transferred."""

from dataclasses import replace
from pathlib import Path

import pytest

from prep import events
from prep.errors import UserError
from prep.tagging.models import catalogue
from prep.tagging.models.catalogue import HubTagger
from prep.tagging.models.obtain import find, obtain
from prep.tagging.models.recommended import recommended
from prep.tagging.runtime.tagger import Tagger
from tests.prep.model_hub import ModelHub
from tests.prep.tagging.layouts import Graph, make, table, text


def test_size_and_licence_are_told_before_anything_is_transferred(
    known: HubTagger, hub: ModelHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    licensed = replace(known, licence="GPL-3.0")
    monkeypatch.setattr(catalogue, "KNOWN", (licensed,))
    work = obtain(known.name, tmp_path)
    event = next(work)
    while not isinstance(event, events.Downloading):
        event = next(work)
    assert hub.transfers() == []
    files = hub.files[known.repository]
    assert event.bytes == sum(len(data) for data in files.values())
    assert (event.name, event.licence) == (known.repository, "GPL-3.0")
    assert event.source == f"{hub.url}/{known.repository}"
    work.close()
    hub.gated.add(known.repository)
    with pytest.raises(UserError, match="requires that you accept its terms") as caught:
        find(known.name, tmp_path)
    assert "hf auth login" in caught.value.hint


def test_a_tagger_with_sidecars_in_a_folder_of_its_repository(
    hub: ModelHub, tmp_path: Path
) -> None:
    """OppaiOracle's repository has several models, each in a folder with all of its files."""
    graph = Graph(64, "pixel_values", {"probabilities": "probabilities"}, mask="padding_mask")
    made = make(
        tmp_path / "made",
        graph,
        table([("<PAD>", 0), ("<UNK>", 0), ("smile", 0)]),
        text("preprocessing.json", {"image_size": 64, "pad_color_rgb": [9, 9, 9]}),
        text("pr_thresholds.json", {"smile": 0.75}),
        tags=3,
    )
    hub.add("x/oracle", {f"V1/{path.name}": path.read_bytes() for path in made.iterdir()})
    files = find("x/oracle/V1", tmp_path)
    assert (files.record.side, files.record.background) == (64, (9, 9, 9))
    assert files.thresholds is not None
    assert recommended(files, files.tags()).columns[2] == 0.75
    assert Tagger(files, "cpu", 1).side == 64
    hub.requests.clear()
    assert find("x/oracle/V1", tmp_path) == files
    assert hub.requests == []
