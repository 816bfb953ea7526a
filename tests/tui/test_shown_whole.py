"""What does not fit says so, what is not known yet says so, and a fault ends in a sentence."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.content import Content
from textual.geometry import Region
from textual.visual import VisualType
from textual.widgets import Static

from prep import events
from prep.errors import UserError
from prep.ops import scan
from prep.project import Project
from tests.conftest import MakeImage, draw_numbered
from tests.tui.driving import Opened, running, until
from tests.tui.in_terminal import LEFT, Application
from tui.commands import STAGE_KEYS
from tui.dialogs.help import Help
from tui.pictures import made
from tui.stages import SHORT
from tui.widgets.caption_editor import CaptionEditor
from tui.widgets.chart import Chart, Series
from tui.widgets.clipped import Clipped
from tui.widgets.concept_table import ConceptTable
from tui.widgets.image_list import ImageList, cell_left
from tui.widgets.key_line import KeyHint, KeyLine, fitted
from tui.widgets.line_list import ItemList
from tui.widgets.rail import Rail, StageItem


@pytest.mark.parametrize("size", [(160, 50), (120, 24), (110, 14), (100, 9), (80, 24), (40, 20)])
async def test_all_stages_are_on_the_rail_at_every_size(
    project: Project, size: tuple[int, int]
) -> None:
    def whole(opened: Opened) -> bool:
        rail = opened.app.screen.query_one(Rail).region
        items = [item.region for item in opened.app.screen.query(StageItem)]
        return len(items) == len(SHORT) and all(
            item.area and rail.contains_region(item) for item in items
        )

    async with running(project, (140, 40)) as opened:
        await opened.pilot.resize_terminal(*size)
        await opened.until(lambda: whole(opened))
        # Beside the rail, two panels need room.
        row = opened.app.screen.query_one(Rail).size.height == 1
        assert row == (size[0] < 120 or size[1] < 12)
        await opened.pilot.resize_terminal(140, 40)
        first = opened.app.screen.query_one("#stage-images", StageItem)
        await opened.until(lambda: whole(opened) and "Images & captions" in str(first.content))


@pytest.mark.parametrize("width", range(1, 24))
def test_names_are_cut_at_one_end_only(width: int) -> None:
    name = "10_mochi/もち 夜空の写真.png"
    found = cell_left(name, width)
    assert cell_len(found) == width
    shown = found.rstrip().removeprefix("…").removeprefix("/")
    assert name.endswith(shown)
    assert found.startswith("…") == (cell_len(name) > width)


class OneText(App[None]):
    def compose(self) -> ComposeResult:
        text = Clipped(Content("one two three four five six seven eight nine"), id="text")
        text.styles.width, text.styles.height = 12, 2
        yield text
        yield ItemList(id="items")


async def test_what_is_cut_off_has_a_sign() -> None:
    app = OneText()
    async with app.run_test(size=(20, 10)) as pilot:
        text = app.query_one("#text", Clipped)
        assert text.render_line(1).text.rstrip().endswith("…")
        text.update(Content("one two"))
        await pilot.pause()
        assert "…" not in text.render_line(0).text + text.render_line(1).text
        items = app.query_one("#items", ItemList)
        items.show([[("x" * 19, ""), ("yy", "dim")], [("z" * 20, "")]])
        assert items.render_line(0).text == "x" * 19 + "…"
        assert items.render_line(1).text == "z" * 20


async def test_only_a_text_of_another_height_lays_out_the_screen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = OneText()
    async with app.run_test(size=(20, 12)) as pilot:
        text = app.query_one("#text", Clipped)
        text.styles.height = "auto"
        await until(pilot, lambda: text.size.height == 5)
        layouts: list[bool] = []
        refresh = Clipped.refresh

        def noted(self: Clipped, *regions: Region, **how: bool) -> Clipped:
            layouts.append(how.get("layout", False))
            return refresh(self, *regions, **how)

        monkeypatch.setattr(Clipped, "refresh", noted)
        text.update(Content("nine eight seven six five four three two one"))
        await pilot.pause()
        assert (any(layouts), text.size.height) == (False, 5)
        assert text.render_line(0).text.startswith("nine")
        text.update(Content("one two"))
        await until(pilot, lambda: text.size.height == 1)
        text.update(Content("one\ntwo\nthree"))
        await until(pilot, lambda: text.size.height == 3)


class OneChart(App[None]):
    def compose(self) -> ComposeResult:
        yield Chart()


async def test_a_legend_that_is_too_long_says_so() -> None:
    app = OneChart()
    async with app.run_test(size=(40, 20)) as pilot:
        chart = app.query_one(Chart)
        chart.show([Series(f"series {number}", "smooth", [(0.0, 1.0)]) for number in range(9)])
        assert chart.render_line(0).text.endswith("…")
        await pilot.resize_terminal(400, 20)
        await until(pilot, lambda: chart.render_line(0).text.count("series") == 9)


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[events.Event]]:
    """A scan that goes on until something is put into the list."""
    last: list[events.Event] = []

    def run(_project: Project) -> Iterator[events.Event]:
        while not last:
            yield events.Progress("scan", 0, 0)
        yield from last

    monkeypatch.setattr(scan, "run", run)
    yield last
    last.append(events.Finished({}))


async def test_a_running_scan_does_not_look_like_an_empty_folder(
    project: Project, endless: list[events.Event]
) -> None:
    from tui.app import ShikomiApp

    app = ShikomiApp(project)
    async with app.run_test(size=(140, 40)) as pilot:
        opened = Opened(app, pilot, [])
        images = app.screen.query_one(ImageList)
        await opened.until(lambda: "looking for images" in images.render_line(1).text)
        assert not app.screen.query_one("#empty", Static).display
        await pilot.press("f5")
        await opened.until(lambda: app.screen.query("#concepts"))
        concepts = app.screen.query_one("#concepts", ConceptTable)
        await opened.until(lambda: "loading" in concepts.render_line(1).text)
        await pilot.press("f2")
        await opened.until(lambda: app.screen.query("#groups-status"))
        status = app.screen.query_one("#groups-status", Static)
        await opened.until(lambda: "waiting for the scan" in str(status.content))
        endless.append(events.Finished({}))
        await opened.until(lambda: "no duplicates" in str(status.content))
        await opened.settled()  # nothing is said of captions where there are no images
        assert str(app.screen.query_one("#kept-captions", Clipped).content) == ""
        await pilot.press("f1")
        await opened.until(lambda: app.screen.query_one("#empty", Static).display)


async def test_a_scan_that_fails_ends_the_waiting(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(_project: Project) -> Iterator[events.Event]:
        yield events.Progress("scan", 0, 0)
        raise UserError("The disk is full.", "Make room.")

    monkeypatch.setattr(scan, "run", run)
    async with running(project) as opened:
        await opened.until(lambda: any("The disk is full" in text for text in opened.notices))
        await opened.until(lambda: opened.app.screen.query_one("#empty", Static).display)


def test_contact_sheets_are_found(project: Project) -> None:
    sheet = project.output / "grids" / "one" / "sheet.png"
    sheet.parent.mkdir(parents=True)
    draw_numbered(1, (64, 64)).save(sheet)
    assert [one.path for one in made(project)] == [sheet]


async def test_what_trainers_do_not_read_is_marked(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/a.png", 1, caption="mochi, cat\nA long description.\n")
    make_image("10_mochi/b.png", 2, caption="mochi, cat\n")
    async with running(project) as opened:
        editor = opened.app.screen.query_one(CaptionEditor)
        await opened.until(lambda: "mochi" in editor.text)
        assert "only line 1 is read" in str(editor.border_title)
        assert [bool(editor.get_line(number).spans) for number in (0, 1)] == [False, True]
        await opened.press("down")
        await opened.until(lambda: "only line 1" not in str(editor.border_title))


_FAULT = """
import sys
from tui.screens.images import ImagesScreen

