import json
import re
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import cast

import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from prep import events
from prep.curation.duplicates import comparer, hash_store
from prep.curation.duplicates import groups as duplicate_groups
from prep.curation.duplicates.comparison import Comparison
from prep.dataset import contents
from prep.dataset.index import Index
from prep.dataset.journal.edits import Journal
from prep.ops import dupes, scan
from prep.project import Project
from prep.project.creation import initialise
from tests.prep.curation.duplicate_pictures import marked
from tests.prep.curation.duplicate_sets import Save, groups, run, saving, stages, summary
from tests.prep.pictures import busy, scene

MASCOT = Path(__file__).parents[3] / "sample_data" / "mascot"


@pytest.fixture
def save(project: Project) -> Save:
    return saving(project)


def test_exactly_the_planted_duplicates_of_the_sample_set_are_found(tmp_path: Path) -> None:
    project = initialise(tmp_path / "p")
    shutil.copytree(MASCOT / "10_mochi", project.dataset / "10_mochi")
    truth = json.loads((MASCOT / "truth.json").read_text("utf-8"))["files"]
    planted = {
        frozenset((name, entry["of"]))
        for name, entry in truth.items()
        if entry["kind"] in ("exact", "near")
    }
    found = groups(run(project))
    assert {frozenset((keep, n)) for (_, keep), names in found.items() for n in names} == planted
    reasons = {name: reason for (reason, _), names in found.items() for name in names}
    mirrored = {n for n, e in truth.items() if e["how"] == "mirrored"}
    assert {name for name, reason in reasons.items() if reason == "mirrored"} == mirrored


def test_edited_copies_are_found_and_variants_are_not(project: Project, save: Save) -> None:
    picture = scene(1)
    save("a.png", picture)
    save("copy.png", picture)
    save("small.png", picture.resize((160, 120)))
    save("jpeg.jpg", picture, quality=60)
    save("bright.webp", ImageEnhance.Brightness(picture).enhance(1.1), lossless=True)
    save("crop.png", picture.crop((5, 3, 315, 236)))
    save("flip.png", ImageOps.mirror(picture))
    variant = picture.copy()
    ImageDraw.Draw(variant).ellipse((40, 40, 75, 75), fill=(255, 255, 255), outline=0, width=4)
    save("winking.png", variant)
    save("other.png", scene(2))

    found = run(project)

    assert groups(found) == {
        ("exact", "a.png"): ["copy.png"],
        ("near", "a.png"): ["bright.webp", "jpeg.jpg", "crop.png", "small.png"],
        ("mirrored", "a.png"): ["flip.png"],
    }
    for event in found:
        if isinstance(event, events.Group):
            assert event.images[0] == event.keep
            assert event.distances[0] == 0
            assert len(event.distances) == len(event.images)
    numbers = {"images": 9, "groups": 3, "duplicates": 6}
    assert summary(found).items() >= (numbers | {"excluded": 0, "edit": 0, "variants": 0}).items()
    with_variants = run(project, variants=True)
    assert summary(with_variants).items() >= (numbers | {"variants": 1}).items()
    (variants,) = [
        {Path(path).name for path in event.images}
        for event in with_variants
        if isinstance(event, events.Group) and event.reason == "variant"
    ]
    assert variants == {"a.png", "winking.png"}
    assert ("mirrored", "a.png") not in groups(run(project, mirrored=False))


def test_candidates_of_a_copy_are_compared_with_the_kept_picture(
    project: Project, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in enumerate(("a.png", "b.png", "c.png")):
        save(name, scene(number, (320 - 8 * number, 240)))
    list(scan.run(project))
    with Index(project) as index:
        list(contents.hash_contents(index, index.usable()))
        list(hash_store.hash_pictures(index, []))
        # a and b differ in 8 bits, b and c too, but a and c in 16.
        for row, value in zip(index.usable(), (0x0000, 0x00FF, 0xFFFF), strict=True):
            with index.connection:
                index.connection.execute(
                    "INSERT INTO perceptual_hashes(content, upright, mirrored, flipped, turned,"
                    " middle, middle_mirrored, middle_flipped, middle_turned, clean_detail)"
                    " VALUES(?, ?, -1, -1, -1, ?, -1, -1, -1, 1.0)",
                    (row.content, value, value),
                )
    monkeypatch.setattr(comparer, "compare", lambda _a, _b, _details: Comparison(0.0))
    found = groups(run(project, mirrored=False, rotated=False))
    assert found == {("near", "a.png"): ["b.png", "c.png"]}


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        (("a.png", (320, 240), {}), ("b.png", (640, 480), {}), "the most pixels: 640x480"),
        (("a.jpg", None, {"quality": 92}), ("b.png", None, {}), "PNG loses less than JPEG"),
        (("a.jpg", None, {"quality": 82}), ("b.jpg", None, {"quality": 96}), "quality about 96"),
        (("bb.png", None, {}), ("b.png", None, {"compress_level": 1}), "only in name"),
    ],
)
def test_the_better_version_is_kept(
    project: Project,
    save: Save,
    first: tuple[str, tuple[int, int] | None, dict[str, int]],
    second: tuple[str, tuple[int, int] | None, dict[str, int]],
    why: str,
) -> None:
    for name, size, how in (first, second):
        picture = scene(4, (640, 480))
        save(name, picture.resize(size) if size else picture, **how)
    (group,) = [e for e in run(project) if isinstance(e, events.Group)]
    assert Path(group.keep).name == second[0]
    assert why in group.why


