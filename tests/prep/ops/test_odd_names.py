"""Links, long names, accents in two forms, and captions with another suffix, from scan to trash."""

import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from prep import events
from prep.dataset.index import Index
from prep.dataset.journal.changes import caption_change
from prep.dataset.journal.edits import Journal
from prep.dataset.journal.sidecars import to_trash
from prep.errors import ConfigError
from prep.ops import advise, export, importing, scan
from prep.ops.importing import ImportOptions
from prep.project import Project
from prep.project.creation import initialise
from prep.system.names import fits
from tests.conftest import MakeImage, draw_numbered

LONG = "x" * 251
WIDE = "漢" * 83 + "ab"


def paths(project: Project, where: str = "") -> list[str]:
    list(scan.run(project))
    with Index(project) as index:
        return [row.path.removeprefix("dataset/") for row in index.select(where)]


def warnings(found: Any) -> list[str]:
    return [event.message for event in found if isinstance(event, events.Warned)]


def trash(project: Project, *names: str) -> None:
    list(scan.run(project))
    with Index(project) as index:
        changes = to_trash(project, [f"dataset/{name}" for name in names])
        outcome = Journal(index).apply("trash", changes)
        assert not outcome.conflicts


def undo(project: Project) -> None:
    with Index(project) as index:
        assert not Journal(index).undo().conflicts


def pictures(folder: Path) -> list[str]:
    """Return the names of what is there under the name of an image; all must be readable."""
    found = sorted(path for path in folder.rglob("*") if path.suffix in (".png", ".webp"))
    for path in found:
        with Image.open(path) as image:
            image.load()
    return [path.relative_to(folder).as_posix() for path in found]


def test_images_are_listed_as_people_count(project: Project, make_image: MakeImage) -> None:
    for number in (10, 2, 1):
        make_image(f"10_mochi/{number}.png", number)
        make_image(f"2_b/{number}.png", number + 20)
    expected = [f"{folder}/{n}.png" for folder in ("2_b", "10_mochi") for n in (1, 2, 10)]
    assert paths(project) == expected
    assert paths(project, "w>0") == expected
    with Index(project) as index:
        assert [folder for folder, _ in index.folders()] == ["2_b", "10_mochi"]


def test_a_link_is_no_second_picture_and_goes_with_the_first(
    project: Project, make_image: MakeImage
) -> None:
    make_image("10_b/orig.png", 1, caption="b")
    make_image("10_c/other.png", 2)
    (project.dataset / "10_a").mkdir()
    (project.dataset / "10_a" / "link.png").symlink_to("../10_b/orig.png")
    (project.dataset / "10_a" / "link.txt").write_text("by hand")
    (project.dataset / "10_d").symlink_to("10_b")
    assert warnings(scan.run(project)) == [
        "dataset/10_a/link.png is a link to dataset/10_b/orig.png, and not counted: the picture is"
        " already counted."
    ]
    assert paths(project) == ["10_b/orig.png", "10_c/other.png"]
    trash(project, "10_b/orig.png")
    assert pictures(project.dataset) == ["10_c/other.png"]
    assert {path.name for path in (project.state / "trash").rglob("*.*")} == {
        "link.png",
        "link.txt",
        "orig.png",
        "orig.txt",
    }
    undo(project)
    assert (project.dataset / "10_a" / "link.txt").read_text() == "by hand"
    assert pictures(project.dataset / "10_a") == ["link.png"]
    assert paths(project) == ["10_b/orig.png", "10_c/other.png"]


def test_a_link_to_elsewhere_is_moved_alone(project: Project, tmp_path: Path) -> None:
    outside = tmp_path / "made" / "library.png"
    draw_numbered(1, (32, 32)).save(outside)
    link = project.dataset / "10_mochi" / "link.png"
    link.symlink_to("../../library.png")
    assert paths(project) == ["10_mochi/link.png"]
    trash(project, "10_mochi/link.png")
    assert outside.exists()
    assert pictures(project.state / "trash") == ["dataset/10_mochi/link.png"]
    undo(project)
    assert link.readlink().as_posix() == "../../library.png"


def test_hard_links_count_once_and_survive_each_other(
    project: Project, make_image: MakeImage
) -> None:
    first = make_image("10_mochi/a.png", 1)
    (project.dataset / "10_mochi" / "b.png").hardlink_to(first)
    assert paths(project) == ["10_mochi/a.png"]
    assert "not counted" in warnings(scan.run(project))[0]
    trash(project, "10_mochi/a.png")
    assert paths(project) == ["10_mochi/b.png"]
    assert pictures(project.dataset) == ["10_mochi/b.png"]


