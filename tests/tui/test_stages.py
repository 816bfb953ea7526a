import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import RenderableType
from textual._compositor import LayoutUpdate
from textual.app import App
from textual.screen import Screen
from textual.widgets import Input, Static

from prep import events
from prep.curation.duplicates import comparer
from prep.curation.duplicates.comparison import Comparison
from prep.dataset.index import Index
from prep.dataset.journal.changes import exclusion
from prep.dataset.journal.edits import Journal
from prep.ops import scan
from prep.project import Project
from prep.system import jobs
from tests.tui.driving import running
from tui.about import fit_text
from tui.commands import STAGE_KEYS
from tui.dialogs.help import Help
from tui.dialogs.preview import Preview
from tui.jobs.scanning import ScanProgress
from tui.screens import screen_of
from tui.screens.dupes.screen import Compared
from tui.session import IndexThread
from tui.stages import survey
from tui.widgets.line_list import ItemList
from tui.widgets.rail import StageItem

MakeImage = Callable[..., Path]


@pytest.fixture
def twins(project: Project, make_image: MakeImage) -> Project:
    """Two equal images and another one."""
    first = make_image("10_mochi/a.png", 1, (400, 300), "cat")
    (first.parent / "b.png").write_bytes(first.read_bytes())
    make_image("10_mochi/c.png", 3, (600, 900))
    return project


@pytest.mark.parametrize("size", [(80, 24), (140, 40), (200, 60)])
async def test_every_stage_opens(twins: Project, size: tuple[int, int]) -> None:
    async with running(twins, size) as opened:
        for mode in STAGE_KEYS:
            await opened.go(mode)
            assert isinstance(opened.app.screen, screen_of(mode))
            assert opened.app.screen.query_one(f"#stage-{mode}", StageItem).has_class("-here")


async def test_a_stage_is_first_drawn_as_a_whole(
    twins: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[object, object]] = []
    display = App._display

    def noted(app: App[None], screen: Screen[None], update: RenderableType | None) -> None:
        if update is not None and not app._batch_count:
            drawn.append((screen, update))
        display(app, screen, update)

    monkeypatch.setattr(App, "_display", noted)
    async with running(twins) as opened:
        for mode in ("dupes", "plan"):
            await opened.go(mode)
            here = [update for screen, update in drawn if screen is opened.app.screen]
            assert isinstance(here[0], LayoutUpdate)


async def test_lists_are_not_read_again_while_a_scan_finds_nothing_new(twins: Project) -> None:
    for new in (True, False):
        async with running(twins) as opened:
            await opened.until(lambda: opened.app.session.scanned)
            told = [each.new for each in opened.messages if isinstance(each, ScanProgress)]
            assert told[-1] is new


async def test_help_lists_the_keys_of_the_stage(twins: Project) -> None:
    async with running(twins) as opened:
        await opened.pilot.press("question_mark")
        await opened.until(lambda: isinstance(opened.app.screen, Help))
        text = str(opened.app.screen.query_one(Static).content)
        assert text.startswith("1 Images & captions")
        shown = opened.app.screen.query_one(Static)
        drawn = [shown.render_line(y).text for y in range(shown.size.height)]
        names = [line for line in drawn if line.strip().startswith("images.")]
        assert names  # they did not fit behind what the key does
        assert all(line.startswith(" " * 17) for line in names)
        await opened.pilot.press("escape")
        await opened.until(lambda: not isinstance(opened.app.screen, Help))


async def test_a_click_on_the_rail_goes_there(twins: Project) -> None:
    async with running(twins) as opened:
        await opened.pilot.click("#stage-plan")
        await opened.settled()
        assert opened.app.current_mode == "plan"