def test_the_sharper_version_is_kept(project: Project, save: Save) -> None:
    picture = scene(4)
    save("a.png", picture.resize((80, 60)).resize((320, 240), Image.Resampling.BICUBIC))
    save("b.png", picture)
    (group,) = [e for e in run(project) if isinstance(e, events.Group)]
    assert (Path(group.keep).name, group.why) == (
        "b.png",
        "the sharpest, and otherwise no worse",
    )


def test_keep_best_is_one_edit_that_can_be_undone(project: Project, save: Save) -> None:
    picture = scene(1)
    kept = save("a.png", picture)
    files = [save("b.png", picture.resize((160, 120)), "hat"), save("c.png", picture)]
    found = run(project, resolve="keep-best")
    assert summary(found)["excluded"] == 2
    assert all(file.exists() for file in files)
    # The kept image had no caption: it got that of its copy.
    assert kept.with_suffix(".txt").read_text() == "hat"
    with Index(project) as index:
        row = index.get("dataset/10_mochi/b.png")
        assert row is not None
        assert row.excluded == "duplicate of dataset/10_mochi/a.png (near)"
    # What is excluded takes no part any more.
    assert groups(run(project)) == {}
    with Index(project) as index:
        journal = Journal(index)
        assert [edit.title for edit in journal.history()] == ["exclude duplicates"]
        assert len(journal.undo().changed) == 3
        assert len(index.usable()) == 3
    assert not kept.with_suffix(".txt").exists()
    assert len(groups(run(project))) == 2


def test_turned_pictures_and_equal_pixels_are_found(project: Project, save: Save) -> None:
    picture = scene(5, (300, 200))
    save("a.png", picture)
    save("lossless.webp", picture, lossless=True)
    quarter = picture.transpose(Image.Transpose.ROTATE_90)
    save("left.png", quarter)
    save("upside.png", picture.transpose(Image.Transpose.ROTATE_180))
    save("both.png", picture.transpose(Image.Transpose.TRANSPOSE))
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned to the left, shown upright
    save("camera.jpg", quarter, quality=92, exif=exif)
    found = run(project)
    assert groups(found) == {
        ("exact", "a.png"): ["lossless.webp"],
        ("near", "a.png"): ["camera.jpg"],
        ("rotated", "a.png"): ["both.png", "left.png", "upside.png"],
    }
    details = {
        Path(path).name: detail
        for event in found
        if isinstance(event, events.Group)
        for path, detail in zip(event.images, event.details, strict=True)
    }
    assert details["lossless.webp"] == "the same pixels in another file"
    assert "rotated by 90° to the left" in details["left.png"]
    assert "180" in details["upside.png"]
    assert ("rotated", "a.png") not in groups(run(project, rotated=False))


def test_the_clean_version_is_kept_before_the_one_with_words(project: Project, save: Save) -> None:
    picture = ImageEnhance.Brightness(scene(3, (640, 480))).enhance(0.6)
    signed = marked(picture, "(c) somebody.example", (0.5, 0.92), 0.06, (255, 255, 255, 60))
    save("signed.png", signed)
    save("plain.jpg", picture, quality=92)
    (group,) = [event for event in run(project) if isinstance(event, events.Group)]
    assert Path(group.keep).name == "plain.jpg"
    assert group.why == "signed.png seems to have an overlay (text or a watermark)"
    assert "with an overlay" in group.details[1]


def test_crops_of_one_source_are_a_family_that_is_never_resolved(
    project: Project, save: Save
) -> None:
    picture = busy(1)
    save("whole.png", picture)
    save("left.jpg", picture.crop((20, 30, 420, 400)), quality=90)
    save("right.png", picture.crop((250, 100, 620, 470)).resize((555, 555)))
    save("other.png", busy(2))
    found = run(project, crops=True, resolve="keep-best")
    assert groups(found) == {("crop", "whole.png"): ["left.jpg", "right.png"]}
    (family,) = [event for event in found if isinstance(event, events.Group)]
    assert re.fullmatch(r"shows 4[789] % of it", family.details[1])
    assert re.fullmatch(r"shows 4[456] % of it, 1\.(49|5\d?) times as large", family.details[2])
    assert summary(found).items() >= {"crops": 1, "duplicates": 0, "excluded": 0, "edit": 0}.items()
    assert ("crop", "whole.png") not in groups(run(project))


