"""Copies are compared so that their difference is seen."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from textual.widgets import Static

from prep import language
from prep.curation.duplicates import comparer
from prep.curation.duplicates.comparison import Comparison
from prep.project import Project
from tests.prep.curation.duplicate_pictures import photograph
from tests.tui.driving import Opened, running
from tests.tui.test_snapshots import at
from tui.app import ShikomiApp
from tui.graphics.view import View
from tui.widgets.image_pair import ImagePair
from tui.widgets.line_list import ItemList
from tui.widgets.pair_texts import caption_difference, differing, looking
from tui.widgets.picture import Picture

MakeImage = Callable[..., Path]


@pytest.fixture
def marked(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A picture and a smaller copy with a spot, whose captions differ."""
    folder = project.dataset / "10_mochi"
    folder.mkdir(parents=True, exist_ok=True)
    picture = photograph(1, (900, 600))
    picture.save(folder / "a.bmp")
    ImageDraw.Draw(picture).ellipse((630, 390, 690, 450), (250, 40, 60))
    picture.resize((600, 400)).save(folder / "b.bmp")
    (folder / "a.txt").write_text("mochi, hat, beach", "utf-8")
    (folder / "b.txt").write_text("beach, mochi, spot", "utf-8")
    seen = Comparison(2.0, 0.01, uncertain=True)
    monkeypatch.setattr(comparer, "compare", lambda _first, _second, _details: seen)
    return project


def said(opened: Opened, name: str) -> str:
    return str(opened.app.screen.query_one(name, Static).content)


async def compared(opened: Opened, note: str) -> ImagePair:
    await opened.go("dupes")
    await opened.until(lambda: opened.app.screen.query_one("#groups", ItemList).count == 1)
    await opened.until(lambda: note in said(opened, "#differences"))
    await opened.settled()
    return opened.app.screen.query_one(ImagePair)


def colours(picture: Picture) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    """Return the second colour of each cell of a line of a picture, from its left."""
    strips = [segment.style for segment in picture.render_line(picture.size.height // 2)]
    found = [style.bgcolor.get_truecolor() for style in strips if style and style.bgcolor]
    return np.array(found, float)


def middle(picture: Picture) -> tuple[int, int, int]:
    """Return the colour in the middle of a picture."""
    line = picture.render_line(picture.size.height // 2)
    style = next(iter(line.crop(picture.size.width // 2, picture.size.width // 2 + 1))).style
    assert style is not None
    assert style.bgcolor is not None
    return tuple(style.bgcolor.get_truecolor())  # type: ignore[return-value]


def test_how_it_looks(marked: Project, snap_compare: Any) -> None:
    async def settled(opened: Opened) -> None:
        await opened.until(lambda: "marked, enlarged" in said(opened, "#differences"))

    assert snap_compare(
        ShikomiApp(marked), terminal_size=(140, 40), run_before=at("dupes", settled)
    )


async def test_both_are_enlarged_where_they_differ(marked: Project) -> None:
    async with running(marked) as opened:
        pair = await compared(opened, "1 place differs · marked, enlarged")
        first, second = pair.pictures
        assert first.view == second.view
        assert first.enlarged
        assert len(first.marks) == 1
        red, green, _ = middle(second)
        assert red > 200 > green  # the spot is in the middle, and not in the other one
        assert max(middle(first)) - min(middle(first)) < 120
        await opened.press("z")
        assert (first.view, second.view) == (View(), View())
        await opened.press("z")
        assert first.enlarged


def shown(picture: Picture) -> bool:
    return bool(picture.region)


async def test_one_is_shown_in_the_place_of_the_other(marked: Project) -> None:
    async with running(marked) as opened:
        pair = await compared(opened, "1 place differs")
        first, second = pair.pictures
        both = first.size.width
        await opened.press("space")
        assert not shown(first)
        assert second.size.width > 1.9 * both
        place = second.region
        assert "showing B" in said(opened, "#differences")
        await opened.press("space")
        assert first.region == place
        assert not shown(second)
        assert "showing A" in said(opened, "#differences")
        await opened.press("escape")
        assert first.size.width == both
        assert shown(second)


async def test_zooming_and_moving_go_together(marked: Project) -> None:
    async with running(marked) as opened:
        pair = await compared(opened, "1 place differs")
        first, second = pair.pictures
        before = first.view
        await opened.press("plus", "L")
        views = [first.view, second.view]
        assert views[0] == views[1] != before
        await opened.press("r")  # what is read again leaves the view alone
        assert [first.view, second.view] == views


async def test_captions_are_compared(marked: Project) -> None:
    async with running(marked) as opened:
        await compared(opened, "1 place differs")
        await opened.until(lambda: said(opened, "#kept-captions") == "+ only here: hat")
        assert said(opened, "#other-captions") == "+ only here: spot"


async def test_equal_copies_have_no_marks(project: Project, make_image: MakeImage) -> None:
    first = make_image("10_mochi/a.png", 1, (400, 300), "cat")
    (first.parent / "b.png").write_bytes(first.read_bytes())
    async with running(project) as opened:
        pair = await compared(opened, "no visible difference")
        assert pair.pictures[0].marks == ()
        assert not pair.pictures[0].enlarged
        await opened.until(lambda: said(opened, "#other-captions") == "no caption")
        await opened.press("z")
        views = {each.view for each in pair.pictures}
        assert len(views) == 1
        assert View() not in views
        await opened.press("z")
        assert {each.view for each in pair.pictures} == {View()}


async def test_a_mirrored_copy_is_turned_back(project: Project) -> None:
    folder = project.dataset / "10_mochi"
    folder.mkdir(parents=True, exist_ok=True)
    picture = photograph(5, (900, 600))
    picture.save(folder / "a.png")
    mirrored = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    mirrored.resize((600, 400)).save(folder / "b.png")
    async with running(project) as opened:
        pair = await compared(opened, "turned alike · no visible difference")
        shown = [colours(each)[:20].mean(axis=0) for each in pair.pictures]
        assert np.abs(shown[0] - shown[1]).max() < 12


def test_what_is_written_at_a_pair() -> None:
    assert differing(None, turned=False) == "no common frame: each is shown as it is"
    assert differing(0, turned=True) == "turned alike · no visible difference"
    assert differing(2, turned=False) == "2 places differ"
    assert looking(marked=False, whole=True, up=None) == []
    assert looking(marked=True, whole=True, up=1)[1].startswith("showing B")
    tags = [f"t{number}" for number in range(14)]
    assert caption_difference("x", tags).endswith(", t11 and 2 more")
    assert caption_difference("x", tags[:12]).endswith(", t11")
    assert caption_difference("x", []) == "= no tag of its own"


def test_what_is_written_at_a_pair_is_translated() -> None:
    def texts() -> set[str]:
        return {
            *(
                differing(places, turned=turned)
                for places in (None, 0, 2)
                for turned in (True, False)
            ),
            *(
                text
                for whole in (True, False)
                for up in (None, 0, 1)
                for text in looking(marked=True, whole=whole, up=up)
            ),
            *(caption_difference(text, only) for text in (None, "x") for only in ([], ["t"] * 13)),
            caption_difference("x", ["t"]),
        }

    english = texts()
    language.use("ja")
    try:
        assert not english & texts()
    finally:
        language.use("en")
