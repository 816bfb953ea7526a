"""What keys do not wait for: garbage, and stylesheets that were parsed already."""

import gc
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from rich.segment import Segment
from textual.css import parse as parsing
from textual.css import stylesheet
from textual.css.model import RuleSet
from textual.css.types import CSSLocation
from textual.strip import Strip

from prep.project import Project
from tests.tui.driving import running
from tui import garbage


@pytest.fixture
def held() -> Iterator[None]:
    with garbage.held_back():
        yield


def test_all_is_gone_through_only_at_rest(held: None) -> None:
    garbage.settle()
    assert gc.isenabled()
    assert gc.get_freeze_count()
    gc.collect()
    seen: list[int] = []
    gc.callbacks.append(lambda phase, told: seen.append(told["generation"]))
    try:
        for _ in range(20 * gc.get_threshold()[1]):  # Python would go through all of it
            gc.collect(0)
            gc.collect(1)
        garbage.collect_at_rest()
        garbage.collect_at_rest()  # not due again
    finally:
        gc.callbacks.pop()
    assert seen.count(2) == 2  # begun and ended, once


def test_nothing_is_held_back_elsewhere() -> None:
    with garbage.held_back():
        pass
    assert gc.isenabled()
    garbage.settle()
    assert not gc.get_freeze_count()


def test_a_line_goes_with_its_last_user() -> None:
    garbage.free_lines()
    line = Strip([Segment("abc"), Segment("def")])
    assert [part.text for part in line.divide([2, 6, 9])] == ["ab", "cdef"]
    assert list(line.divide([6])) == [line]
    gc.collect()
    gc.disable()
    try:
        lines = _lines()
        del line
        assert _lines() == lines - 3  # its two parts as well
    finally:
        gc.enable()


def _lines() -> int:
    return sum(type(each) is Strip for each in gc.get_objects())


async def test_styles_are_parsed_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[tuple[object, ...]] = []
    parse = parsing.parse

    def noted(scope: str, css: str, read_from: CSSLocation, **more: Any) -> Iterable[RuleSet]:
        parsed.append((scope, css, read_from, more["tie_breaker"]))
        return parse(scope, css, read_from, **more)

    monkeypatch.setattr(stylesheet, "parse", noted)
    async with running(project) as opened:
        for mode in ("plan", "tag"):
            await opened.go(mode)
        assert len(parsed) == len(set(parsed))
