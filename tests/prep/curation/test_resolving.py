"""What the kept image takes over, and where the others go."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from prep import captions, events
from prep.curation.duplicates.best import RULES, KeepRanking, KeepRule, full_order, jpeg_quality
from prep.curation.duplicates.merging import MergedDuplicate, merged_caption, turned_tags
from prep.curation.duplicates.neighbours import MIRRORED, TURNS, UPRIGHT, relative, turn
from prep.curation.duplicates.resolving import KeepChoice, chosen, judge
from prep.dataset.index import ImageRow, Index, ScannedImage
from prep.dataset.journal.changes import exclusion
from prep.dataset.journal.edits import Journal
from prep.errors import ConfigError
from prep.ops import dupes, edit, scan
from prep.ops.dupes import DupesOptions
from prep.project import Project
from prep.project.creation import initialise
from tests.prep.curation.duplicate_sets import Save, saving, summary
from tests.prep.pictures import scene

TAGS = st.lists(st.sampled_from(["hat", "smile", "looking to the left", "right arm up", "sky"]))


@pytest.fixture
def save(project: Project) -> Save:
    return saving(project)


def resolve(project: Project, **options: object) -> list[events.Event]:
    list(scan.run(project))
    chosen = DupesOptions.model_validate({"resolve": "keep-best", **options})
    return list(dupes.run(project, chosen))


def kept(found: list[events.Event]) -> str:
    (group,) = [event for event in found if isinstance(event, events.Group)]
    return Path(group.keep).name


def row(path: str, caption: str | None) -> ImageRow:
    return ImageRow(
        1, path, "10_mochi", 9, 9, 8, 8, "PNG", 1, False, 1, None, "c", caption, None, None
    )


def with_caption(rule: str, keep: str | None, *copies: tuple[str | None, int]) -> str | None:
    rows = [
        MergedDuplicate(row(f"{n}.png", text), number) for n, (text, number) in enumerate(copies)
    ]
    judge = KeepRanking(Project.open(Path()), hand_made={"1.png"})
    mine = row("keep.png", keep)
    change = merged_caption(mine, rows, rule, judge)  # type: ignore[arg-type]
    return keep if change is None else change.after


def test_captions_are_merged_as_asked() -> None:
    machine, hand = ("hat, smile", UPRIGHT), ("hat, sky\nA sentence.", UPRIGHT)
    assert with_caption("best", "cap", machine, hand) == "cap"
    assert with_caption("best", None, machine, hand) == "hat, smile"
    assert with_caption("hand-first", "cap", machine, hand) == "hat, sky\nA sentence."
    assert with_caption("hand-first", "cap", machine) == "cap"
    assert with_caption("union", "cap\nProse.", machine, hand) == "cap, hat, smile, sky\nProse."
    assert with_caption("union", None, hand, machine) == "hat, sky, smile\nA sentence."
    assert with_caption("union", None, (None, UPRIGHT)) is None
    prose, tags = ("A photograph of a bear, taken at noon. It smiles.", UPRIGHT), ("sky", UPRIGHT)
    assert with_caption("union", "hat", prose, tags) == f"hat, sky, {prose[0]}"
    assert with_caption("union", None, prose, tags) == f"sky, {prose[0]}"


def test_mirrored_captions_change_sides() -> None:
    flipped = ("looking to the left, right_hand, Left side, bright, copyright", MIRRORED)
    expected = "looking to the right, left_hand, Right side, bright, copyright"
    assert with_caption("best", None, flipped) == expected
    sentence = "she turns right after the third house, hat"
    assert with_caption("union", "sky", (sentence, MIRRORED)) == "sky, hat"
    assert with_caption("union", "sky", ("upside-down, hat, left", 3)) == "sky, hat"


@given(TAGS, st.integers(0, len(TURNS) - 1))
def test_turning_tags_twice_gives_them_back_or_leaves_them_out(
    tags: list[str], number: int
) -> None:
    unique = captions.unique(tags)
    once = turned_tags(unique, number)
    assert len(once) <= len(unique)
    if number in (UPRIGHT, MIRRORED):
        assert turned_tags(once, number) == unique
    else:
        assert set(once) <= set(unique)
        assert not any("left" in tag or "right" in tag for tag in once)


@given(TAGS, TAGS)
def test_a_union_loses_no_tag_and_adds_none(mine: list[str], other: list[str]) -> None:
    text, copy = ", ".join(captions.unique(mine)), ", ".join(captions.unique(other))
    merged = with_caption("union", text or None, (copy or None, UPRIGHT))
    assert set(captions.split(merged or "")) == {*mine, *other}


@given(st.lists(st.sampled_from(get_args(KeepRule)), max_size=4))
def test_every_rule_has_its_place(first: list[KeepRule]) -> None:
    order = full_order(first)
    assert sorted(order) == sorted(RULES)
    assert list(order[: len(set(first))]) == list(dict.fromkeys(first))


@pytest.mark.parametrize("quality", [30, 60, 75, 90, 97])
def test_the_quality_of_a_jpeg_is_read_from_its_header(
    project: Project, save: Save, quality: int
) -> None:
    save("a.jpg", scene(1), quality=quality)
    list(scan.run(project))
    with Index(project) as index:
        found = index.get("dataset/10_mochi/a.jpg")
    assert found is not None
    guess = jpeg_quality(project, found)
    assert guess is not None
    assert abs(guess - quality) <= 2


def test_the_order_of_the_rules_is_the_users(project: Project, save: Save) -> None:
    picture = scene(1, (640, 480))
    save("large.jpg", picture, quality=60)
    save("small.png", picture.resize((320, 240)), "by hand")
    assert kept(resolve(project, dry_run=True)) == "large.jpg"
    assert kept(resolve(project, dry_run=True, prefer=("caption",))) == "small.png"
    assert kept(resolve(project, dry_run=True, prefer=("format", "caption"))) == "small.png"


def test_machine_captions_give_way_to_those_by_hand(project: Project, save: Save) -> None:
    picture = scene(1, (640, 480))
    large = save("large.png", picture, "machine")
    small = save("small.png", picture.resize((320, 240)), "machine")
    list(scan.run(project))
    with Index(project) as index:
        from prep.captions.layers import ManualEdits
        from prep.dataset.journal.manual_edits import ManualEditStore

        ManualEditStore(index).put(
            (f"dataset/10_mochi/{name}.png", "machine", ManualEdits(("machine",)))
            for name in ("large", "small")
        )
    small.with_suffix(".txt").write_text("machine, bow")
    found = resolve(project)
    assert kept(found) == "large.png"
    assert large.with_suffix(".txt").read_text() == "machine, bow"
    (change,) = [event for event in found if isinstance(event, events.Change)]
    assert (change.before, change.after) == ("machine", "machine, bow")


def test_a_dry_run_writes_nothing(project: Project, save: Save) -> None:
    save("a.png", scene(1))
    save("b.png", scene(1).resize((160, 120)), "hat")
    before = {p: p.read_bytes() for p in project.dataset.rglob("*") if p.is_file()}
    found = resolve(project, dry_run=True)
    assert summary(found).items() >= {"excluded": 1, "captions": 1, "edit": 0}.items()
    assert {p: p.read_bytes() for p in project.dataset.rglob("*") if p.is_file()} == before
    with Index(project) as index:
        assert Journal(index).history() == []
        assert len(index.usable()) == 2


def test_duplicates_go_to_the_trash_with_their_files_and_come_back(
    project: Project, save: Save
) -> None:
    picture = scene(1)
    save("a.png", picture, "mine")
    gone = save("b.png", picture.resize((160, 120)), "hat")
    gone.with_name("b-masklabel.png").write_bytes(b"no picture")
    gone.with_name("b.npz").write_bytes(b"cache")
    save("c.png", scene(2))
    folder = project.dataset / "10_mochi"
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    found = resolve(project, trash=True)
    assert summary(found).items() >= {"trashed": 1, "excluded": 0}.items()
    assert sorted(p.name for p in folder.iterdir()) == ["a.png", "a.txt", "c.png"]
    trashed = project.state / "trash" / "dataset" / "10_mochi"
    assert sorted(p.name for p in trashed.iterdir()) == [
        "b-masklabel.png",
        "b.npz",
        "b.png",
        "b.txt",
    ]
    list(edit.undo(project))
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert summary(resolve(project, dry_run=True))["excluded"] == 1


def test_the_trash_needs_to_be_asked_for_by_resolving(project: Project) -> None:
    with pytest.raises(ConfigError, match="--trash"):
        list(dupes.run(project, DupesOptions(trash=True)))


@pytest.mark.parametrize("number", [UPRIGHT, MIRRORED, 3, 5, 6])
def test_masks_are_carried_turned_and_scaled(project: Project, save: Save, number: int) -> None:
    picture = scene(4, (320, 240))
    mask = Image.new("L", picture.size)
    mask.paste(255, (0, 0, 160, 80))
    save("large.png", picture)
    turned, turned_mask = (Image.fromarray(turn(np.asarray(i), number)) for i in (picture, mask))
    half = (turned.width // 2, turned.height // 2)
    small = save("small.png", turned.resize(half))
    turned_mask.resize(half).save(small.with_name("small-masklabel.png"))
    small.with_suffix(".caption").write_text("more words")
    resolve(project)
    carried = Image.open(project.dataset / "10_mochi" / "large-masklabel.png")
    assert carried.size == picture.size
    off = np.abs(np.asarray(carried, np.int16) - np.asarray(mask, np.int16))
    assert off.mean() < 4
    more = project.dataset / "10_mochi" / "large.caption"
    assert more.exists() == (number == UPRIGHT)
    list(edit.undo(project))
    assert not (project.dataset / "10_mochi" / "large-masklabel.png").exists()


def test_a_mask_that_does_not_fit_is_reported(project: Project, save: Save) -> None:
    picture = scene(4, (320, 240))
    save("a.png", picture)
    cut = save("b.png", picture.crop((0, 0, 306, 240)))
    Image.new("L", (306, 240), 255).save(cut.with_name("b-masklabel.png"))
    found = resolve(project)
    (warning,) = [event for event in found if isinstance(event, events.Warned)]
    assert "b-masklabel.png" in warning.message
    assert not (project.dataset / "10_mochi" / "a-masklabel.png").exists()


def test_mirrored_duplicates_hand_over_turned_tags(project: Project, save: Save) -> None:
    picture = scene(6, (640, 480))
    keep = save("a.png", picture)
    save("b.png", ImageOps.mirror(picture).resize((320, 240)), "hat, looking to the left")
    resolve(project)
    assert keep.with_suffix(".txt").read_text() == "hat, looking to the right"


@given(st.integers(0, 7), st.integers(0, 7))
def test_turns_relate_any_two_versions(first: int, second: int) -> None:
    picture = np.arange(12, dtype=np.uint8).reshape(3, 4)
    step = relative(first, second)
    assert np.array_equal(turn(turn(picture, first), step), turn(picture, second))


def test_a_person_may_keep_another_one(project: Project, save: Save) -> None:
    picture = scene(6, (640, 480))
    save("a.png", picture, "looking to the left")
    mirror = save("b.png", ImageOps.mirror(picture).resize((320, 240)))
    list(scan.run(project))
    folder = "dataset/10_mochi"
    with Index(project) as index:
        choice = KeepChoice(f"{folder}/b.png", [(f"{folder}/a.png", "mirrored", MIRRORED)])
        outcome = Journal(index).apply("by hand", chosen(index, [choice, choice]))
        assert [row.path for row in index.usable()] == [f"{folder}/b.png"]
        assert mirror.with_suffix(".txt").read_text() == "looking to the right"
        assert len(outcome.changed) == 2
        assert chosen(index, [choice]) == []


def copies(project: Project, save: Save, *names: str) -> None:
    for name in names:
        save(name, scene(6, (320, 240)))
    list(scan.run(project))


def left(index: Index) -> set[str]:
    return {Path(row.path).name for row in index.usable()}


def choice(keep: str, *others: str) -> KeepChoice:
    folder = "dataset/10_mochi"
    return KeepChoice(f"{folder}/{keep}", [(f"{folder}/{one}", "near", UPRIGHT) for one in others])


@pytest.mark.parametrize("gone", ["excluded", "deleted", "broken"])
def test_copies_of_an_image_that_is_no_longer_there_stay(
    project: Project, save: Save, gone: str
) -> None:
    copies(project, save, "a.png", "b.png")
    kept = project.dataset / "10_mochi" / "a.png"
    with Index(project) as index:
        if gone == "excluded":
            change = exclusion("dataset/10_mochi/a.png", None, "by hand")
            Journal(index).apply("exclude", [change])
        elif gone == "deleted":
            kept.unlink()
        else:
            kept.write_bytes(b"no picture")
    list(scan.run(project))
    with Index(project) as index:
        assert chosen(index, [choice("a.png", "b.png")]) == []
        ((path, why),) = judge(index, [choice("a.png", "b.png")]).left
        assert (path, bool(why)) == ("dataset/10_mochi/a.png", True)


@given(
    st.lists(
        st.lists(st.sampled_from("abcd"), min_size=2, max_size=4, unique=True),
        min_size=1,
        max_size=5,
    )
)
def test_what_goes_was_compared_with_an_image_that_stays(groups: list[list[str]]) -> None:
    with TemporaryDirectory() as folder:
        project = initialise(Path(folder) / "made")
        with Index(project) as index:
            index.put(
                ScannedImage(f"dataset/10_mochi/{name}", "10_mochi", 1, 1, 64, 64, "PNG")
                for name in "abcd"
            )
            Journal(index).apply("exclude", chosen(index, [choice(*group) for group in groups]))
            for row in index.select("excluded:yes"):
                kept = str(row.excluded).removeprefix("duplicate of dataset/10_mochi/")[0]
                assert kept in left(index)
                assert any(group[0] == kept and Path(row.path).name in group for group in groups)
            assert left(index).intersection(groups[0])
