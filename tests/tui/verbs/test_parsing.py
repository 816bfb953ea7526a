"""Source text is parsed by one thread at a time: Python 3.11 cannot do more, and imports fail."""

import ast
from typing import Any

import pytest
from cyclopts import App

from prep.section import PARSING, Section
from tui.verbs.options import spec_of


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return, for each text that is parsed from now on, whether no other thread may do it."""
    found: list[bool] = []
    parse = ast.parse

    def parsed(*args: Any, **kwargs: Any) -> Any:
        found.append(PARSING._is_owned())  # type: ignore[attr-defined]
        return parse(*args, **kwargs)

    monkeypatch.setattr(ast, "parse", parsed)
    return found


def test_settings_are_made_one_at_a_time(alone: list[bool]) -> None:
    class Made(Section):
        rank: int = 1
        """Its size."""

    assert Made.model_fields["rank"].description == "Its size."
    assert alone
    assert all(alone)


def test_the_options_of_verbs_are_read_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    alone: list[bool] = []
    read = App.assemble_argument_collection

    def reading(*args: Any, **kwargs: Any) -> Any:
        alone.append(PARSING._is_owned())  # type: ignore[attr-defined]
        return read(*args, **kwargs)

    monkeypatch.setattr(App, "assemble_argument_collection", reading)
    assert spec_of.__wrapped__("lora verify").options
    assert alone == [True]
