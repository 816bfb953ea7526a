"""Lines are taken apart and put together again without loss, and keep their manner."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from prep import captions
from prep.captions import structure
from prep.captions.rewrite_tags import origins, sorted_line, sorted_tags, with_new_tags
from prep.captions.structure import (
    KEEP_MARK,
    LineParts,
    are_plain,
    plain_tags,
    split_lines,
    tags_of,
)
from tests.prep.caption_lines import SENTENCE, TAGS, structured, tag_lists, texts

ANY = st.text(st.characters(codec="utf-8")) | st.text(",{}|; \t.!ab", max_size=30) | texts


@given(ANY)
def test_pieces_give_back_the_line(text: str) -> None:
    pieces = LineParts.parse(text)
    assert pieces.text == text
    assert all(tag == tag.strip() != "" for tag in pieces.tags)
    assert len(pieces.gaps) == len(pieces.tags) + 1


@given(ANY)
def test_lines_give_back_the_text(text: str) -> None:
    head, line, rest = split_lines(text)
    assert head + line + rest == text
    assert not set(line) & set("\r\n")
    assert rest[:1] in ("", "\r", "\n")


@given(ANY)
def test_the_quick_way_finds_the_same_tags(text: str) -> None:
    line = split_lines(text)[1]
    plain = plain_tags(line)
    assert plain is None or plain == LineParts.parse(line).tags


@pytest.mark.parametrize(
    "tags",
    [
        ["1girl", "long hair"],
        ["hatsune miku with a leek", "hat"],
        ["kimi no na wa.", "少女"],
        ["a"],
    ],
)
def test_most_lines_go_the_quick_way(tags: list[str]) -> None:
    assert plain_tags(", ".join(tags)) == tags


@pytest.mark.parametrize("line", ["a,b", "a, ", "a ||| b", f"a, {SENTENCE}, b", "a;;;b", "{a}"])
def test_lines_with_structure_do_not(line: str) -> None:
    assert plain_tags(line) is None


def test_few_tags_are_remembered_as_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    remembered = set[str]()
    monkeypatch.setattr(structure, "_plain", remembered)
    monkeypatch.setattr(structure, "_REMEMBERED", 2)
    assert are_plain(["{a}"]) is False
    sizes = []
    for tag in "abcdef":
        assert are_plain([tag]) is are_plain([tag]) is True
        sizes.append(len(remembered))
    assert sizes == [1, 2, 3, 1, 2, 3]


@given(ANY)
def test_the_same_tags_give_the_same_bytes(text: str) -> None:
    assert captions.with_tags(text, captions.split(text)) == text


@given(texts, tag_lists)
def test_new_tags_are_all_there_and_other_lines_stay(text: str, tags: list[str]) -> None:
    changed = captions.with_tags(text, tags)
    assert sorted(captions.split(changed)) == sorted(tags)
    before, after = split_lines(text), split_lines(changed)
    assert (before[0], before[2]) == (after[0], after[2])


@given(structured(), st.data())
def test_taking_tags_out_changes_nothing_else(line: str, data: st.DataObject) -> None:
    tags = tags_of(line)
    kept = [tag for tag in tags if data.draw(st.booleans())]
    changed = with_new_tags(line, kept)
    assert tags_of(changed) == kept
    assert not kept or changed.count(KEEP_MARK) == line.count(KEEP_MARK)


@given(structured(), st.sampled_from(TAGS), st.booleans())
def test_sections_keep_their_tags_when_one_is_added(line: str, new: str, first: bool) -> None:
    old = LineParts.parse(line)
    assume(old.tags and new not in old.tags and len(set(old.tags)) == len(old.tags))
    assume(len(old.marks) <= 2)  # more have no meaning
    tags = [new, *old.tags] if first else [*old.tags, new]
    changed = LineParts.parse(with_new_tags(line, tags))
    was = dict(zip(old.tags, old.sections, strict=True))
    now = dict(zip(changed.tags, changed.sections, strict=True))
    assert {tag: now[tag] for tag in was} == was
    if not first:  # the end is kept by what stands there already
        assert now[new] == min(1, len(old.marks))


@pytest.mark.parametrize(
    ("line", "tags", "expected"),
    [
        ("a,b,c", ["a", "c"], "a,c"),
        ("a, b, c,", ["a", "b", "c", "d"], "a, b, c, d,"),
        ("a , b,c,d", ["a", "c", "d"], "a,c,d"),
        ("mochi ||| hat, bow", ["mochi", "bow", "hat"], "mochi ||| bow, hat"),
        ("1girl ||| hat, mochi", ["mochi", "1girl", "hat"], "mochi, 1girl ||| hat"),
        ("1girl ||| hat ||| best", ["1girl", "hat", "best", "new"], "1girl ||| hat, new ||| best"),
        ("1girl ||| hat ||| best", ["hat", "best"], "||| hat ||| best"),
        ("1girl|||hat|||best", ["1girl", "cap", "best"], "1girl|||cap|||best"),
        ("a |||", ["a", "b"], "a ||| b"),
        ("||| a", ["b", "a"], "b ||| a"),
        ("a;;;b;;;c, d", ["a", "c", "d"], "a;;;c, d"),
        ("a;;;b;;;c, d", ["x", "b", "c", "d"], "x;;;b;;;c, d"),
        ("d, a;;;b", ["a", "b", "d"], "a;;;b, d"),
        ("{a, b|c} hat, d", ["{a, b|c} hat", "x"], "{a, b|c} hat, x"),
        (f"mochi, {SENTENCE}", ["mochi", SENTENCE, "hat"], f"mochi, hat, {SENTENCE}"),
        (SENTENCE, [SENTENCE, "hat"], f"hat, {SENTENCE}"),
        (
            "mochi, hat. The bear sits on a beach, smiling.",
            ["mochi", "The bear sits on a beach, smiling."],
            "mochi. The bear sits on a beach, smiling.",
        ),
        (f"b, , {SENTENCE}", ["b", "hat", SENTENCE], f"b, hat, , {SENTENCE}"),
        (f"a, , {SENTENCE}, b", ["b", SENTENCE], f"b, , {SENTENCE}"),
        ("b,", ["hat", SENTENCE], f"hat, {SENTENCE},"),  # nothing of the old line is left
        ("b,", [SENTENCE, "hat"], f"{SENTENCE}, hat,"),
        ("b, , d", ["b", "e"], "b, , e"),
        ("b;;;e", ["e", "b"], "e;;;b"),
        ("|||a", ["a", "b"], "|||a, b"),
        ("c|||b", ["b", "d"], "|||b, d"),
        ("a||||_|", ["a", "|_|", "b"], "a||| |_|, b"),  # a tag that would blur the mark
        ("||| c", ["|_|"], "||| |_|"),
        ("x;;;;b", ["d", ";b"], "d;;; ;b"),
        ("||| |||", ["b"], "b ||| |||"),
        ("a ||| b ||| c", [], ""),
        (" , ", ["a"], "a"),
    ],
)
def test_a_line_keeps_its_manner(line: str, tags: list[str], expected: str) -> None:
    assert with_new_tags(line, tags) == expected


@pytest.mark.parametrize("tag", TAGS)
def test_each_of_these_is_one_tag(tag: str) -> None:
    assert tags_of(f"a, {tag}, b") == ["a", tag, "b"]


def test_line_ends_are_those_of_python_and_kept() -> None:
    for end in ("\n", "\r\n", "\r"):
        text = f"a, b{end}A sentence.{end}"
        assert captions.split(text) == ["a", "b"]
        assert captions.with_tags(text, ["c"]) == f"c{end}A sentence.{end}"
    assert captions.split("a\x0bb, c\u2028d") == ["a\x0bb", "c\u2028d"]


@pytest.mark.parametrize("mark", ["|||", ";;;"])
def test_a_mark_ends_a_sentence(mark: str) -> None:
    before, after = "a bear sits on a chair in the old house", "looking at the sea"
    assert tags_of(f"hat, {before}, {after}, bow") == ["hat", f"{before}, {after}", "bow"]
    assert tags_of(f"hat, {before}{mark}{after}, bow") == ["hat", before, after, "bow"]


def test_marks_and_gaps_at_the_ends_of_a_line_say_nothing_of_those_between() -> None:
    assert LineParts.parse(";;;a;;;b, c").groups == [0, 0, 2]
    assert LineParts.parse(",a, b").habit == ", "
    assert LineParts.parse("a, b,").habit == ", "
    assert LineParts.parse("a,b ||| c, d").habit == ","  # the first one of two that are as usual


def test_renamed_tags_are_found_where_they_were() -> None:
    assert origins(["a", "b", "c"], ["a", "x", "c"]) == [0, 1, 2]
    assert origins(["a", "b", "c"], ["x", "y", "c"]) == [0, 1, 2]
    assert origins(["a", "b"], ["a", "b", "c"]) == [0, 1, -1]
    assert origins(["a", "b"], ["x", "b", "a"]) == [-1, 1, 0]
    assert origins(["a", "b"], ["x", "a", "y"]) == [-1, 0, 1]


def test_sorting_moves_loose_tags_only() -> None:
    line = "z, y ||| c, b;;;x, a ||| 2, 1"
    assert sorted_line(line, captions.key) == "z, y ||| a, b;;;x, c ||| 2, 1"
    line = f"c, b, {SENTENCE}, z, a"
    assert sorted_line(line, captions.key) == f"b, c, {SENTENCE}, a, z"
    assert sorted_tags(captions.split(line), captions.key) == ["b", "c", SENTENCE, "a", "z"]
    assert sorted_tags([SENTENCE], captions.key) == [SENTENCE]


@given(structured())
def test_sorting_loses_nothing_and_twice_is_once(line: str) -> None:
    once = sorted_line(line, captions.key)
    old, new = LineParts.parse(line), LineParts.parse(once)
    assert sorted(new.tags) == sorted(old.tags)
    assume(len(set(old.tags)) == len(old.tags))
    assert sorted_line(once, captions.key) == once
    pairs = zip(old.tags, old.sections, strict=True)
    assert sorted(pairs) == sorted(zip(new.tags, new.sections, strict=True))
