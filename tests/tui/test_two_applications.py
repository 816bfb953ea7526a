"""Two applications on one project, as two terminals have them: neither loses what the other did."""

from collections.abc import Callable, Iterator

import pytest

from prep.dataset.index import Index
from prep.ops import scan
from prep.project import Project
from tests.conftest import MakeImage
from tests.tui.in_terminal import Application
from tests.tui.test_drafts import kept
from tests.waiting import wait_for

PATHS = ("dataset/10_mochi/a.png", "dataset/10_mochi/b.png")


Open = Callable[[], Application]
SAVE = "\x13"
"""ctrl+s"""


@pytest.fixture
def shared(project: Project, make_image: MakeImage) -> Project:
    make_image("10_mochi/a.png", 1, caption="cat")
    make_image("10_mochi/b.png", 2, caption="hat")
    list(scan.run(project))
    return project


@pytest.fixture
def start(shared: Project) -> Iterator[Open]:
    started: list[Application] = []

    def one() -> Application:
        started.append(Application(shared.root, "--images", "none"))
        started[-1].shows("saved")  # or unsaved: the caption is there to be edited
        return started[-1]

    yield one
    for each in started:
        each.end()


def caption(project: Project, path: str) -> str:
    return (project.root / path).with_suffix(".txt").read_text()


def excluded(project: Project) -> set[str]:
    with Index(project) as index:
        return {row.path for row in index.select("excluded:yes")}


def test_each_writes_its_own_and_the_second_is_asked(shared: Project, start: Open) -> None:
    first, second = start(), start()
    second.press("e2")
    wait_for(lambda: [draft.text for draft in kept(shared).values()] == ["cat2"])
    first.press("e1" + SAVE)
    wait_for(lambda: caption(shared, PATHS[0]) == "cat1")
    second.press(SAVE)
    second.shows("Changed by another program")
    assert caption(shared, PATHS[0]) == "cat1"
    second.press("\r")  # the first answer: write mine
    wait_for(lambda: caption(shared, PATHS[0]) == "cat2")
    second.press("\x1b")
    second.shows("COMMANDS")
    second.press("x")
    wait_for(lambda: excluded(shared) == {PATHS[0]})
    assert caption(shared, PATHS[1]) == "hat"


def test_undo_of_what_the_other_did_is_asked(shared: Project, start: Open) -> None:
    first, second = start(), start()
    first.press("jx")
    wait_for(lambda: excluded(shared) == {PATHS[1]})
    second.press("u")
    second.shows("not made in this session")
    assert excluded(shared) == {PATHS[1]}
    second.press("\r")  # the first answer: back
    second.press("x")
    wait_for(lambda: excluded(shared) == set(PATHS))
    second.press("u")
    wait_for(lambda: excluded(shared) == {PATHS[1]})


def test_one_that_is_killed_leaves_its_draft_to_the_other(shared: Project, start: Open) -> None:
    first, second = start(), start()
    first.press("e draft")
    wait_for(lambda: [draft.text for draft in kept(shared).values()] == ["cat draft"])
    first.end()
    second.press("x")
    wait_for(lambda: excluded(shared) == {PATHS[0]})
    third = start()
    third.press("e" + SAVE)
    wait_for(lambda: caption(shared, PATHS[0]) == "cat draft")
