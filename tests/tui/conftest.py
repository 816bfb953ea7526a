"""A calm terminal: no animation, true colours."""

import pytest

from tui.jobs import operations


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
