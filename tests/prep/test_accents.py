"""Names from a Mac have their accents as letters of their own; what people type has not."""

from pathlib import Path
from unicodedata import normalize

import pytest

from prep import events
from prep.dataset.caption_rows import caption_rows
from prep.dataset.index import Index
from prep.ops import check, concept, plan, preview, prune, scan
from prep.ops.concept import ConceptOptions
from prep.ops.plan import PlanOptions
from prep.ops.preview import PreviewOptions
from prep.ops.prune import PruneOptions
from prep.project import Project
from tests.conftest import MakeImage

TYPED = "10_プードル"
ON_DISK = normalize("NFD", TYPED)


@pytest.fixture
def mac(tmp_path: Path, make_image: MakeImage) -> Project:
    """A project whose concept folder and image are called as a Mac writes them."""
    make_image(tmp_path / "dataset" / ON_DISK / normalize("NFD", "ガラス.png"), caption="poodle")
    project = Project.open(tmp_path)
    list(scan.run(project))
    return project


def test_a_folder_is_found_by_its_typed_name_and_its_settings_apply(mac: Project) -> None:
    list(concept.run(mac, TYPED, ConceptOptions(trigger="poodle")))
    mac = Project.open(mac.root)
    assert list(mac.settings.concepts) == [ON_DISK]
    list(concept.run(mac, TYPED, ConceptOptions(repeats=3)))
    mac = Project.open(mac.root)
    assert (mac.concept(ON_DISK).trigger, mac.concept(ON_DISK).repeats) == ("poodle", 3)


def test_a_table_that_was_typed_is_that_of_the_folder_and_is_written_to(mac: Project) -> None:
    mac.file.write_text(f'[concepts.{TYPED!r}]\ntrigger = "poodle"\n', "utf-8")
    mac = Project.open(mac.root)
    assert mac.concept(ON_DISK).trigger == "poodle"
    changed = mac.saved({"concepts": {ON_DISK: {"repeats": 3}}})
    assert list(changed.settings.concepts) == [TYPED]
    assert changed.concept(ON_DISK).repeats == 3


@pytest.mark.parametrize(
    "text", [f"in:{TYPED}", "in:10_プ*", f'file:"dataset/{TYPED}/ガラス.png"', "name:ガラス"]
)
def test_filters_find_it(mac: Project, text: str) -> None:
    with Index(mac) as index:
        assert len(index.select(text)) == 1
        assert not index.select(text.replace("プ", "ブ").replace("ガ", "カ"))


def test_verbs_take_the_names_that_were_typed(mac: Project) -> None:
    path = f"dataset/{TYPED}/ガラス.png"
    with Index(mac) as index:
        assert [row.caption for row in caption_rows(index, paths=[path])] == ["poodle"]
    for image in (path, "ガラス"):
        assert isinstance(list(preview.run(mac, PreviewOptions(image=image)))[-1], events.Finished)
    *_, pruned = prune.run(mac, PruneOptions(), TYPED)
    assert isinstance(pruned, events.Finished)
    assert pruned.summary["concepts"] == 1
    *_, planned = plan.run(mac, PlanOptions(balance=True, weight={TYPED: 0.5}))
    assert isinstance(planned, events.Finished)


def test_a_table_with_a_typed_name_is_not_called_unknown(mac: Project) -> None:
    mac.file.write_text(f'[concepts.{TYPED!r}]\ntrigger = "poodle"\n', "utf-8")
    found = [each for each in check.run(Project.open(mac.root)) if isinstance(each, events.Finding)]
    assert "concept-unknown" not in {each.code for each in found}
    assert found
