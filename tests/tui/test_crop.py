"""Crops by keyboard and mouse, saved as ``shikomi crop`` saves them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from textual.widgets import Static

from prep import events
from prep.dataset import stored_crops
from prep.dataset.drafts import Draft, DraftStore
from prep.dataset.index import Index
from prep.dataset.journal.changes import crop_change
from prep.dataset.journal.edits import Journal
from prep.images.crops import Box, to_text
from prep.images.crops.snapping import is_legal
from prep.ops import crop
from prep.ops.crop import CropOptions
from prep.project import Project
from tests.tui.driving import Opened, running
from tui.scope import Scope
from tui.widgets.crop_picture import CropPicture
from tui.widgets.line_list import ItemList
from tui.widgets.part_list import PartList
from tui.widgets.picture import Picture

MakeImage = Callable[..., Path]
A = "dataset/10_mochi/a.png"


@pytest.fixture
def shapes(project: Project, make_image: MakeImage) -> Project:
    """Three images: two in one bucket, one that is enlarged and alone."""
    make_image("10_mochi/a.png", 1, (800, 600), "cat")
    make_image("10_mochi/b.png", 2, (800, 600))
    make_image("10_mochi/c.png", 3, (300, 400))
    return project


def picture(opened: Opened) -> CropPicture:
    return opened.app.screen.query_one(CropPicture)


def said(opened: Opened, name: str) -> str:
    return str(opened.app.screen.query_one(f"#{name}", Static).content)


async def at_first(opened: Opened, *, editing: bool = True) -> CropPicture:
    """Go to the first image of all, and into its crop."""
    await opened.go("crop")
    members = opened.app.screen.query_one(PartList)
    await opened.until(lambda: members.count == 3 and members.row is not None)
    await opened.press("enter")
    await opened.until(lambda: picture(opened).draft is not None)
    if editing:
        await opened.press("e")
    return picture(opened)


async def test_a_crop_is_moved_resized_saved_and_taken_back(shapes: Project) -> None:
    async with running(shapes) as opened:
        box = await at_first(opened)
        assert box.draft is not None
        assert box.draft.frame.rect.size == (800, 600)
        await opened.press("shift+left", "H", "right", "l", "down", "up")
        frame = box.draft.frame
        assert frame.rect.size[0] < 760
        assert frame.rect.left == 14 + 50  # where the trainer cuts, and two steps of 800 / 32
        assert is_legal(shapes.buckets, frame.rect.size)
        await opened.press("s", "right")
        assert box.draft.frame.rect.left == 65
        assert "not saved" in said(opened, "crop-title")
        assert not stored_crops.stored(shapes)
        await opened.press("enter")
        await opened.until(lambda: stored_crops.stored(shapes))
        (saved,) = stored_crops.stored(shapes)[A]
        assert saved.pixels((800, 600)) == box.draft.frame.rect
        members = opened.app.screen.query_one(PartList)
        assert opened.app.focused is members
        await opened.until(lambda: members.crops == {members.ids[0]: 1})
        await opened.press("u")
        await opened.until(lambda: not stored_crops.stored(shapes))
        await opened.until(lambda: box.draft is not None and not box.draft.stored)


async def test_shapes_are_those_of_the_buckets_or_free(shapes: Project) -> None:
    async with running(shapes) as opened:
        box = await at_first(opened)
        seen = set()
        for _ in shapes.buckets.sizes:
            await opened.pilot.press("a")
            await opened.settled()
            assert box.draft is not None
            frame = box.draft.frame
            assert frame.shape == shapes.buckets.fit(frame.rect.size).bucket
            seen.add(frame.shape)
        assert seen == set(shapes.buckets.sizes)
        await opened.press("f", "shift+up")
        assert box.draft is not None
        assert box.draft.frame.shape is None
        assert "free shape" in said(opened, "crop-title")
        assert "cut off" in said(opened, "crop-about")


async def test_an_image_has_several_crops(shapes: Project) -> None:
    async with running(shapes) as opened:
        box = await at_first(opened)
        await opened.press("H", "c", "left", "enter")
        await opened.until(lambda: len(stored_crops.stored(shapes).get(A, ())) == 2)
        assert box.draft is not None
        assert box.draft.place == 1
        assert "crop 2 of 2" in said(opened, "crop-about")
        await opened.press("n")
        assert "crop 1 of 2" in said(opened, "crop-about")
        first, second = stored_crops.stored(shapes)[A]
        await opened.press("e", "x", "enter")
        await opened.until(lambda: stored_crops.stored(shapes).get(A) == (second,))
        await opened.press("x")
        await opened.until(lambda: not stored_crops.stored(shapes))
        assert first != second


async def test_escape_asks_before_it_drops(shapes: Project) -> None:
    async with running(shapes) as opened:
        box = await at_first(opened)
        await opened.press("H", "right", "escape")
        assert box.has_focus
        assert "esc again drops" in said(opened, "crop-title")
        await opened.press("escape")
        assert opened.app.screen.query_one(PartList).has_focus
        assert box.draft is not None
        assert box.draft.boxes == ()
    assert not stored_crops.stored(shapes)


async def test_going_elsewhere_saves(shapes: Project) -> None:
    async with running(shapes) as opened:
        await at_first(opened)
        await opened.press("H", "right")
        await opened.go("images")
        await opened.until(lambda: A in stored_crops.stored(shapes))
        await opened.go("crop")
        await opened.press("u")
        await opened.until(lambda: not stored_crops.stored(shapes))


async def test_quitting_saves(shapes: Project) -> None:
    async with running(shapes) as opened:
        box = await at_first(opened)
        await opened.press("H", "right")
        rect = box.draft.frame.rect if box.draft else None
        await opened.pilot.press("q")
        await opened.until(lambda: opened.app._exit)
    (saved,) = stored_crops.stored(shapes)[A]
    assert saved.pixels((800, 600)) == rect


def kept(project: Project) -> dict[str, Draft]:
    store = DraftStore(project, "crop_drafts")
    try:
        return store.read()
    finally:
        store.close()


async def test_what_is_drawn_is_kept_until_it_is_saved(shapes: Project) -> None:
    async with running(shapes) as opened:
        box = await at_first(opened)
        await opened.press("H", "right")
        drawn = to_text(box.draft.boxes) if box.draft else None
        assert drawn is not None
        await opened.until(lambda: kept(shapes) == {A: Draft(None, drawn)})
        await opened.press("escape", "escape")
        await opened.until(lambda: kept(shapes) == {})
        await opened.press("e", "H", "enter")
        await opened.until(lambda: A in stored_crops.stored(shapes) and kept(shapes) == {})


async def test_what_an_earlier_session_drew_is_there_to_be_saved(shapes: Project) -> None:
    mine = Box(0.25, 0.0, 0.5, 1.0)
    store = DraftStore(shapes, "crop_drafts")
    store.write({A: Draft(None, to_text((mine,)) or "")}, [])
    store.close()
    async with running(shapes) as opened:
        assert any("a.png: its crop was drawn earlier" in text for text in opened.notices)
        box = await at_first(opened, editing=False)
        assert box.draft is not None
        assert box.draft.boxes == (mine,)
        assert "not saved" in said(opened, "crop-title")
        assert not stored_crops.stored(shapes)
        await opened.press("e", "enter")
        await opened.until(lambda: kept(shapes) == {})
    assert stored_crops.stored(shapes) == {A: (mine,)}


async def test_crops_that_were_changed_elsewhere_are_not_overwritten(shapes: Project) -> None:
    theirs = Box(0.25, 0.0, 0.5, 1.0)
    async with running(shapes) as opened:
        box = await at_first(opened)
        await opened.press("H", "right")
        with Index(shapes) as index:
            Journal(index).apply("elsewhere", [crop_change(A, (), (theirs,))])
        mine = box.draft.frame.rect if box.draft else None
        await opened.press("enter")
        await opened.until(lambda: any("changed elsewhere" in text for text in opened.notices))
        assert stored_crops.stored(shapes)[A] == (theirs,)
        assert box.draft is not None
        assert box.draft.frame.rect == mine
        assert box.draft.changed
        await opened.press("e", "escape", "escape")
        await opened.until(lambda: box.draft is not None and box.draft.boxes == (theirs,))
    assert stored_crops.stored(shapes)[A] == (theirs,)


async def test_proposals_are_those_of_the_verb_and_taken_by_one_key(
    shapes: Project, make_image: MakeImage
) -> None:
    path = make_image("10_mochi/a.png", 1, (800, 700))
    with Image.open(path) as image:
        framed = Image.new("RGB", (800, 900), "black")
        framed.paste(image, (0, 100))
        framed.save(path)
    async with running(shapes) as opened:
        await at_first(opened, editing=False)
        await opened.until(lambda: "b: without borders" in said(opened, "crop-about"))
        await opened.press("b")
        await opened.until(lambda: A in stored_crops.stored(shapes))
        (taken,) = stored_crops.stored(shapes)[A]
        await opened.press("u")
        await opened.until(lambda: not stored_crops.stored(shapes))
    for options in (CropOptions(where="name:a", borders=True, dry_run=True),):
        (event,) = (e for e in crop.run(shapes, options) if isinstance(e, events.Crop))
        assert [[taken.x, taken.y, taken.width, taken.height]] == event.boxes


async def test_an_image_that_is_alone_is_cropped_to_a_bucket_of_others(shapes: Project) -> None:
    async with running(shapes) as opened:
        await opened.go("crop")
        groups = opened.app.screen.query_one("#groups", ItemList)
        await opened.until(lambda: groups.count == 5)
        lines = ["".join(text for text, _ in groups._items[n]) for n in range(5)]
        assert [line.split()[0] for line in lines] == ["all", "!", "!", "!", "576x448"]
        await opened.press("j", "j", "j")
        assert "m crops it to 576x448" in said(opened, "advice")
        await opened.until(lambda: "m: to a bucket" in said(opened, "crop-about"))
        await opened.press("m")
        await opened.until(lambda: stored_crops.stored(shapes))
        await opened.until(lambda: groups.count == 4)
    ((name, (box,)),) = stored_crops.stored(shapes).items()
    assert name.endswith("c.png")
    assert shapes.buckets.fit(box.pixels((300, 400)).size).bucket == (576, 448)


async def test_the_mouse_moves_resizes_and_draws(shapes: Project) -> None:
    async with running(shapes, (160, 50)) as opened:
        box = await at_first(opened)
        await opened.press("f")
        columns, rows = box._extent
        left, top = (box.size.width - columns) // 2, (box.size.height - rows) // 2

        async def drag(start: tuple[float, float], end: tuple[float, float]) -> None:
            places = [
                (left + min(columns - 1, int(x * columns)), top + min(rows - 1, int(y * rows)))
                for x, y in (start, end)
            ]
            await opened.pilot.mouse_down(box, offset=places[0])
            await opened.pilot.hover(box, offset=places[1])
            await opened.pilot.mouse_up(box, offset=places[1])
            await opened.settled()

        assert box.draft is not None
        await drag((0.98, 0.999), (0.6, 0.6))  # the lower right corner
        width, height = box.draft.frame.rect.size
        assert abs(width - 480 + 14) < 40
        assert abs(height - 360) < 40
        assert box.draft.frame.rect.corners[:2] == (14, 0)
        await drag((0.3, 0.3), (0.5, 0.4))  # inside: all of it
        assert box.draft.frame.rect.size == (width, height)
        assert abs(box.draft.frame.rect.left - 174) < 40
        assert abs(box.draft.frame.rect.top - 60) < 40
        await drag((0.02, 0.95), (0.15, 0.7))  # outside: a new one
        assert box.draft.frame.rect.left < 40
        assert box.draft.frame.rect.bottom > 540
        assert box.draft.frame.rect.size[0] < 200


async def test_the_side_shows_what_the_trainer_gets(shapes: Project) -> None:
    async with running(shapes) as opened:
        box = await at_first(opened)
        kept = opened.app.screen.query_one("#crop-kept", Picture)
        await opened.until(lambda: kept._decoded is not None)
        for keys in (("a",), ("A", "A"), ("f", "shift+up")):
            await opened.press(*keys)
            assert box.draft is not None
            bucket = shapes.buckets.fit(box.draft.frame.rect.size).bucket
            await opened.until(
                lambda: kept._decoded is not None and kept._decoded[1].size == bucket  # noqa: B023
            )


async def test_the_list_is_of_the_images_that_are_chosen(shapes: Project) -> None:
    async with running(shapes) as opened:
        await at_first(opened, editing=False)
        await opened.go("images")
        opened.app.session.scope = Scope((), "name:c.png", 1, 3)
        await opened.go("crop")
        members = opened.app.screen.query_one(PartList)
        await opened.until(lambda: members.count == 1)
        assert said(opened, "crop-scope") == "filter: name:c.png (1 image)"
        # Of all three images it is the only one of its bucket: that does not depend on the choice.
        assert len(opened.app.screen.query_one("#groups", ItemList)._items) == 4
