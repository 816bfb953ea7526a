"""The grid of pictures, the headings of concept folders, and where everything is."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops

from prep.dataset.thumbnail_files import ThumbnailFiles
from prep.project import Project
from prep.system.files import content_hash
from tests.conftest import MakeImage
from tests.tui.driving import Opened, running, until
from tests.tui.test_images import caption, shown
from tests.tui.test_lists import ListApp, crowded  # noqa: F401  (a fixture)
from tui.graphics.drawn import Drawn
from tui.terminal import Terminal
from tui.widgets.caption_editor import CaptionEditor
from tui.widgets.grouped_layout import GroupedLayout
from tui.widgets.image_list import ImageList


@pytest.fixture
def two_concepts(project: Project, make_image: MakeImage) -> Project:
    for number in range(9):
        make_image(f"10_mochi/{number}.png", number, caption=f"mochi, tag {number}")
    for number in range(3):
        make_image(f"20_other/{number}.png", 20 + number)
    return project


def images(opened: Opened) -> ImageList:
    return opened.app.screen.query_one(ImageList)


def text(opened: Opened) -> list[str]:
    return [images(opened).render_line(y).text for y in range(images(opened).size.height)]


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=5),
    st.integers(1, 4),
    st.integers(1, 3),
    st.data(),
)
def test_places_are_those_of_a_drawing(
    sizes: list[int], columns: int, height: int, data: st.DataObject
) -> None:
    starts = tuple(sum(sizes[:group]) for group in range(len(sizes)))
    layout = GroupedLayout(sum(sizes), starts, columns, height)
    drawn: list[tuple[int, list[int], int]] = []  # group, items and part of each line
    for group, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        drawn += [(group, [], 0)] if len(sizes) > 1 else []
        for first in range(start, start + size, columns):
            row = list(range(first, min(first + columns, start + size)))
            drawn += [(group, row, part) for part in range(height)]
    found = [layout.at(line) for line in range(layout.lines)]
    assert [(spot.group, list(spot.items), spot.part) for spot in found] == drawn
    rows = [row for _group, row, part in drawn if row and not part]
    for place, row in enumerate(rows):
        for column, item in enumerate(row):
            assert item in drawn[layout.line(item)][1]
            step = data.draw(st.integers(-3, 3))
            there = rows[min(max(place + step, 0), len(rows) - 1)]
            assert layout.beside(item, step) == there[min(column, len(there) - 1)]
    first = data.draw(st.integers(0, layout.lines))
    last = data.draw(st.integers(first, layout.lines + 3))
    visible = {item for _group, row, _part in drawn[first:last] for item in row}
    assert set(layout.between(first, last)) == visible


async def test_concepts_have_headings(two_concepts: Project) -> None:
    async with running(two_concepts) as opened:
        lines = [line.strip() for line in text(opened)]
        assert lines[1] == "▾ 10_mochi · 9 images"
        assert lines[11] == "▾ 20_other · 3 images"
        assert [lines[place].split()[0] for place in (2, 12)] == ["0.png", "0.png"]
        await opened.pilot.click(ImageList, offset=(5, 12))
        await opened.until(lambda: images(opened).cursor == 9)
        await opened.pilot.click(ImageList, offset=(5, 11))  # a heading is no image
        await opened.settled()
        assert images(opened).cursor == 9


async def test_a_held_image_keeps_the_headings_right(two_concepts: Project) -> None:
    async with running(two_concepts) as opened:
        await opened.press("slash")
        await opened.type('tag:"tag 8" or in:20_other')
        await opened.until(lambda: images(opened).count == 4)
        await opened.press("enter", "f", "l", "d")  # now it does not match, and is held
        await opened.until(lambda: caption(two_concepts, "8") == "mochi")
        await opened.until(lambda: images(opened).held is not None)
        assert [line.strip() for line in text(opened)][1:4:2] == [
            "▾ 10_mochi · 1 image",
            "▾ 20_other · 3 images",
        ]
        await opened.press("escape", "j")
        await opened.until(lambda: images(opened).held is None)
        assert "▾" not in "".join(text(opened))  # one concept is left
        assert shown(opened) == ["0", "1", "2"]


async def test_the_grid_shows_pictures_and_moves_in_two_directions(two_concepts: Project) -> None:
    async with running(two_concepts, (160, 50)) as opened:
        await opened.press("m")
        grid = images(opened)
        columns = grid.layout_.columns
        assert columns > 2

        await opened.until(lambda: all(isinstance(grid.picture_at(n), Drawn) for n in range(12)))
        assert "▀" in text(opened)[3] or "▄" in text(opened)[3]
        await opened.press("l", "j")
        assert grid.cursor == columns + 1
        await opened.press("space")
        assert (grid.cursor, list(grid.marked)) == (columns + 2, [grid.ids[columns + 1]])
        corner = grid._corner(2)
        await opened.pilot.click(ImageList, offset=(corner[0] + 3, corner[1] + 2))
        await opened.until(lambda: grid.cursor == 2)
        await opened.press("m")
        assert not grid.grid
        assert grid.cursor == 2


async def test_editing_from_the_grid_of_a_small_screen_shows_the_caption(
    two_concepts: Project,
) -> None:
    async with running(two_concepts, (80, 24)) as opened:
        await opened.press("m", "l", "enter")
        editor = opened.app.screen.query_one(CaptionEditor)
        assert opened.app.focused is editor
        assert editor.region.area
        assert editor.text == "mochi, tag 1"


async def test_a_huge_grid_decodes_what_is_seen(crowded: Project) -> None:  # noqa: F811
    app = ListApp(crowded)
    async with app.run_test(size=(80, 24)) as pilot:
        grid = app.query_one(ImageList)
        asked: set[str] = set()
        get = grid._thumbnails._files.get

        def counted(path: str, content: str | None = None) -> object:
            asked.add(path)
            return get(path, content)

        grid._thumbnails._files.get = counted  # type: ignore[method-assign, assignment]
        grid.show(await app.session.queries.run(lambda index: index.ids()))
        grid.grid = True
        grid.focus()
        await pilot.press("end")
        await until(
            pilot, lambda: "099999.png" in "".join(grid.render_line(y).text for y in range(24))
        )
        await until(pilot, lambda: not grid._thumbnails._busy)
        assert "dataset/10_mochi/099999.png" in asked
        assert len(asked) < 100


@pytest.mark.parametrize("grid", [False, True])
async def test_the_cursor_is_seen_before_the_scroll_bar_is(crowded: Project, grid: bool) -> None:  # noqa: F811
    app = ListApp(crowded)
    async with app.run_test(size=(80, 24)) as pilot:
        images = app.query_one(ImageList)
        images.grid = grid
        images.show(await app.session.queries.run(lambda index: index.ids()))
        assert not images.show_vertical_scrollbar
        images.action_last()
        await until(pilot, lambda: images.show_vertical_scrollbar)
        assert images.in_view.stop == images.count


async def test_pixels_lie_on_the_cells_of_their_pictures(two_concepts: Project) -> None:
    async with running(two_concepts, (160, 50)) as opened:
        opened.app.overlay.terminal = Terminal("kitty", cell=(10, 20))
        await opened.press("m")
        grid = images(opened)
        await opened.until(lambda: len(grid.placed()) == 12)
        for graphic, region in grid.placed():
            assert grid.region.contains_region(region)
            assert region.size == (graphic.columns, graphic.rows)
        regions = [region for _graphic, region in grid.placed()]
        assert not any(
            one.overlaps(two) for n, one in enumerate(regions) for two in regions[n + 1 :]
        )


# ---- on the disk -------------------------------------------------------------------------


def test_small_pictures_are_kept_by_content(project: Project, make_image: MakeImage) -> None:
    image = make_image("10_mochi/a.png", 1, (900, 300))
    files = ThumbnailFiles(project)
    made = files.get("dataset/10_mochi/a.png")
    assert made.size == (256, 85)
    (kept,) = (project.state / "thumbnails").glob("*/*.jpg")
    assert kept.name.startswith(content_hash(image))
    image.rename(image.with_name("b.png"))
    before = kept.stat().st_mtime_ns
    assert files.get("dataset/10_mochi/b.png").size == (256, 85)
    assert kept.stat().st_mtime_ns == before
    kept.write_bytes(kept.read_bytes()[:50])  # half written
    assert files.get("dataset/10_mochi/b.png").size == (256, 85)


def test_a_small_picture_is_the_same_whether_it_is_new_or_kept(
    project: Project, make_image: MakeImage
) -> None:
    make_image("10_mochi/a.png", 1, (900, 300))
    files = ThumbnailFiles(project)
    made, kept = (files.get("dataset/10_mochi/a.png") for _ in range(2))
    assert ImageChops.difference(made, kept).getbbox() is None
    (file,) = (project.state / "thumbnails").glob("*/*.jpg")
    Image.new("RGB", (2000, 2000)).save(file)  # not by this program
    again = files.get("dataset/10_mochi/a.png")
    assert ImageChops.difference(made, again).getbbox() is None


def test_the_oldest_small_pictures_go(project: Project, make_image: MakeImage) -> None:
    folder = project.state / "thumbnails" / "00"
    folder.mkdir(parents=True)
    for number, name in enumerate(("old", "new")):
        file = folder / f"{name}.jpg"
        file.write_bytes(bytes(9000))
        os.utime(file, ns=(number, number))
    make_image("10_mochi/a.png", 1)
    ThumbnailFiles(project, most=15_000).get("dataset/10_mochi/a.png")
    assert [file.name for file in folder.iterdir()] == ["new.jpg"]


def test_a_link_out_of_the_project_is_not_followed(
    project: Project, make_image: MakeImage, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    project.state.mkdir(exist_ok=True)
    (project.state / "thumbnails").symlink_to(outside)
    make_image("10_mochi/a.png", 1)
    assert ThumbnailFiles(project).get("dataset/10_mochi/a.png").size
    assert not list(outside.iterdir())