def test_litter_beside_images_is_not_exported_from(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/a.png", 1, caption="mochi")
    for name in ("@eaDir/a.png/SYNOPHOTO_THUMB_M.png", "#recycle/b.png", "._a.png"):
        make_image(f"10_mochi/{name}", 2, caption="litter")
    assert paths(project) == ["10_mochi/a.png"]
    target = initialise(project.root.parent / "other")
    found = list(importing.run(target.root, project.dataset / "10_mochi", ImportOptions()))
    assert isinstance(found[-1], events.Finished)
    assert (found[-1].summary["images"], found[-1].summary["skipped"]) == (1, 0)


def test_names_of_255_bytes_go_everywhere(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/c.png", 1, caption="mochi, c")
    make_image(f"10_mochi/{LONG}.png", 2, caption="mochi, bear")
    make_image(f"10_mochi/{WIDE}.png", 3)
    make_image(f"10_mochi/deep/{LONG[:-1]}y.png", 4, caption="mochi, deep")
    list(scan.run(project))
    for event in export.run(project):
        assert not isinstance(event, events.Skipped)
    made = project.output / "dataset" / "10_mochi"
    names = pictures(made)
    assert len(names) == 4
    assert len(list(made.glob("*.txt"))) == 3
    assert all(fits(f"{Path(name).stem}_1024x1024_sdxl.npz") for name in names)
    last = list(export.run(project))[-1]
    assert isinstance(last, events.Finished)
    assert (last.summary["written"], last.summary["unchanged"]) == (0, 8)


@pytest.mark.parametrize("extension", [".txt", ".caption"])
def test_names_of_255_bytes_are_imported_and_known_again(
    project: Project, make_image: MakeImage, extension: str
) -> None:
    make_image(f"10_mochi/{LONG}.png", 2, caption="mochi, bear")
    make_image(f"10_mochi/{WIDE}.png", 3)
    make_image("10_mochi/c.png", 1)
    target = initialise(project.root.parent / "other").saved({"captions": {"extension": extension}})
    summaries = []
    for _ in range(2):
        last = list(importing.run(target.root, project.dataset, ImportOptions()))[-1]
        assert isinstance(last, events.Finished)
        summaries.append([last.summary[key] for key in ("images", "captions", "skipped")])
    assert summaries == [[3, 1, 0], [0, 0, 0]]
    assert len(paths(target, "has:caption")) == 1


def test_long_names_are_moved_to_the_trash_twice(project: Project, make_image: MakeImage) -> None:
    for number in (1, 2):
        make_image(f"10_mochi/{WIDE}.png", number, caption=f"mochi, {number}")
        trash(project, f"10_mochi/{WIDE}.png")
    kept = project.state / "trash" / "dataset" / "10_mochi"
    assert len(pictures(kept)) == 2
    assert sorted(path.read_text() for path in kept.glob("*.txt")) == ["mochi, 1", "mochi, 2"]
    undo(project)
    assert (project.dataset / "10_mochi" / f"{WIDE}.txt").read_text() == "mochi, 2"


def test_a_caption_whose_name_would_be_too_long_is_refused_alone(
    project: Project, make_image: MakeImage
) -> None:
    changed = project.saved({"captions": {"extension": ".caption"}})
    make_image(f"10_mochi/{LONG}.png", 1)
    make_image("10_mochi/a.png", 2)
    assert paths(changed, "-has:caption") == ["10_mochi/a.png", f"10_mochi/{LONG}.png"]
    with Index(changed) as index:
        names = [row.path for row in index.select()]
        outcome = Journal(index).apply("x", [caption_change(n, None, ["mochi"]) for n in names])
    assert [path for path, _ in outcome.conflicts] == [f"dataset/10_mochi/{LONG}.png"]
    assert "too long" in outcome.conflicts[0][1]
    assert (project.dataset / "10_mochi" / "a.caption").read_text() == "mochi"


@pytest.mark.parametrize(("image", "text"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_captions_are_found_whatever_form_their_accents_have(
    project: Project, make_image: MakeImage, image: Any, text: Any
) -> None:
    name = unicodedata.normalize(image, "Café é")
    make_image(f"10_mochi/{name}.png", 1)
    caption = project.dataset / "10_mochi" / (unicodedata.normalize(text, "Café é") + ".txt")
    caption.write_text("mochi, hat")
    assert len(paths(project, "hat")) == 1
    assert len(paths(project, "name:Café")) == 1
    list(export.run(project))
    (written,) = (project.output / "dataset" / "10_mochi").glob("*.txt")
    assert written.read_text() == "mochi, hat"
    trash(project, f"10_mochi/{name}.png")
    assert not caption.exists()


def test_captions_with_the_other_suffix_are_said(project: Project, make_image: MakeImage) -> None:
    for number in (1, 2):
        image = make_image(f"10_mochi/{number}.png", number)
        image.with_suffix(".caption").write_text("mochi")
    make_image("10_mochi/3.png", 3, caption="mochi").with_suffix(".caption").write_text("other")
    expected = "not read as captions (dataset/10_mochi/1.caption, …)"
    (told,) = warnings(scan.run(project))
    assert told == f"The .caption files of 2 images are {expected}."
    assert any(expected in text for text in warnings(export.run(project)))
    advice = [e for e in advise.run(project) if isinstance(e, events.Advice)]
    assert any(expected in each.message and "2 of 3" in each.message for each in advice)
    assert not any("have no caption" in each.message for each in advice)
    changed = project.saved({"captions": {"extension": ".caption"}})
    assert warnings(scan.run(changed)) == []


def test_a_source_named_first_is_understood(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/a.png", 1)
    new = project.root.parent / "new"
    found = list(importing.run(project.dataset / "10_mochi", new, ImportOptions(concept="5_b")))
    assert f"{new} is taken for the project" in warnings(found)[0]
    assert pictures(new / "dataset") == ["5_b/a.png"]
    packed = project.root.parent / "packed.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(project.dataset / "10_mochi" / "a.png", "b.png")
    for place in (new, project.root.parent / "newer"):
        found = list(importing.run(packed, place, ImportOptions(concept="6_c")))
        assert f"{place} is taken for the project" in warnings(found)[0]
        assert "6_c/b.png" in pictures(place / "dataset")
    with pytest.raises(ConfigError, match="does not exist"):
        list(importing.run(project.root, project.root.parent / "typo", ImportOptions()))