@pytest.mark.usefixtures("few_and_many")
async def test_duplicates_are_excluded_and_stay_in_the_list_as_decided(twins: Project) -> None:
    def excluded() -> int:
        with Index(twins) as index:
            return len(index.ids("excluded:yes"))

    def line() -> str:
        groups = opened.app.screen.query_one("#groups", ItemList)
        return " ".join(groups.render_line(1).text.split()) if groups.count == 1 else ""

    async with running(twins) as opened:
        await opened.go("dupes")
        await opened.until(lambda: line() == "! a.png 2 the same")
        await opened.press("x")
        await opened.until(lambda: line() == "✓ a.png stays, 1 excluded")
        status = opened.app.screen.query_one("#groups-status", Static)
        assert "0 to decide" in str(status.content)
        await opened.press("u")
        await opened.until(lambda: line() == "! a.png 2 the same")
        await opened.press("a")
        await opened.until(lambda: line() == "= a.png all stay")
        await opened.press("x", "b", "o")
        assert any("This group is decided." in notice for notice in opened.notices)
        await opened.until(lambda: line() == "! a.png 2 the same")
        await opened.press("x")
        await opened.until(lambda: excluded() == 1)
    (twins.dataset / "10_mochi" / "b.txt").write_text("cat, hat")
    async with running(twins) as opened:  # nothing is left to compare
        await opened.go("dupes")
        await opened.until(lambda: line() == "✓ a.png stays, 1 excluded")
        await opened.press("o")
        assert any("Tags taken over by a.png stay" in notice for notice in opened.notices)
        await opened.until(lambda: line().endswith("2 the same"))
        assert excluded() == 0


@contextmanager
def held(thread: IndexThread) -> Iterator[None]:
    """Let nothing be read in a thread of the session meanwhile."""
    gate = threading.Event()
    reading = asyncio.ensure_future(thread.run(lambda _index: gate.wait()))
    try:
        yield
    finally:
        gate.set()
        del reading


async def test_a_variant_that_was_excluded_is_open_again_where_it_was(
    project: Project, make_image: MakeImage
) -> None:
    for number, name in enumerate("abcd", 1):
        make_image(f"10_mochi/{name}.png", number)
    list(scan.run(project))
    with Index(project) as index:
        folder = "dataset/10_mochi"
        gone = [
            exclusion(f"{folder}/{name}.png", None, f"duplicate of {folder}/{keep}.png (near)")
            for name, keep in ("ba", "dc")
        ]
        Journal(index).apply("x", gone)
    async with running(project) as opened:
        await opened.go("dupes")
        groups = opened.app.screen.query_one("#groups", ItemList)
        await opened.until(lambda: groups.count == 2)
        await opened.pilot.press("j")
        with held(opened.app.session.queries):  # what was compared is not read yet
            paths = [f"{folder}/{name}.png" for name in "ac"]
            found = events.Group("near", paths, paths[0], [0, 0])
            opened.app.screen.post_message(Compared([found]))
            await opened.pilot.press("n", "b", "x")
            assert groups.count == 2
        await opened.settled()
        await opened.press("o")  # comparing finds nothing: a person had seen a copy
        await opened.until(lambda: groups.render_line(1).text.startswith("? c.png"))
        assert "2 unclear" in groups.render_line(1).text
        assert groups.cursor == 0
        await opened.press("u")
        await opened.until(lambda: groups.render_line(1).text.startswith("✓ c.png"))


async def test_where_nothing_is_compared_nothing_is_said_of_it(
    project: Project, make_image: MakeImage
) -> None:
    make_image("10_mochi/a.png", 1)
    async with running(project) as opened:
        await opened.go("dupes")
        status = opened.app.screen.query_one("#groups-status", Static)
        await opened.until(lambda: str(status.content) == "no duplicates found")
        await opened.press("space")
        for name in ("#kept-captions", "#other-captions", "#differences"):
            assert str(opened.app.screen.query_one(name, Static).content) == ""


