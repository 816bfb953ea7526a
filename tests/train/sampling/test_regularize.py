"""Regularisation images: drawn by the base model, marked, resumed, and never over anything else."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from prep.dataset.index import Index
from prep.errors import ConfigError, UserError
from prep.events import Event, Finished, Sample, Warned
from prep.ops import edit, scan
from prep.project import Project
from tests.conftest import MakeImage
from train.sampling import regularize
from train.sampling.options import RegularizeOptions

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def opened(project: Project, base: Path, make_image: MakeImage) -> Project:
    """A project with one concept of three images, seen twice."""
    for number in range(3):
        make_image(f"2_mochi/{number}.png", number, caption="mochi, hat")
    tables: dict[str, Any] = {
        "project": {"resolution": 64},
        "concepts": {"2_mochi": {"trigger": "mochi"}},
        "train": {"base": str(base), "sample_steps": 1},
    }
    return project.saved(tables)


def drawn(project: Project, **options: Any) -> list[Event]:
    return list(regularize.run(project, RegularizeOptions(**options)))


def summary(found: list[Event]) -> dict[str, Any]:
    assert isinstance(found[-1], Finished)
    return found[-1].summary


def test_images_of_the_class_are_a_marked_folder_with_captions(opened: Project) -> None:
    found = drawn(opened, prompt=["girl, solo"])
    assert summary(found)["images"] == 6  # as often as the concept is seen
    folder = opened.dataset / "1_girl"
    images = sorted(folder.glob("*.png"))
    assert [path.name for path in images] == [f"0000{n}-{42 + n}.png" for n in range(6)]
    assert {path.with_suffix(".txt").read_text() for path in images} == {"girl, solo"}
    assert len({Image.open(path).tobytes() for path in images}) == 6
    again = Project.open(opened.root)
    assert again.concept("1_girl").settings.regularization
    with Index(again) as index:
        assert dict(index.folders()) == {"1_girl": 6, "2_mochi": 3}
    list(edit.undo(again))
    assert not Project.open(opened.root).concept("1_girl").settings.regularization


def test_what_is_there_stays_and_only_the_rest_is_drawn(opened: Project) -> None:
    drawn(opened, prompt=["girl"], count=4)
    folder = opened.dataset / "1_girl"
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "00002-44.png").unlink()
    kept = folder / "00001-43.png"
    kept.write_bytes(b"touched up by hand")
    found = drawn(Project.open(opened.root), prompt=["girl"], count=4)
    assert summary(found) | {"images": 1, "kept": 3, "edit": 0} == summary(found)
    assert [event.path for event in found if isinstance(event, Sample)] == [
        "dataset/1_girl/00002-44.png"
    ]
    assert kept.read_bytes() == b"touched up by hand"
    assert (folder / "00002-44.png").read_bytes() == whole["00002-44.png"]


def test_prompts_take_turns(opened: Project) -> None:
    drawn(opened, prompt=["girl", "boy --n bad"], count=3, folder="1_people")
    texts = sorted((opened.dataset / "1_people").glob("*.txt"))
    assert [path.read_text() for path in texts] == ["girl", "boy", "girl"]


def test_a_dry_run_writes_nothing(opened: Project) -> None:
    before = opened.file.read_bytes()
    assert summary(drawn(opened, prompt=["girl"], dry_run=True))["images"] == 6
    assert not (opened.dataset / "1_girl").exists()
    assert opened.file.read_bytes() == before


def test_prompts_that_name_the_concept_are_warned_of(opened: Project) -> None:
    found = drawn(opened, prompt=["Mochi, solo"], dry_run=True)
    assert [event.message for event in found if isinstance(event, Warned)] == [
        "The prompt has the trigger word mochi."
    ]
    assert not any(isinstance(e, Warned) for e in drawn(opened, prompt=["girl"], dry_run=True))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "no class"),
        ({"prompt": ["girl"], "folder": "2_mochi"}, "images of a concept"),
        ({"prompt": ["girl"], "folder": "../outside"}, "not the name"),
        ({"prompt": ["girl"], "folder": ".hidden"}, "not the name"),
        ({"prompt": ["girl <lora:mochi:1>"]}, "base model alone"),
        ({"prompt": ["girl"], "width": 50}, "50"),
    ],
)
def test_refusals_come_before_anything_is_written(
    opened: Project, options: dict[str, Any], words: str
) -> None:
    before = opened.file.read_bytes()
    folders = sorted(opened.dataset.iterdir())
    with pytest.raises(UserError, match=words):
        drawn(opened, **options)
    assert opened.file.read_bytes() == before
    assert sorted(opened.dataset.iterdir()) == folders


def test_an_empty_dataset_needs_a_number(project: Project, base: Path) -> None:
    opened = project.saved({"train": {"base": str(base)}})
    list(scan.run(opened))
    with pytest.raises(ConfigError, match="no images of a concept"):
        drawn(opened, prompt=["girl"])
