"""Every reader, on small sources made as their tools make them."""

from pathlib import Path

import pytest

from prep.cli import formats
from prep.dataset.index import Index
from prep.dataset.journal.edits import Journal
from prep.errors import ConfigError, UserError
from prep.ops import importing
from prep.project import Project
from tests.prep.trees import (
    concept,
    done,
    files,
    notes,
    picture,
    skipped,
    stats,
    take,
    taken,
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "source"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


def test_a_kohya_tree_comes_over_whole(source: Path, target: Path) -> None:
    multi = "mochi, hat\nA second line, kept.\r\n\u3082\u3061"
    picture(source / "10_mochi" / "a.png", 1, multi)
    picture(source / "10_mochi" / "b.JPG", 2, "mochi, smile")
    picture(source / "10_mochi" / "deep" / "c.png", 3, "mochi", ".caption")
    picture(source / "10_mochi" / "a-masklabel.png", 4)
    picture(source / "reg" / "1_bear" / "r.png", 5)
    picture(source / "extra" / "e.png", 6)
    (source / "10_mochi" / "broken.png").write_bytes(b"no image")
    (source / "10_mochi" / "lonely.txt").write_text("x")
    (source / "10_mochi" / "film.mp4").write_bytes(b"")
    (source / "10_mochi" / "a_0512x0512_sd.npz").write_bytes(b"")
    before = stats(source)

    found = take(source, target)

    assert stats(source) == before
    made = files(target / "dataset")
    assert set(made) == {
        *("10_mochi/a.png", "10_mochi/a.txt", "10_mochi/a-masklabel.png"),
        *("10_mochi/b.JPG", "10_mochi/b.txt", "10_mochi/deep/c.png", "10_mochi/deep/c.txt"),
        "1_bear/r.png",
    }
    assert made["10_mochi/a.txt"] == multi.encode()
    assert made["10_mochi/a.png"] == (source / "10_mochi" / "a.png").read_bytes()
    assert concept(target, "10_mochi") == (10, "mochi", False)
    assert concept(target, "1_bear") == (1, "", True)
    assert skipped(found) == {
        "10_mochi/broken.png": "not an image, despite its name",
        "10_mochi/lonely.txt": "a caption without its image",
        "10_mochi/film.mp4": "not an image",
    }
    assert "extra: no number before the name" in notes(found)
    assert "1 image is in a folder below its concept" in notes(found)
    summary = done(found)
    assert (summary["images"], summary["captions"], summary["masks"]) == (4, 3, 1)


def test_a_second_import_changes_nothing(source: Path, target: Path) -> None:
    for number in range(3):
        picture(source / "5_x" / f"{number}.png", number, f"x, {number}")
    picture(source / "5_x" / "0.jpg", 9)  # shares the caption of 0.png
    take(source, target)
    before = stats(target / "dataset"), (target / "shikomi.toml").read_bytes()
    again = take(source, target)
    assert (stats(target / "dataset"), (target / "shikomi.toml").read_bytes()) == before
    summary = done(again)
    assert (summary["images"], summary["unchanged"], summary["edit"]) == (0, 4, 0)


def test_what_is_there_is_never_overwritten(source: Path, target: Path) -> None:
    picture(source / "a.png", 1, "theirs")
    picture(source / "b.png", 2, "theirs")
    picture(source / "c.png", 3, "theirs")
    picture(target / "dataset" / "source" / "a.png", 11, "mine")  # another picture
    picture(target / "dataset" / "source" / "b.png", 2, "mine")  # the same, other caption
    (target / "dataset" / "source" / "c.txt").write_text("an orphan")
    before = files(target / "dataset")
    found = take(source, target)
    after = files(target / "dataset")
    assert before.items() <= after.items()
    assert set(after) - set(before) == {
        *("source/a-2.png", "source/a-2.txt", "source/c-2.png", "source/c-2.txt"),
    }
    assert after["source/a-2.txt"] == b"theirs"
    assert "source/b.txt differs from the source and was kept" in notes(found)
    assert done(take(source, target))["images"] == 0


def test_an_import_is_one_edit_that_can_be_undone(source: Path, target: Path) -> None:
    picture(source / "10_mochi" / "a.png", 1, "mochi, hat")
    picture(target / "dataset" / "10_mochi" / "own.png", 2, "own")
    Project.open(target).saved({})
    before = files(target / "dataset"), (target / "shikomi.toml").read_text()
    assert done(take(source, target))["edit"] == 1
    assert concept(target, "10_mochi")[1] == "mochi"
    with Index(Project.open(target)) as index:
        assert Journal(index).undo().conflicts == []
    assert (files(target / "dataset"), (target / "shikomi.toml").read_text()) == before
    with Index(Project.open(target)) as index:
        Journal(index).redo()
    assert files(target / "dataset")["10_mochi/a.txt"] == b"mochi, hat"
    assert concept(target, "10_mochi")[1] == "mochi"


def test_a_stopped_import_goes_on(source: Path, target: Path) -> None:
    for number in range(6):
        picture(source / f"{number}.png", number, f"tag {number}")
    stream = importing.run(target, source)
    for event in stream:
        if getattr(event, "what", "") == "copy":
            break
    stream.close()  # type: ignore[attr-defined]
    assert not list(target.parent.rglob(".shikomi-unpacked-*"))
    assert done(take(source, target))["images"] == 6
    assert len(files(target / "dataset")) == 12
    left = [path for path in (target / ".shikomi").rglob("*") if path.suffix in (".png", ".txt")]
    assert left == []


def test_dry_run_makes_nothing(source: Path, target: Path) -> None:
    picture(source / "3_x" / "a.png", 1, "x")
    found = take(source, target, dry_run=True)
    assert taken(found) == ["dataset/3_x/a.png"]
    assert not target.exists()


def test_everything_can_go_into_one_concept(source: Path, target: Path) -> None:
    picture(source / "1_a" / "same.png", 1, "a")
    picture(source / "2_b" / "same.png", 2, "b")
    take(source, target, concept="7_both")
    assert set(files(target / "dataset")) == {
        *("7_both/1_a/same.png", "7_both/1_a/same.txt"),
        *("7_both/2_b/same.png", "7_both/2_b/same.txt"),
    }


def test_a_new_project_is_for_the_family_that_is_named(source: Path, target: Path) -> None:
    picture(source / "a.png", 1, "x")
    take(source, target, family="sdxl")
    assert Project.open(target).settings.project.resolution == 1024
    with pytest.raises(ConfigError, match="is a project for sdxl"):
        take(source, target, family="sd15")


def test_links_use_no_space_and_captions_are_copies(source: Path, target: Path) -> None:
    image = picture(source / "a.png", 1, "x")
    take(source, target, link=True)
    made = target / "dataset" / "source" / "a.png"
    assert made.samefile(image)
    assert not made.with_suffix(".txt").samefile(image.with_suffix(".txt"))


def test_a_project_brings_its_concepts(source: Path, target: Path) -> None:
    picture(source / "dataset" / "photos" / "a.png", 1, "mochi, x", ".caption")
    (source / "shikomi.toml").write_text(
        '[captions]\nextension=".caption"\n[concepts.photos]\nrepeats=4\ntrigger="mochi"\n'
    )
    take(source, target)
    assert concept(target, "photos") == (4, "mochi", False)
    assert files(target / "dataset")["photos/a.txt"] == b"mochi, x"


def test_captions_that_are_no_utf8_keep_their_bytes(source: Path, target: Path) -> None:
    picture(source / "a.png", 1)
    (source / "a.txt").write_bytes("もち".encode("shift-jis"))
    picture(source / "b.png", 2, "")  # an empty caption would stop sd-scripts
    take(source, target)
    made = files(target / "dataset")
    assert made["source/a.txt"] == "もち".encode("shift-jis")
    assert "source/b.txt" not in made


@pytest.mark.parametrize(
    ("name", "message"),
    [("missing", "does not exist"), ("notes.pdf", "unknown format"), ("empty", "no images")],
)
def test_useless_sources_are_refused(source: Path, target: Path, name: str, message: str) -> None:
    (source / "empty").mkdir(parents=True)
    (source / "notes.pdf").write_bytes(b"x")
    with pytest.raises(UserError, match=message):
        take(source / name, target)
    assert not target.exists()


def test_a_project_is_not_imported_into_itself(target: Path) -> None:
    picture(target / "dataset" / "1_x" / "a.png", 1)
    for place in (target, target / "dataset" / "1_x", target.parent):
        with pytest.raises(ConfigError):
            take(place, target)


def test_the_verbs_say_what_they_did(
    source: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(source / "5_x" / "a.png", 1, "x, hat")
    picture(source / "5_x" / "b.png", 2)
    assert formats.import_(target, source) == 0
    shown = capsys.readouterr().out
    assert "dataset/5_x/a.png  <- 5_x/a.png\n" in shown
    assert "dataset/5_x/b.png  <- 5_x/b.png  (no caption)" in shown
    assert "kohya folders: 2 images, 1 caption, 0 masks; 0 already there, 0 skipped" in shown
    assert formats.diff(source, target) == 0
    assert capsys.readouterr().out == "The same: 2 images before, 2 images after.\n"
    (source / "5_x" / "a.txt").write_text("x, smile")
    (source / "5_x" / "b.png").unlink()
    assert formats.diff(source, target) == 1
    assert capsys.readouterr().out.splitlines() == [
        "~ 5_x/a.webp: +hat, -smile",
        "+ 5_x/b.webp",
        "tag hat: +1",
        "tag smile: -1",
        "Different: added 1, tags 1. 1 image before, 2 images after.",
    ]
    assert formats.import_(target, source / "nothing") == 2
