"""Groups of training images agree with what ``shikomi buckets`` counts one by one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from prep import events
from prep.dataset import stored_crops, training_parts
from prep.dataset.index import Index
from prep.dataset.journal.changes import crop_change, exclusion
from prep.dataset.journal.edits import Journal
from prep.images.crops import Box, Rect
from prep.ops import buckets, scan
from prep.project import Project
from prep.training_set.bucket_groups import Group, groups

MakeImage = Callable[..., Path]


@pytest.fixture
def mixed(project: Project, make_image: MakeImage) -> Project:
    """Images of several shapes; two crops, an exclusion, a broken file, an unreadable caption."""
    sizes = [(512, 512), (600, 600), (640, 384), (300, 300), (1400, 480), (512, 512), (640, 384)]
    for number, size in enumerate(sizes):
        make_image(f"10_mochi/{number}.png", number, size)
    make_image("2_hats/10.png", 10, (512, 512))
    make_image("2_hats/9.png", 9, (384, 640))
    make_image("2_hats/odd.png", 11, (512, 512))
    (project.dataset / "2_hats" / "odd.txt").write_bytes(b"\xff\xfe\x00\xd8broken")
    (project.dataset / "2_hats" / "bad.png").write_bytes(b"no picture")
    list(scan.run(project))
    with Index(project) as index:
        Journal(index).apply(
            "prepare",
            [
                exclusion("dataset/10_mochi/5.png", None, "by hand"),
                crop_change(
                    "dataset/10_mochi/1.png", (), (Box(0, 0, 0.5, 0.5), Box(0, 0.1, 1, 0.6))
                ),
            ],
        )
    return project


def found(project: Project) -> tuple[training_parts.TrainingParts, list[Group], dict[int, str]]:
    with Index(project) as index:
        parts = training_parts.read(index)
        return parts, groups(project.buckets, parts), index.paths(parts.ids.tolist())


def test_the_groups_are_those_of_the_verb(mixed: Project) -> None:
    parts, made, paths = found(mixed)
    told = [each for each in buckets.run(mixed) if isinstance(each, events.Bucket)]
    expected = {(each.width, each.height): each.images for each in told}
    assert len(expected) >= 4
    in_order = {
        each.bucket: [paths[number] for number in parts.ids[each.places].tolist()]
        for each in made
        if each.kind == "bucket"
    }
    assert in_order == expected
    ratios = [size[0] / size[1] for size in in_order if size]
    assert ratios == sorted(ratios)


def test_training_images_come_in_the_order_of_the_list(mixed: Project) -> None:
    parts, _, paths = found(mixed)
    with Index(mixed) as index:
        usable = [row for row in index.usable() if row.caption_error is None]
    names = [paths[number] for number in parts.ids.tolist()]
    assert list(dict.fromkeys(names)) == [row.path for row in usable]
    folders = [parts.folders[place] for place in parts.folder_of.tolist()]
    assert folders == [mixed.concept_folder(name) for name in names]
    assert parts.folders == ("2_hats", "10_mochi")


def test_crops_stand_for_their_image(mixed: Project) -> None:
    parts, _, paths = found(mixed)
    crops = {
        (paths[int(parts.ids[place])], rect, parts.sizes[parts.size_of[place]])
        for place, rect in parts.crops.items()
    }
    name = "dataset/10_mochi/1.png"
    assert crops == {
        (name, Rect(0, 0, 300, 300), (300, 300)),
        (name, Rect(0, 60, 600, 420), (600, 360)),
    }


def test_what_wants_a_decision_is_listed_first(mixed: Project) -> None:
    parts, made, paths = found(mixed)

    def names(kind: str) -> list[str]:
        (group,) = (each for each in made if each.kind == kind)
        return [paths[number].rpartition("/")[2] for number in parts.ids[group.places].tolist()]

    assert [each.kind for each in made if each.kind != "bucket"] == [
        "all",
        "enlarged",
        "cut",
        "alone",
        "cropped",
    ]
    assert names("enlarged") == ["1.png", "3.png"]
    assert names("cut") == ["4.png"]
    assert names("alone") == ["9.png", "4.png"]
    lonely = {each.bucket: each.usual for each in made if each.lonely}
    assert lonely == {(384, 640): (512, 512), (832, 256): (640, 384)}


def test_a_choice_of_images_narrows_groups_and_not_what_is_lonely(mixed: Project) -> None:
    parts, made, paths = found(mixed)
    wanted = np.array([paths[number].endswith("/0.png") for number in parts.ids.tolist()])
    narrowed = {each.bucket: each.among(wanted) for each in made if each.kind == "bucket"}
    assert len(narrowed[(512, 512)]) == 1
    assert not narrowed[(512, 512)].lonely


def test_what_is_written_is_read_again(mixed: Project, make_image: MakeImage) -> None:
    with Index(mixed) as index:
        first = training_parts.read(index)
        assert training_parts.read(index) is first
        with Index(mixed) as other:  # another connection, and the database of the user's work
            stored = stored_crops.of_image(other.connection, "dataset/10_mochi/1.png")
            Journal(other).apply("crop", [crop_change("dataset/10_mochi/1.png", stored, ())])
        second = training_parts.read(index)
        assert (len(first), len(second)) == (9, 8)
        Journal(index).apply("out", [exclusion("dataset/2_hats/9.png", None, "by hand")])
        assert len(training_parts.read(index)) == 7
        make_image("2_hats/new.png", 30)
        list(scan.run(mixed))
        assert len(training_parts.read(index)) == 8


def test_an_empty_dataset_has_one_empty_group(project: Project) -> None:
    list(scan.run(project))
    _, made, _ = found(project)
    assert [(each.kind, len(each)) for each in made] == [("all", 0)]