def test_pairs_of_crops_are_looked_at_once(project: Project, save: Save) -> None:
    def details(found: list[events.Event]) -> dict[str, str]:
        (family,) = [event for event in found if isinstance(event, events.Group)]
        return {Path(p).suffix: d for p, d in zip(family.images, family.details, strict=True)}

    picture = busy(1)
    save("a.png", picture)
    save("b.jpg", picture.crop((20, 30, 420, 400)), quality=90)
    first = run(project, crops=True)
    assert "comparing crops" in stages(first)
    # The crop now comes first: what was seen is known from the other side as well.
    crop = project.dataset / "10_mochi" / "b.jpg"
    crop.rename(crop.with_name("0.jpg"))
    again = run(project, crops=True)
    assert details(again) == details(first)
    assert "comparing crops" not in stages(again)


def test_many_pictures_with_one_hash_are_told_apart(
    project: Project, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicate_groups, "_MANY", 4)
    monkeypatch.setattr(duplicate_groups, "_NEAREST", 2)
    for number in range(8):
        page = Image.new("RGB", (200, 200), "white")
        x, y = 30 + 40 * (number % 4), 40 + 80 * (number // 4)
        ImageDraw.Draw(page).rectangle((x, y, x + 20, y + 20), fill=(20, 20, 20))
        save(f"{number}.png", page)
        save(f"{number}s.png", page.resize((160, 160)))
    list(scan.run(project))
    with Index(project) as index:
        list(contents.hash_contents(index, index.usable()))
        list(hash_store.hash_pictures(index, index.usable()))
        with index.connection:
            index.connection.execute(
                "UPDATE perceptual_hashes SET upright=7, mirrored=-1, flipped=-1, turned=-1,"
                " middle=7, middle_mirrored=-1, middle_flipped=-1, middle_turned=-1"
            )
    assert groups(run(project)) == {("near", f"{n}.png"): [f"{n}s.png"] for n in range(8)}


def test_a_second_run_decodes_nothing(
    project: Project, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("a.png", scene(1))
    save("b.png", scene(1).resize((160, 120)))
    before = groups(run(project))

    def never(*_given: object) -> None:
        raise AssertionError("looked at again")

    for module, name in (
        (hash_store, "perceptual_hash"),
        (hash_store, "thumbnail"),
        (contents, "content_hash"),
    ):
        monkeypatch.setattr(module, name, never)
    monkeypatch.setattr(comparer, "compare", never)
    assert groups(run(project)) == before
    monkeypatch.undo()
    # A renamed copy is known by its content; a new picture is looked at.
    shutil.move(project.dataset / "10_mochi" / "b.png", project.dataset / "10_mochi" / "d.png")
    monkeypatch.setattr(hash_store, "perceptual_hash", never)
    assert groups(run(project)) == {("near", "a.png"): ["d.png"]}


def test_files_that_break_on_the_way_are_skipped(project: Project, save: Save) -> None:
    save("a.png", scene(1))
    gone = save("b.png", scene(2))
    # The header and the end are fine, the middle is not: only decoding tells.
    broken = save("c.png", scene(3))
    data = bytearray(broken.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    broken.write_bytes(data)
    list(scan.run(project))
    gone.unlink()
    found = list(dupes.run(project))
    skipped = {Path(e.path).name: e.reason for e in found if isinstance(e, events.Skipped)}
    assert set(skipped) == {"b.png", "c.png"}
    assert summary(found)["images"] == 1
    with Index(project) as index:
        row = index.get("dataset/10_mochi/c.png")
        assert row is not None
        assert row.error == skipped["c.png"]


def test_what_was_hashed_before_a_stop_is_kept(project: Project, save: Save) -> None:
    for number in range(40):
        save(f"{number}.png", scene(number, (64, 48)))
    list(scan.run(project))
    stream = cast(Generator[events.Event], dupes.run(project))
    for event in stream:
        if isinstance(event, events.Progress) and event.what == "hashing":
            break
    stream.close()
    with Index(project) as index:
        assert all(row.content for row in index.usable())
        assert len(hash_store.phashes(index)) >= 1
    assert summary(run(project))["images"] == 40


def test_an_empty_project_has_no_duplicates(project: Project) -> None:
    assert summary(run(project))["groups"] == 0


def test_filters_know_the_groups_that_were_found_last(project: Project, save: Save) -> None:
    picture = busy(1)
    save("a.png", picture)
    save("b.jpg", picture, quality=60)
    save("other.png", busy(2))
    run(project)
    with Index(project) as index:
        assert [Path(row.path).name for row in index.select("dup:yes")] == ["b.jpg"]
        assert [Path(row.path).name for row in index.select("dup:kept")] == ["a.png"]
    (project.dataset / "10_mochi" / "b.jpg").unlink()
    run(project)
    with Index(project) as index:
        assert index.select("dup:yes") == []
