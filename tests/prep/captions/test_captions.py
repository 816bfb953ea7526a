import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep import captions
from prep.captions.patterns import matcher
from prep.errors import UnreadableError

# Without marks and sentences, which tests/prep/captions/test_caption_text.py has.
TAG = st.text(
    st.characters(
        blacklist_characters=",{}|;.!?…。！？\ufeff", blacklist_categories=("Cs", "Cc", "Z")
    ),
    min_size=1,
)
TAGS = st.lists(TAG, max_size=8)


@given(TAGS)
def test_tags_survive_a_round_trip(tags: list[str]) -> None:
    assert captions.split(captions.SEPARATOR.join(tags)) == tags


@given(TAGS, TAGS, st.text(st.characters(codec="utf-8")))
def test_changing_tags_keeps_all_other_lines(old: list[str], new: list[str], rest: str) -> None:
    text = ", ".join(old) + "\n" + rest
    changed = captions.with_tags(text, new)
    assert captions.split(changed) == new
    assert changed.partition("\n")[2] == rest


def test_windows_line_ends_are_kept() -> None:
    assert captions.with_tags("a, b\r\nA sentence.\r\n", ["c"]) == "c\r\nA sentence.\r\n"
    assert captions.split("a, b\r\n") == ["a", "b"]


def test_a_byte_order_mark_is_no_part_of_a_tag() -> None:
    assert captions.split("\ufeffmochi, hat") == ["mochi", "hat"]
    assert captions.with_tags("\ufeffmochi, hat", ["mochi", "hat"]) == "\ufeffmochi, hat"


@pytest.mark.parametrize("tag", ["poster (object)", r"poster \(object\)", ":d", "re:zero", "^_^"])
def test_brackets_backslashes_and_faces_stay_one_tag(tag: str) -> None:
    assert captions.split(f"a, {tag}, b") == ["a", tag, "b"]


@given(TAGS, TAGS)
def test_adding_twice_is_adding_once(tags: list[str], new: list[str]) -> None:
    once = captions.add(tags, new)
    assert captions.add(once, new) == once
    assert once[: len(tags)] == tags


@given(TAGS, TAGS)
def test_what_is_removed_is_gone_in_every_spelling(tags: list[str], unwanted: list[str]) -> None:
    left = captions.remove([*tags, "Long_Hair"], [*unwanted, "long hair"])
    assert not {captions.key(t) for t in left} & {captions.key(t) for t in unwanted}
    assert "Long_Hair" not in left


def test_replacing_keeps_the_place_and_makes_no_doubles() -> None:
    assert captions.replace(["a", "cat", "b"], "CAT", "kitten") == ["a", "kitten", "b"]
    assert captions.replace(["cat", "kitten"], "cat", "kitten") == ["kitten"]
    assert captions.replace(["cat", "b"], "cat", "") == ["b"]
    assert captions.replace(["B", "b"], "cat", "dog") == ["B", "b"]


@given(TAGS, TAGS)
def test_moving_first_loses_nothing(tags: list[str], leaders: list[str]) -> None:
    moved = captions.move_first(captions.unique(tags), leaders)
    assert sorted(moved) == sorted(captions.unique(tags))


def test_replacing_a_tag_by_itself_changes_nothing() -> None:
    assert captions.replace(["a", "cat", "A", "cat"], "cat", "cat") == ["a", "cat", "A", "cat"]
    assert captions.replace(["a", "cat", "A"], "cat", "dog") == ["a", "dog", "A"]
    assert captions.replace(["a", "Cat", "A"], "cat", "cat") == ["a", "cat", "A"]


@given(TAGS, TAGS)
def test_replacing_touches_no_other_tag(tags: list[str], new: list[str]) -> None:
    for old, other in zip(tags, new, strict=False):
        changed = captions.replace(tags, old, other)
        concerned = {captions.key(old), captions.key(other)}
        assert [tag for tag in changed if captions.key(tag) not in concerned] == [
            tag for tag in tags if captions.key(tag) not in concerned
        ]


def test_both_forms_of_an_accent_are_one_tag() -> None:
    parted = unicodedata.normalize("NFD", "Café")
    assert captions.key(parted) == captions.key("café")
    assert captions.unique(["café", parted, "hat"]) == ["café", "hat"]
    assert captions.remove([parted], ["café"]) == []
    assert matcher(["caf*é"])(parted)


def test_escaped_brackets_are_another_spelling() -> None:
    assert captions.key(r"saber \(fate\)") == captions.key("Saber_(fate)")
    assert captions.key(r"\m/") == r"\m/"


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captions, "REMEMBERED", 3)
    asked: list[str] = []

    def ask(tag: str) -> str:
        asked.append(tag)
        return tag.upper()

    memory = captions.TagCache(ask)
    assert [memory[tag] for tag in "aabcabc"] == list("AABCABC")
    assert asked == ["a", "b", "c"]
    assert [memory[tag] for tag in "dad"] == list("DAD")
    assert asked == ["a", "b", "c", "d", "a"]
    assert set(memory) == {"a", "d"}


def test_reading(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    assert captions.read(file) is None
    file.write_bytes("héllo, 日本\r\nx".encode())
    assert captions.read(file) == "héllo, 日本\r\nx"


def test_what_is_too_large_for_a_caption_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(captions.LARGEST * b"x")
    assert len(captions.read(file) or "") == captions.LARGEST
    file.write_bytes((captions.LARGEST + 1) * b"x")
    with pytest.raises(UnreadableError, match=r"a\.txt: the caption is larger than 1 MiB"):
        captions.read(file)


def test_what_is_not_utf8_is_named_and_not_guessed(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes("h\u00e9llo".encode("latin-1"))
    with pytest.raises(UnreadableError, match=r"a\.txt: the caption is not UTF-8") as caught:
        captions.read(file)
    assert "UTF-8" in caught.value.hint
    with pytest.raises(UnreadableError, match="cannot be read"):
        captions.read(tmp_path)
