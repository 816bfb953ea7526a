import string
from array import array
from collections.abc import Sequence

import pytest
from textual.app import App, ComposeResult

from prep.dataset.index import ImageRow, Index, ScannedImage
from prep.project import Project
from tests.tui.driving import until
from tui.session import Session
from tui.widgets.image_list import PAGE, ImageList, cell_left
from tui.widgets.line_list import ItemList, cell, clean

MANY = 100_000


class ListApp(App[None]):
    """Nothing but the list, so that no scan looks for the files of the index."""

    def __init__(self, project: Project) -> None:
        super().__init__()
        self.session = Session(self, project)

    def compose(self) -> ComposeResult:
        yield ImageList(self.session)

    def on_unmount(self) -> None:
        self.session.close()


@pytest.fixture
def crowded(project: Project) -> Project:
    with Index(project) as index:
        index.put(
            ScannedImage(f"dataset/10_mochi/{number:06}.png", "10_mochi", 1, 1, 512, 512, "PNG")
            for number in range(MANY)
        )
    return project


async def test_only_what_can_be_seen_is_fetched(
    crowded: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    rows = Index.rows

    def counted(self: Index, ids: Sequence[int]) -> list[ImageRow]:
        asked.append(len(ids))
        return rows(self, ids)

    monkeypatch.setattr(Index, "rows", counted)
    app = ListApp(crowded)
    async with app.run_test(size=(80, 24)) as pilot:
        images = app.query_one(ImageList)
        images.focus()
        ids = await app.session.queries.run(lambda index: index.ids())
        images.show(ids)
        await until(pilot, lambda: images.row is not None)
        assert images.count == MANY
        await pilot.press("end")
        await until(pilot, lambda: images.row is not None)
        assert images.row is not None
        assert images.row.path.endswith(f"{MANY - 1:06}.png")
        assert f"{MANY - 1:06}.png" in images.render_line(images.size.height - 1).text
    assert len(asked) <= 6
    assert max(asked) <= 4 * PAGE


async def test_the_cursor_stays_on_its_image_when_others_go(crowded: Project) -> None:
    app = ListApp(crowded)
    async with app.run_test(size=(80, 24)):
        images = app.query_one(ImageList)
        images.show(array("q", range(1, 1001)))
        images.cursor = 500
        stood_on = images.ids[500]
        images.show(array("q", range(101, 1001)))
        assert images.ids[images.cursor] == stood_on
        images.show(array("q", [1, 2]))
        assert images.cursor == 1
        images.show(array("q"))
        assert images.row is None


EMPTY = ["nothing here yet: n makes one", "of what is selected"]


class ItemApp(App[None]):
    def compose(self) -> ComposeResult:
        yield ItemList(id="items", heading="letters", empty=" ".join(EMPTY))


async def test_keys_move_in_a_list_of_items() -> None:
    app = ItemApp()
    async with app.run_test(size=(30, 10)) as pilot:
        items = app.query_one(ItemList)
        assert [items.render_line(y).text.strip() for y in (1, 2)] == EMPTY
        items.show([[(letter, "")] for letter in string.ascii_lowercase])
        items.focus()
        for key, place in (("j", 1), ("down", 2), ("k", 1), ("G", 25), ("g", 0), ("pagedown", 8)):
            await pilot.press(key)
            assert items.cursor == place, key
        await pilot.press("end", "down")
        assert items.cursor == 25
        assert items.in_view == range(17, 26)
        await pilot.click(items, offset=(1, 1))
        assert items.cursor == 17


@pytest.mark.parametrize(
    ("text", "width", "fitted"),
    [
        ("short", 8, "short   "),
        ("much too long", 6, "much …"),
        ("日本語", 6, "日本語"),
        ("日本語の", 6, "日本 …"),
        ("", 3, "   "),
        ("x", 0, ""),
    ],
)
def test_text_fits_its_cells(text: str, width: int, fitted: str) -> None:
    assert cell(text, width) == fitted


def test_nothing_in_a_name_reaches_the_terminal() -> None:
    assert clean("a\x1b]0;title\x07b") == "a�]0;title�b"


def test_long_paths_lose_their_beginning() -> None:
    assert cell_left("10_mochi/long_name_001.png", 12) == "…ame_001.png"
    assert cell_left("10_mochi/001.png", 12) == "…/001.png   "