def fail(self):
    raise RuntimeError("boom")

ImagesScreen.reload = fail
from tui.cli import main
sys.exit(main())
"""


def test_a_fault_ends_in_a_sentence_and_a_file(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    environment = {"TMPDIR": str(tmp_path)}
    with Application(project, size=(300, 40), code=_FAULT, environment=environment) as app:
        app.shows(LEFT)
        assert app.ended() == 70
        told = re.split(LEFT, app.written)[-1]
    assert "RuntimeError: boom" in told
    assert "Traceback" not in told
    assert "locals" not in told
    (report,) = tmp_path.glob("shikomi-report-*.txt")
    assert report.name in told.replace("\r\n", "").replace(" ", "")
    assert "in fail" in report.read_text()


_KEYS = [("e", "Edit"), ("space", "選択"), ("/", "絞り込み"), ("x", "Exclude others")]


@given(st.lists(st.sampled_from(_KEYS), max_size=9), st.integers(12, 90))
def test_keys_are_shown_whole_or_not_at_all(keys: list[tuple[str, str]], width: int) -> None:
    hints = [KeyHint("", key, title) for key, title in keys]
    end = KeyHint("ctrl+p", "^p", "Find")
    found = fitted(hints, [end], width)
    assert (found[-1].hint, found[-1].column + cell_len(found[-1].text)) == (end, width)
    shown = [place.hint for place in found[:-1] if place.hint is not None]
    assert shown == hints[: len(shown)]
    assert [place.text for place in found[:-1] if place.hint is None] == ["…"] * (shown != hints)
    for place, beside in pairwise(found):
        assert place.column + cell_len(place.text) < beside.column
    if len(shown) < len(hints) - 1:  # with the sign behind it, not even the next one had fitted
        place, text = found[len(shown)], hints[len(shown)].text
        assert place.column + cell_len(f"{text} … ") > found[-1].column


async def test_small_screens_are_right_from_the_first_frame(
    project: Project, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_image("10_mochi/an_image_17.png", 1)
    forms: set[str] = set()
    update = StageItem.update

    def noted(self: StageItem, content: VisualType = "", *, layout: bool = True) -> None:
        forms.add(self.form)
        update(self, content, layout=layout)

    monkeypatch.setattr(StageItem, "update", noted)
    async with running(project, (80, 24)) as opened:
        for mode in STAGE_KEYS:
            await opened.go(mode)
            lines = [strip.text for strip in opened.app.screen._compositor.render_strips()]
            assert lines[-1].endswith(" ? Help ^p Find")
            if mode in ("images", "crop"):
                name = {"images": "  an_image_17.png", "crop": "  …/an_image_17.png"}[mode]
                assert any(name in line for line in lines)
        assert forms == {"short"}
        keys = opened.app.screen.query_one(KeyLine)
        assert await opened.pilot.click(keys, offset=(80 - len("? Help ^p Find"), 0))
        await opened.until(lambda: isinstance(opened.app.screen, Help))
        await opened.press("escape")
        assert await opened.pilot.click(keys, offset=(len(keys.placed[0].text), 0))
        await opened.settled()
        assert not isinstance(opened.app.screen, Help)