async def test_what_is_unclear_is_excluded_only_by_its_own_key(
    project: Project, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_image("10_mochi/a.png", 1, (400, 300))
    make_image("10_mochi/b.jpg", 1, (200, 150))
    seen = Comparison(2.0, 0.02, overlay=2, uncertain=True)
    monkeypatch.setattr(comparer, "compare", lambda _first, _second, _details: seen)

    def excluded() -> list[str | None]:
        with Index(project) as index:
            return [row.excluded for row in index.select("excluded:yes")]

    async with running(project) as opened:
        await opened.go("dupes")
        groups = opened.app.screen.query_one("#groups", ItemList)
        await opened.until(lambda: groups.count == 1)
        status = opened.app.screen.query_one("#groups-status", Static)
        await opened.until(lambda: "0 to decide, 1 unclear" in str(status.content))
        title = opened.app.screen.query_one("#other-title", Static)
        await opened.until(lambda: "possibly text or a watermark" in str(title.content))
        await opened.press("X")
        await opened.settled()
        assert excluded() == []
        await opened.press("x")
        await opened.until(lambda: len(excluded()) == 1)
        assert excluded() == ["duplicate of dataset/10_mochi/a.png (near)"]


async def test_the_other_picture_can_be_kept(twins: Project) -> None:
    async with running(twins) as opened:
        await opened.go("dupes")
        groups = opened.app.screen.query_one("#groups", ItemList)
        await opened.until(lambda: groups.count == 1)
        await opened.press("b")
        await opened.pilot.press("X")
        await opened.until(lambda: isinstance(opened.app.screen, Preview))
        assert "b.png stays" in opened.app.screen.query_one("#parts", ItemList).render_line(0).text
        await opened.pilot.press("enter")

        def left() -> list[str]:
            with Index(twins) as index:
                return [Path(row.path).name for row in index.usable()]

        await opened.until(lambda: left() == ["b.png", "c.png"])


async def test_an_image_whose_copy_was_excluded_by_hand_stays(twins: Project) -> None:
    def left() -> list[str]:
        with Index(twins) as index:
            return [Path(row.path).name for row in index.usable()]

    async with running(twins) as opened:
        await opened.go("dupes")
        groups = opened.app.screen.query_one("#groups", ItemList)
        await opened.until(lambda: groups.count == 1)
        await opened.go("images")
        await opened.press("x")
        await opened.until(lambda: left() == ["b.png", "c.png"])
        await opened.go("dupes")
        await opened.press("X")
        await opened.until(lambda: any("no clear group" in text for text in opened.notices))
        await opened.press("x")
        assert left() == ["b.png", "c.png"]


async def test_what_was_decided_elsewhere_while_it_was_shown_is_judged_again(
    twins: Project,
) -> None:
    async with running(twins) as opened:
        await opened.go("dupes")
        groups = opened.app.screen.query_one("#groups", ItemList)
        await opened.until(lambda: groups.count == 1)
        await opened.pilot.press("X")
        await opened.until(lambda: isinstance(opened.app.screen, Preview))
        with Index(twins) as index:
            Journal(index).apply("x", [exclusion("dataset/10_mochi/a.png", None, "elsewhere")])
        await opened.pilot.press("enter")
        await opened.settled()
    with Index(twins) as index:
        assert [Path(row.path).name for row in index.usable()] == ["b.png", "c.png"]


async def test_tagging_starts_the_verb_as_a_job(
    twins: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(jobs, "start", lambda job: started.append(job.settings().argv))
    async with running(twins) as opened:
        await opened.go("tag")
        opened.app.screen.query_one("#field-model", Input).value = "demo"
        opened.app.screen.query_one("#field-general", Input).value = "0.4"
        await opened.press("ctrl+t")
        await opened.until(lambda: started)
        opened.app.screen.query_one("#field-general", Input).value = "2"
        await opened.press("ctrl+y")
        await opened.until(lambda: any("at most" in text for text in opened.notices))
    assert started[0][1:6] == ["-m", "tui.cli", "tag", str(twins.root), "--json"]
    options = started[0][6:]
    assert options[options.index("--model") + 1] == "demo"
    assert options[options.index("--general") + 1] == "0.4"
    assert "--dry-run" not in options
    assert len(started) == 1
    assert Project.open(twins.root).settings.tagger.model == "demo"


async def test_settings_changed_elsewhere_are_noticed(twins: Project) -> None:
    async with running(twins) as opened:
        twins.saved({"concepts": {"10_mochi": {"trigger": "mochi"}}})
        await opened.press("r")
        await opened.until(
            lambda: opened.app.session.project.concept("10_mochi").trigger == "mochi"
        )


async def test_faults_in_the_settings_are_told_not_fatal(twins: Project) -> None:
    async with running(twins) as opened:
        twins.file.write_text("[project]\nresolutoin = 5\n", "utf-8")
        await opened.press("r")
        await opened.until(lambda: any("resolution" in text for text in opened.notices))


def test_an_enlargement_that_does_not_show_is_not_told(
    project: Project, make_image: MakeImage
) -> None:
    make_image("10_mochi/near.png", 1, (500, 500))
    make_image("10_mochi/small.png", 2, (400, 400))
    list(scan.run(project))
    with Index(project) as index:
        assert survey(index).enlarged == 1
    fits = [fit_text(project.buckets.fit((side, side))) for side in (500, 400)]
    assert fits == ["bucket 512x512", "bucket 512x512 · enlarged 1.3 times"]
