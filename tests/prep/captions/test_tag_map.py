"""Changes that look at each tag alone."""

from hypothesis import given
from hypothesis import strategies as st

from prep.captions.diff import DiffCounter
from prep.captions.structure import SEPARATOR, are_plain, plain_tags
from prep.captions.tag_map import TagMap
from tests.prep.caption_lines import SENTENCE, TAGS, tag_lists

WORDS = ["a", "b", "c", "d"]
TABLES = st.dictionaries(st.sampled_from(WORDS), st.lists(st.sampled_from(WORDS), max_size=3))


@given(TABLES, st.lists(st.lists(st.sampled_from(WORDS), max_size=6), max_size=4))
def test_each_tag_becomes_what_the_function_says(
    table: dict[str, list[str]], captions: list[list[str]]
) -> None:
    asked: list[str] = []

    def becomes(tag: str) -> list[str]:
        asked.append(tag)
        return table.get(tag, [tag])

    change = TagMap(becomes)
    for tags in captions:
        assert change(tags) == [new for tag in tags for new in table.get(tag, [tag])]
    assert len(asked) == len(set(asked))


@given(st.lists(st.sampled_from([*TAGS, SENTENCE, "a girl with a hat", "", " x"]), max_size=6))
def test_plain_is_the_same_whatever_was_seen_before(pieces: list[str]) -> None:
    line = SEPARATOR.join(pieces)
    first = plain_tags(line)
    assert plain_tags(line) == first
    if are_plain(pieces):
        assert first == (pieces or None)
    assert SENTENCE not in (first or [])


@given(st.lists(st.tuples(tag_lists, tag_lists), max_size=5))
def test_tags_are_counted_as_texts_are(changes: list[tuple[list[str], list[str]]]) -> None:
    plain = [pair for pair in changes if all(map(are_plain, pair))]
    by_text, by_tags = DiffCounter(), DiffCounter()
    for before, after in plain:
        by_text.add(SEPARATOR.join(before), SEPARATOR.join(after))
        by_tags.add_tags(before, after)
    assert by_text.summary() == by_tags.summary()
