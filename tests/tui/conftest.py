"""A calm terminal: no animation, true colours; style sheets are parsed once for all tests."""

from collections.abc import Iterator
from typing import Any

import pytest
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet

from tui.jobs import operations


@pytest.fixture(scope="session", autouse=True)
def _parsed_once() -> Iterator[None]:
    """Remember what style sheets say, for all applications of this process.

    Each parses the same sheets several times while it opens: a fifth of the time of a test.
    """
    parse, known = Stylesheet._parse_rules, dict[object, list[RuleSet]]()

    def parse_once(self: Stylesheet, css: str, *args: Any, **kwargs: Any) -> list[RuleSet]:
        key = (css, args, *sorted(kwargs.items()), *sorted(self._variables.items()))
        if key not in known:
            known[key] = parse(self, css, *args, **kwargs)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stylesheet, "_parse_rules", parse_once)
        yield


@pytest.fixture(autouse=True)
def _calm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture(params=[False, True], ids=["few images", "many images"])
def few_and_many(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at all images in a thread, and in a process of its own as for many."""
    if request.param:
        monkeypatch.setattr(operations, "MANY", 0)
