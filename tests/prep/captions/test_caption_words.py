"""Weights, globs, tags from options, differences: the small parts of caption work."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep import captions
from prep.captions.diff import DiffCounter, difference
from prep.captions.patterns import matcher, separate
from prep.captions.weights import unweighted
from tests.prep.caption_lines import SENTENCE, TAGS, texts


@given(st.text("()[]\\:.12ab ", max_size=14) | st.sampled_from(TAGS))
def test_weights_and_core_give_back_the_tag(tag: str) -> None:
    before, core, after = unweighted(tag)
    assert before + core + after == tag
    assert set(before) <= set("([")


@pytest.mark.parametrize("tag", [":)", ";)", "(o)_(o)", "poster (object)", r"\(a\)", "()", "a:1.2"])
def test_faces_and_names_have_no_weight(tag: str) -> None:
    assert unweighted(tag) == ("", tag, "")


def test_stars_match_and_nothing_else_is_a_pattern() -> None:
    unwanted = matcher(["*hat", "a.c", "*", "[b]*"])
    found = [
        tag for tag in ("hat", "red_Hat", "hats", "abc", "a.c", "*", "[b]x", "b") if unwanted(tag)
    ]
    assert found == ["hat", "red_Hat", "a.c", "*", "[b]x"]


def test_options_may_hold_several_tags() -> None:
    assert separate(["a, b", "c", "", "{a, b|c}", "x\ny"]) == ("a", "b", "c", "{a, b|c}", "x y")


@given(texts, texts)
def test_differences_are_those_of_the_tags(before: str, after: str) -> None:
    found = difference(before, after)
    old, new = captions.split(before), captions.split(after)
    assert set(found.added) == set(new) - set(old)
    assert set(found.removed) == set(old) - set(new)
    assert not (found.elsewhere and before == after)
    assert difference(before, before).elsewhere is False


def test_a_tally_counts_captions_by_tag() -> None:
    tally = DiffCounter()
    tally.add("a, b", "b, a")
    tally.add(None, "a")
    tally.add(f"a, {SENTENCE}", f"b, {SENTENCE}")
    assert tally.summary() == {
        "added": {"a": 1, "b": 1},
        "removed": {"a": 1},
        "created": 1,
        "only_order_or_spelling": 1,
        "sentences": 1,
    }
