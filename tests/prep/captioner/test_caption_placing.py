"""Where descriptions stand in captions, and what becomes of those that are there."""

from collections.abc import Callable, Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep import captions
from prep.captioner.answers import one_line
from prep.captioner.placing import DescriptionMode, Placed, in_file, in_line, joined, with_trigger
from prep.captioner.prompts import check, fill
from prep.errors import ConfigError

NEW = "A bear sits on the beach, smiling."
OLD = "A small bear stands in the rain."
TAGS = st.lists(
    st.sampled_from(["mochi", "1girl", "red hat", "^_^", "poster (object)"]), max_size=4
)
Placer = Callable[[str | None, str, Collection[str], DescriptionMode], Placed]
MODES: tuple[DescriptionMode, ...] = ("merge", "missing", "overwrite")


@pytest.mark.parametrize("place", [in_line, joined, in_file])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("text", [None, "", " \n"])
def test_without_a_caption_the_description_is_all(
    place: type, mode: DescriptionMode, text: str | None
) -> None:
    assert place(text, NEW, (), mode).text == NEW


@given(TAGS, st.sampled_from(["\n", "\r\n"]), st.sampled_from(MODES))
def test_tags_and_other_lines_stay(tags: list[str], newline: str, mode: DescriptionMode) -> None:
    text = ", ".join(tags) + newline + OLD + newline + "my own third line" + newline
    found = in_line(text, NEW, [OLD], mode)
    assert found.text == (text if mode == "missing" else text.replace(OLD, NEW))
    assert captions.split(found.text or "") == captions.split(text)
    assert not found.by_hand


@given(TAGS.filter(bool), st.sampled_from(MODES))
def test_placing_twice_is_placing_once(tags: list[str], mode: DescriptionMode) -> None:
    for place in (in_line, joined, in_file):
        once = place(", ".join(tags), NEW, (), mode)
        assert place(once.text, NEW, [NEW], mode) == once
        # Also when what was written has been forgotten.
        assert place(once.text, NEW, (), mode).text == once.text


def test_what_somebody_wrote_stays_unless_it_is_to_be_overwritten() -> None:
    text = "mochi, hat\nMy own words.\nAnd more."
    assert in_line(text, NEW, [OLD], "merge").by_hand
    assert in_line(text, NEW, [OLD], "overwrite").text == f"mochi, hat\n{NEW}\nAnd more."
    text = "mochi, hat, This is a bear that I like, truly.\nline"
    assert joined(text, NEW, [OLD], "merge").by_hand
    assert joined(text, NEW, [OLD], "missing").text == text
    assert joined(text, NEW, [OLD], "overwrite").text == f"mochi, hat, {NEW}\nline"
    assert in_file("My own.", NEW, [OLD], "merge").by_hand
    assert in_file("My own.", NEW, [OLD], "overwrite").text == NEW


def test_a_newer_description_takes_the_place_of_the_older_one() -> None:
    assert joined(f"mochi, {OLD}\nx", NEW, [OLD[:12], OLD], "merge").text == f"mochi, {NEW}\nx"
    assert in_file(OLD + "\n", NEW, [OLD], "merge").text == NEW


def test_marks_and_the_end_of_a_line_are_left_in_order() -> None:
    assert joined("mochi ||| hat,", NEW, (), "merge").text == f"mochi ||| hat, {NEW}"
    assert in_line("\ufeffmochi\r\n", NEW, (), "merge").text == f"\ufeffmochi\r\n{NEW}\r\n"


def test_the_trigger_word_comes_first_where_it_is_missing() -> None:
    assert with_trigger(NEW, "") == NEW
    assert with_trigger("Mochi sits.", "mochi") == "Mochi sits."


@given(st.text(), st.booleans())
def test_an_answer_becomes_one_line(answer: str, cut: bool) -> None:
    line = one_line(answer, cut=cut)
    assert len(line.splitlines()) <= 1
    assert line == line.strip()


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ("```text\nA bear.\n```", "A bear."),
        ("“A bear.”", "A bear."),
        ('"A" is not "B"', '"A" is not "B"'),
        ("<thinking>so\nso</thinking> A bear.", "A bear."),
        ("<think>never ends", ""),
        ("A\tbear\n\n sits\u2028there.\x00", "A bear sits there."),
    ],
)
def test_what_models_put_around_an_answer_goes(answer: str, line: str) -> None:
    assert one_line(answer) == line


def test_half_a_sentence_goes_when_there_is_a_whole_one() -> None:
    assert one_line("熊がいる。帽子を", cut=True) == "熊がいる。"
    assert one_line("A bear with", cut=True) == "A bear with"


def test_lines_without_values_are_left_out() -> None:
    template = "Look.\nTags: {tags}\n{trigger} of {concept}\n{not a field}"
    empty = {"tags": "", "trigger": "", "concept": "", "name": ""}
    assert fill(template, empty) == "Look.\n{not a field}"
    assert fill(template, empty | {"concept": "x"}) == "Look.\n of x\n{not a field}"


def test_unknown_placeholders_are_named() -> None:
    with pytest.raises(ConfigError, match=r"unknown placeholder \{tag\}") as caught:
        check("Tags: {tag}")
    assert "{tags}" in caught.value.hint
    with pytest.raises(ConfigError, match="empty"):
        check(" \n")
