"""Pictures of forms. After an intended change: pytest tests/tui/verbs --snapshot-update."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from prep.project import Project
from tests.tui.driving import Opened
from tests.tui.verbs.test_screen import Form, form_of
from tui.app import ShikomiApp
from tui.verbs import screen
from tui.verbs.command import shell_line
from tui.verbs.output import Output

MakeImage = Callable[..., Path]


@pytest.fixture
def placed(project: Project, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose folder looks the same everywhere."""

    def line(command: list[str]) -> str:
        return shell_line(["my_project" if w == str(project.root) else w for w in command])

    monkeypatch.setattr(screen, "shell_line", line)
    for number, name in enumerate(("beach", "forest", "もち 夜空")):
        caption = f"mochi, {name}, hat" if number else None
        make_image(f"10_mochi/{name}.bmp", number, caption=caption)
    return project


async def preview(form: Form) -> None:
    form.enter("--remove", "hat")
    form.enter("--move", "front")
    form.field("--move").query(Input).first().value = "mochi"
    await form.until(lambda: "nothing is written" in form.state)


async def faults(form: Form) -> None:
    form.enter("--general", "2")
    await form.until(lambda: form.field("--general").has_class("-fault"))
    await form.opened.pilot.press("ctrl+o")
    await form.until(lambda: form.screen.has_class("-all"))


@pytest.mark.parametrize(
    ("verb", "size", "then"),
    [("edit", (80, 24), preview), ("edit", (140, 40), preview), ("tag", (140, 40), faults)],
    ids=["edit-small", "edit", "tag-fault"],
)
def test_forms(placed: Project, snap_compare: Any, verb: str, size: Any, then: Any) -> None:
    async def before(pilot: Pilot[None]) -> None:
        assert isinstance(pilot.app, ShikomiApp)
        opened = Opened(pilot.app, pilot, [])
        await opened.settled()
        form = await form_of(opened, verb)
        await then(form)
        form.screen.query_one(Output).focus()  # whose cursor does not blink
        await opened.settled()

    assert snap_compare(ShikomiApp(placed), terminal_size=size, run_before=before)
