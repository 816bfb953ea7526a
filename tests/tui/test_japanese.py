"""The application in Japanese: pictures of screens. Update: pytest tests/tui --snapshot-update."""

from collections.abc import Iterator
from typing import Any

import pytest

from prep import language
from prep.project import Project
from tests.tui.driving import Opened
from tests.tui.test_snapshots import at, pictured
from tui.app import ShikomiApp

__all__ = ["pictured"]


@pytest.fixture(autouse=True)
def _japanese() -> Iterator[None]:
    language.use("ja")
    yield
    language.use("en")


async def keys(opened: Opened) -> None:
    await opened.press("?")


@pytest.mark.parametrize(
    ("mode", "size", "then"),
    [
        ("images", (80, 24), None),
        ("images", (160, 50), keys),
        ("plan", (80, 24), None),
        ("train", (160, 50), None),
    ],
    ids=["images", "help", "plan", "train"],
)
def test_screens_in_japanese(
    pictured: Project,
    snap_compare: Any,
    mode: str,
    size: tuple[int, int],
    then: Any,
) -> None:
    app = ShikomiApp(pictured)
    assert snap_compare(app, terminal_size=size, run_before=at(mode, then))
