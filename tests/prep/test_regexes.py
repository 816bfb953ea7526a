"""Regular expressions of users: as Python's, but none can hang the program."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep import captions, regexes
from prep.dataset.index import Index
from prep.editing.options import EditOptions
from prep.errors import ConfigError
from prep.ops import edit, scan
from prep.project import Project
from prep.regexes import Expression, PatternError
from tests.conftest import MakeImage

HOSTILE = "(a|aa)+$"
ENDLESS = "a" * 60 + "b"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regexes, "PATIENCE", 0.1)


@pytest.mark.parametrize(
    "search",
    [
        lambda: Expression(HOSTILE).search(ENDLESS),
        lambda: Expression(HOSTILE, ignore_case=True).sub("x", ENDLESS),
        lambda: Expression(HOSTILE).found(ENDLESS),
    ],
)
def test_a_pattern_without_end_is_stopped(search: Callable[[], object]) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"{HOSTILE} took too long")) as caught:
        search()
    assert "write a+" in caught.value.hint


def test_slow_texts_share_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a thousand captions do not take a thousand times as long."""
    monkeypatch.setattr(regexes, "_SLOW", 0.0)
    slow = Expression(HOSTILE)
    with pytest.raises(ConfigError):
        any(slow.search("a" * 16 + "b") for _ in range(1_000_000))
    usual = Expression("b$")
    monkeypatch.undo()
    assert all(usual.search(ENDLESS) for _ in range(20_000))


@pytest.mark.parametrize("pattern", ["(", "[z-a]", "a**", r"\q", "a{99999999999}", "(?P<n>a"])
def test_faults_say_where(pattern: str) -> None:
    with pytest.raises(PatternError) as caught:
        Expression(pattern)
    assert caught.value.position is None or 0 <= caught.value.position <= len(pattern)


@pytest.mark.parametrize("new", [r"\2", r"\g<none>", r"\q"])
def test_replacements_are_checked_before_anything_is_found(new: str) -> None:
    Expression("(a)").check(r"\1")
    Expression("(?x)(a) # one letter").check(r"\1")
    for pattern in ("(a)", "(?x)(a) # one letter", "^(a)|b$"):
        with pytest.raises(PatternError):
            Expression(pattern).check(new)


PATTERNS = [
    r"^(\w+) hair$", r"hat\b", r"\s+", r"(?i)LONG[ _]", r"^$", "^", r"\d+girls?", "a|b", r".*",
    r"(?P<first>\w)\w*", r"[^\w ]", "(?<=long )hair", r"\bx\b",
]  # fmt: skip


TEXTS = st.text(
    st.characters(min_codepoint=32, max_codepoint=126) | st.sampled_from("é少女のß\u3000\n\t")
)


@given(st.sampled_from(PATTERNS), st.sampled_from(["", r"\g<0>", "new, tag", "x"]), TEXTS)
def test_usual_patterns_mean_what_they_mean_in_python(pattern: str, new: str, text: str) -> None:
    for each in (text, f"long hair, {text} hat", "2girls"):
        ours, theirs = Expression(pattern), re.compile(pattern)
        assert ours.search(each) == (theirs.search(each) is not None)
        assert ours.sub(new, each) == theirs.sub(new, each)
        assert ours.found(each) == [match[0] for match in theirs.finditer(each)]


@pytest.fixture
def opened(project: Project, make_image: MakeImage) -> Project:
    make_image("10_mochi/a.png", 1, caption=f"mochi, {ENDLESS}")
    list(scan.run(project))
    return project


@pytest.mark.parametrize(
    "options",
    [
        {"regex": {HOSTILE: "x"}},
        {"regex": {HOSTILE: "x"}, "whole": True},
        {"find": [HOSTILE]},
        {"find": [HOSTILE], "whole": True},
        {"where": f"/{HOSTILE}/", "add": ["x"]},
        {"where": f"mochi and not /{HOSTILE}/", "add": ["x"]},
    ],
)
def test_edits_searches_and_filters_are_stopped(opened: Project, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="took too long"):
        list(edit.run(opened, EditOptions(**options)))
    assert captions.read(opened.dataset / "10_mochi/a.txt") == f"mochi, {ENDLESS}"


def test_rules_are_stopped(opened: Project) -> None:
    saved = opened.saved({"captions": {"regex": {HOSTILE: "x"}}})
    with pytest.raises(ConfigError, match="took too long"):
        list(edit.run(saved, EditOptions(rules=True)))


def test_the_index_goes_on_after_a_filter_was_stopped(opened: Project) -> None:
    with Index(opened) as index:
        with pytest.raises(ConfigError, match="took too long"):
            index.ids(f"/{HOSTILE}/")
        assert len(index.ids("/mochi/")) == 1


def test_an_interrupt_within_a_filter_is_an_interrupt(
    opened: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_self: Expression, _text: str) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(Expression, "search", interrupted)
    with Index(opened) as index, pytest.raises(KeyboardInterrupt):
        index.ids("/mochi/")
