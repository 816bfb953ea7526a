"""Finding a tagger's files, and reading its table of tags."""

from pathlib import Path

import numpy as np
import pytest

from prep.errors import UserError
from prep.tagging.models.obtain import find, read_table
from prep.tagging.scores.thresholds import Thresholds
from tests.prep.tiny_taggers import ODD_NAMES, TAGS, make_tagger, write_table


def test_the_table_keeps_odd_names_exactly(tmp_path: Path) -> None:
    write_table(tmp_path / "table.csv", TAGS)
    text = (tmp_path / "table.csv").read_text()
    assert '"don\'t_say_""lazy"""' in text  # needs a real CSV reader, as the public table does
    table = read_table(tmp_path / "table.csv")
    assert table.names == tuple(tag.name for tag in TAGS)
    assert set(ODD_NAMES) <= set(table.names)


def test_categories_decide_and_not_positions(tmp_path: Path) -> None:
    shuffled = (TAGS[-1], TAGS[5], *TAGS[:4], TAGS[6])
    write_table(tmp_path / "table.csv", shuffled)
    table = read_table(tmp_path / "table.csv")
    assert table.ratings.tolist() == [2, 3, 4, 5]
    limits = Thresholds(general=0.25, character=0.75).limits(table)
    assert limits.tolist() == [0.75, 0.25, *[np.inf] * 4, 0.25]


def test_more_columns_a_byte_order_mark_and_other_categories_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("\ufeffid,tag_id,name,category,count,ips\n1,2,cat,0,3,[]\n2,3,who,3,3,[]\n")
    table = read_table(path)
    assert table.names == ("cat", "who")
    assert Thresholds(0.5, 0.9).limits(table).tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "has no columns name and category"),
        ("tag,score\na,1\n", "has no columns name and category"),
        ("tag_id,name,category,count\n", "does not list any tags"),
        (
            "tag_id,name,category,count\n1,a,0,9\n2,b,general,9\n",
            "line 3: the name or the category number is missing",
        ),
        ("tag_id,name,category,count\n1,,0,9\n", "line 2: the name"),
        ("tag_id,name,category,count\n1,a\n", "line 2: the name or the category number is missing"),
        ('tag_id,name,category,count\n1,"a,b",0,9\n', "line 2: 'a,b' cannot be a tag"),
        ('tag_id,name,category,count\n1,"a"b,0,9\n', "cannot be read"),
    ],
)
def test_a_bad_table_is_refused_with_its_place(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "selected_tags.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=fault):
        read_table(path)


def test_a_table_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "selected_tags.csv"
    path.write_bytes(b"name,category\n\xff\xfe,0\n")
    with pytest.raises(UserError, match="cannot be read"):
        read_table(path)


def test_a_folder_is_found_from_the_project_too(tmp_path: Path) -> None:
    make_tagger(tmp_path / "model" / "mine")
    files = find("model/mine", tmp_path)
    assert files.name == "mine"
    assert files.model.is_file()


@pytest.mark.parametrize("part", ["model.onnx", "selected_tags.csv"])
def test_a_folder_without_one_of_the_files_is_no_tagger(tmp_path: Path, part: str) -> None:
    folder = make_tagger(tmp_path / "tagger")
    (folder / part).unlink()
    with pytest.raises(UserError, match=f"is not a known kind of tagger: it has no {part}"):
        find(str(folder), tmp_path)


@pytest.mark.parametrize("model", ["./missing", "/missing/tagger", "no-such-folder", "a/b/c/"])
def test_what_cannot_be_on_the_hub_is_a_missing_folder(tmp_path: Path, model: str) -> None:
    with pytest.raises(UserError, match="There is no folder") as caught:
        find(model, tmp_path)
    assert "demo" in caught.value.hint


def test_no_choice_is_told_with_examples(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No tagger was chosen") as caught:
        find("", tmp_path)
    assert "shikomi models" in caught.value.hint


def test_the_key_follows_the_content_of_both_files(tmp_path: Path) -> None:
    first = make_tagger(tmp_path / "first")
    key = find(str(first), tmp_path).key()
    assert find(str(make_tagger(tmp_path / "copy")), tmp_path).key() == key
    write_table(first / "selected_tags.csv", TAGS[::-1])
    assert find(str(first), tmp_path).key() != key
