from pathlib import Path

import pytest
from PIL import Image

from prep import captions
from prep.dataset.index import ImageRow, Index
from prep.editing.one_caption import TagOrigin, TagOrigins, moved_tag, without_tag
from prep.ops import edit, scan, tag
from prep.project import Project
from tests.prep.tiny_taggers import make_tagger


def the_row(index: Index) -> ImageRow:
    (row,) = index.select()
    return row


def test_each_layer_is_named(project: Project, tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), (255, 0, 0)).save(project.dataset / "10_mochi" / "a.png")
    project = project.saved(
        {
            "concepts": {"10_mochi": {"trigger": "mochi"}},
            "captions": {"replace": {"red sky": "crimson"}},
        }
    )
    list(scan.run(project))
    tagger = make_tagger(tmp_path / "tiny")
    list(tag.run(project, tag.TagOptions(model=str(tagger), device="cpu", threads=1)))
    list(edit.run(project, edit.EditOptions(rules=True, add=("by me",))))
    with Index(project) as index:
        found = {each.tag: each for each in TagOrigins(index).of(the_row(index))}
    assert found["mochi"] == TagOrigin("mochi", "rule")
    assert found["crimson"] == TagOrigin("crimson", "rule")
    assert found["by me"] == TagOrigin("by me", "hand")
    by_tagger = [each for each in found.values() if each.origin == "tagger"]
    assert by_tagger
    assert all(each.score is not None and 0 < each.score <= 1 for each in by_tagger)


def test_what_was_never_tagged_is_by_hand(project: Project) -> None:
    file = project.dataset / "10_mochi" / "a.png"
    Image.new("RGB", (40, 40)).save(file)
    text = "hat, A bear in a red hat sits on the beach, smiling."
    file.with_suffix(".txt").write_text(text, "utf-8")
    list(scan.run(project))
    with Index(project) as index:
        found = TagOrigins(index).of(the_row(index))
    assert [each.origin for each in found] == ["hand", "sentence"]


TEXTS = ["a, b, c, d", "a ||| b,c;;;d", "﻿a, b, c, d\r\nSecond, line.", "a,b, c ,d,"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("place", range(4))
def test_a_tag_goes_and_everything_else_stays(text: str, place: int) -> None:
    left = without_tag(text, place)
    tags = captions.split(text)
    assert captions.split(left) == tags[:place] + tags[place + 1 :]
    assert left.startswith("﻿") == text.startswith("﻿")
    assert left.partition("\r\n")[1:] == text.partition("\r\n")[1:]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("to", range(4))
def test_a_moved_tag_stands_where_it_was_put(text: str, place: int, to: int) -> None:
    tags = captions.split(text)
    moved = tags.pop(place)
    tags.insert(to, moved)
    assert captions.split(moved_tag(text, place, to)) == tags
