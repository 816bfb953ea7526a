"""Marked copies, mirror images and expressions of one figure: what is sure and what is not."""

from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from prep import events
from prep.curation.duplicates import comparer, hash_kinds
from prep.curation.duplicates.comparison import Comparison
from prep.curation.duplicates.resolving import KeepChoice, chosen
from prep.dataset.index import Index
from prep.dataset.journal.edits import Journal
from prep.project import Project
from tests.prep.curation.duplicate_pictures import SPRITE, marked, photograph, sprite
from tests.prep.curation.duplicate_sets import Save, groups, run, saving, summary
from tests.prep.pictures import scene


@pytest.fixture
def save(project: Project) -> Save:
    return saving(project)


def test_what_is_uncertain_is_shown_and_never_resolved(
    project: Project, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Comparison(2.0, 0.02, overlay=2, uncertain=True)
    monkeypatch.setattr(comparer, "compare", lambda _a, _b, _details: seen)
    save("a.png", scene(1), "hat")
    save("b.png", scene(1).resize((160, 120)), "cap")
    found = run(project, resolve="keep-best", captions="union")
    assert groups(found) == {("uncertain", "a.png"): ["b.png"]}
    (group,) = [event for event in found if isinstance(event, events.Group)]
    assert group.details[1] == "2.0 % of it differs, possibly text or a watermark"
    assert "please look" in group.why
    numbers = {"groups": 0, "duplicates": 0, "uncertain": 1, "variants": 0, "excluded": 0}
    assert summary(found).items() >= (numbers | {"captions": 0, "edit": 0}).items()
    with Index(project) as index:
        names = {
            value: [Path(row.path).name for row in index.select(f"dup:{value}")]
            for value in ("uncertain", "yes", "kept")
        }
        assert names == {"uncertain": ["b.png"], "yes": [], "kept": []}
        # A person who has looked decides.
        choice = KeepChoice("dataset/10_mochi/a.png", [("dataset/10_mochi/b.png", "uncertain", 0)])
        Journal(index).apply("exclude duplicates", chosen(index, [choice]))
        assert [Path(row.path).name for row in index.select("dup:near")] == ["b.png"]


@pytest.mark.parametrize("edit", ["crop", "darker", "signed"])
def test_edited_mirror_images_are_found(project: Project, save: Save, edit: str) -> None:
    picture = photograph(3, (600, 400))
    mirrored = ImageOps.mirror(picture)
    save("a.png", picture)
    if edit == "crop":
        mirrored = mirrored.crop((9, 6, 591, 394))
    elif edit == "darker":
        mirrored = ImageEnhance.Brightness(mirrored).enhance(0.8)
    else:
        mirrored = marked(mirrored, "M. Kowalski", (0.03, 0.03), 0.07, (20, 20, 20, 60))
    save("b.jpg", mirrored, quality=88)
    found = groups(run(project, rotated=False))
    assert found == {("mirrored", "a.png"): ["b.jpg"]}


def test_a_bar_that_changes_the_hash_of_the_whole_picture_hides_no_copy(
    project: Project, save: Save
) -> None:
    picture = photograph(2, (600, 400))
    save("a.png", picture)
    barred = picture.copy()
    ImageDraw.Draw(barred).rectangle((0, 366, 600, 400), (250, 250, 250))
    barred = marked(barred, "www.board.example/123", (0.05, 0.93), 0.05, (10, 10, 10, 100))
    save("b.png", barred)
    (group,) = [e for e in run(project, distance=2) if isinstance(e, events.Group)]
    assert (group.reason, Path(group.keep).name) == ("near", "a.png")
    assert "with an overlay" in group.details[1]


def test_no_expression_of_a_figure_is_left_out(project: Project, save: Save) -> None:
    grounds = {"plain": None, "drawn": photograph(4, SPRITE)}
    for ground, picture in grounds.items():
        for each in ("neutral", "angry", "sad", "asleep"):
            save(f"{ground} {each}.png", sprite(each, ground=picture))
    found = run(project, resolve="keep-best", rotated=False, mirrored=False)
    assert summary(found)["excluded"] == 0
    assert groups(found) == {}


@pytest.mark.parametrize("kind", ["ahash", "dhash", "whash"])
def test_other_hashes_find_turned_copies(
    project: Project, save: Save, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = photograph(6, (300, 200))
    save("a.png", picture)
    save("left.png", picture.transpose(Image.Transpose.ROTATE_90))
    save("flip.png", ImageOps.mirror(picture))
    save("other.png", photograph(7, (300, 200)))
    first = groups(run(project, hash=kind))
    assert first == {("mirrored", "a.png"): ["flip.png"], ("rotated", "a.png"): ["left.png"]}
    monkeypatch.setattr(hash_kinds, "turned_hashes", None)  # nothing is hashed again
    assert groups(run(project, hash=kind)) == first
