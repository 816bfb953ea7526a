"""The history: what each edit did, and taking back any of them."""

from textual.widgets import Static

from prep.ops import edit
from prep.project import Project
from tests.tui.driving import Opened, running
from tests.tui.test_images import caption, three  # noqa: F401  (a fixture)
from tui.dialogs.history import History
from tui.widgets.line_list import ItemList


def lines(opened: Opened, selector: str) -> list[str]:
    found = opened.app.screen.query_one(selector, ItemList)
    return [found.render_line(y).text.rstrip() for y in range(found.count)]


async def test_any_edit_is_shown_and_taken_back(three: Project) -> None:  # noqa: F811
    async with running(three) as opened:
        list(edit.run(three, edit.EditOptions(add=("one",))))
        list(edit.run(three, edit.EditOptions(add=("two",), where="name:a.png")))
        await opened.press("r", "U")
        assert isinstance(opened.app.screen, History)
        await opened.until(lambda: len(lines(opened, "#parts")) == 2)
        assert lines(opened, "#parts")[0].endswith("1 add two")
        await opened.press("j")
        await opened.until(lambda: len(lines(opened, "#diffs")) == 3)
        assert "+one" in lines(opened, "#diffs")[0]
        facts = str(opened.app.screen.query_one("#edit-facts", Static).content)
        assert facts == "edit 1 · in force · 3 changes · by the command line"
        await opened.press("enter")
        await opened.until(lambda: caption(three, "b") == "cat, long hair")
        assert caption(three, "a") == "cat, hat, one, two"
        await opened.until(lambda: any("edit 2 changed it since" in n for n in opened.notices))
        await opened.press("U")
        await opened.until(lambda: len(lines(opened, "#parts")) == 3)
        assert "terminal application" in str(
            opened.app.screen.query_one("#edit-facts", Static).content
        )
