"""Interrupted edits are finished when a project is opened; those of others are shown."""

import pytest

from prep.dataset.index import Index
from prep.ops import scan
from prep.project import Project
from tests.conftest import MakeImage
from tests.tui.driving import running
from tui.dialogs.question import Question


@pytest.mark.parametrize("foreign", [False, True])
async def test_opening_a_project_with_an_interrupted_edit(
    project: Project, make_image: MakeImage, foreign: bool
) -> None:
    image = make_image("10_mochi/a.png", 1, caption="mochi")
    list(scan.run(project))
    with Index(project) as index, index.connection:
        index.connection.execute("INSERT INTO work.edits VALUES(1, 0.0, 'add hat', 'pending', '')")
        index.connection.execute(
            "INSERT INTO work.changes VALUES(1, ?, 'caption', 'mochi', 'mochi, hat')",
            (project.relative(image),),
        )
        if foreign:
            index.connection.execute("UPDATE work.home SET place='elsewhere'")
    caption = image.with_suffix(".txt")
    async with running(project) as opened:
        [notice] = opened.notices
        assert caption.read_text() == ("mochi" if foreign else "mochi, hat")
        assert ("begun elsewhere" in notice) == foreign
        await opened.pilot.press("u")
        await opened.until(lambda: isinstance(opened.app.screen, Question))
        await opened.pilot.click("#yes")
        await opened.until(lambda: len(opened.notices) == 2)
        assert opened.notices[1].startswith("Undone: add hat (1 change)")
    assert caption.read_text() == "mochi"
