"""The tour follows what somebody does, is offered once, and comes again."""

from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.widgets import Button, OptionList, Static

from prep import events, language
from prep.project import Project
from prep.system import jobs
from prep.system.user_folder import user_folder
from tests.conftest import MakeImage
from tests.tui.driving import Opened, running, until
from tui.chooser import recent
from tui.chooser.app import ChooserApp, ChooserScreen
from tui.chooser.dialogs import PathDialog
from tui.chooser.tour import TourDialog
from tui.dialogs.question import Question
from tui.jobs.follow import JobView
from tui.stages import StageState
from tui.tour import progress, steps
from tui.tour.bar import TourBar
from tui.widgets.line_list import LineList


@pytest.fixture
def four(project: Project, make_image: MakeImage) -> Project:
    for number in range(4):
        make_image(f"10_mochi/{number}.png", number)
    return project


def told(opened: Opened) -> str:
    """Return what the tour says on the stage that is seen; nothing if it says nothing."""
    bars = opened.app.screen_stack[0].query(TourBar)
    return str(bars.first().content) if bars else ""


def ran(opened: Opened, kind: str, state: str, name: str, *argv: str) -> JobView:
    """Let a job be there, as the board would have found it."""
    job = jobs.Job(opened.app.session.project.jobs / name)
    view = JobView(job, jobs.JobSettings(kind, ["shikomi", *argv]), state)
    opened.app.session.board.views[name] = view
    return view


async def test_it_goes_on_when_the_user_did_it(four: Project) -> None:
    progress.begun(four.root)
    async with running(four, (80, 24)) as opened:
        await opened.until(lambda: "step 1 of 3" in told(opened))
        assert "○ ↓ and ↑" in told(opened)
        await opened.press("down", "down")
        await opened.until(lambda: "✓ ↓ and ↑" in told(opened))
        await opened.press("e")
        await opened.type("smile")
        await opened.press("ctrl+s")
        caption = four.dataset / "10_mochi" / "2.txt"
        await opened.until(caption.exists)
        await opened.pilot.pause(0.7)  # two looks of the tour
        assert "step 1" in told(opened), "who types would type the key of the next task"
        await opened.press("escape")
        await opened.until(lambda: "step 2 of 3" in told(opened))
        assert opened.app.screen_stack[0].query_one(TourBar).region.bottom <= 22

        ran(opened, "tag", "done", "20200101-000000-tag")  # before the tour
        ran(opened, "tag", "done", "29990101-000000-tag", "--dry-run")
        opened.app.look()
        assert "○ 4" in told(opened)
        ran(opened, "tag", "done", "29990101-000001-tag")
        opened.app.session.remarks["review"] = StageState("done", "")
        opened.app.look()
        assert "✓ 4" in told(opened)
        assert "step 2" in told(opened), "nobody has looked whether something is to be decided"
        await opened.go("review")
        if "step 2" in told(opened):  # the stage has found something
            await opened.app.session.edit("an answer", [])
        await opened.until(lambda: "step 3 of 3" in told(opened))
        assert progress.under_way(four.root) is not None

        run = ran(opened, "train", "running", "29990101-000002-train")
        await opened.go("plan")
        await opened.until(lambda: "✓ 5" in told(opened))
        assert "✓ 6" in told(opened)
        await opened.go("samples")
        opened.app.look()
        assert "○ 7" in told(opened)
        run.results.append(events.Sample("a.png", "mochi", 1))
        await opened.until(lambda: "all done" in told(opened))
        assert progress.read() == progress.Progress()
        await opened.press("I")
        await opened.until(lambda: not told(opened))


async def test_a_step_is_skipped_and_the_tour_is_ended(four: Project) -> None:
    progress.begun(four.root)
    async with running(four) as opened:
        await opened.until(lambda: "step 1 of 3" in told(opened))
        await opened.press("I")
        assert isinstance(opened.app.screen, Question)
        await opened.press("enter")
        assert "step 2 of 3" in told(opened)
        await opened.pilot.press("q")
    async with running(four) as opened:  # goes on where it was
        await opened.go("crop")
        await opened.until(lambda: "step 2 of 3" in told(opened))
        await opened.go("images")
        await opened.until(lambda: "step 2 of 3" in told(opened))
        await opened.press("I")
        opened.app.screen.query_one("#end", Button).press()
        await opened.until(lambda: not told(opened))
        assert progress.under_way(four.root) is None
        await opened.go("crop")  # which showed it while it was under way
        await opened.until(lambda: not told(opened))


async def test_it_leads_from_any_project_to_the_demo(four: Project, tmp_path: Path) -> None:
    async with running(four) as opened:
        assert not told(opened)
        await opened.press("I")
        assert isinstance(opened.app.screen, TourDialog)
        await opened.press("enter")
        await opened.until(lambda: opened.app.leads_to)
    demo = Path("~/shikomi-demo").expanduser()
    assert opened.app.another
    assert opened.app.leads_to == demo
    made = Project.open(demo)
    assert made.concept("10_mochi").trigger == "mochi"
    assert len(list((demo / "dataset" / "10_mochi").iterdir())) > 40
    async with running(made, (80, 24)) as opened:
        await opened.until(lambda: "step 1 of 3" in told(opened))
        rows = opened.app.screen.query_one("#images", LineList)
        assert rows.size.height >= 8


async def test_it_is_offered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    app = ChooserApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, TourDialog))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, TourDialog))
        chooser = app.screen
        assert isinstance(chooser, ChooserScreen)
        await app.run_action("open")
        await chooser.offer_tour()  # not laid over what somebody opened meanwhile
        assert type(app.screen) is PathDialog
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is chooser)
        assert "Tour" in str(app.screen.query_one(OptionList).options[-1].prompt)
    app = ChooserApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.pause()
        assert not isinstance(app.screen, TourDialog)
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, TourDialog))
        fault = app.screen.query_one("#fault", Static)
        Path("~/shikomi-demo").expanduser().write_text("a file where the folder should be")
        await pilot.press("enter")
        await until(pilot, lambda: fault.display)
        assert progress.read() == progress.Progress()


async def test_it_is_not_offered_to_somebody_with_projects(project: Project) -> None:
    recent.remember(project.root)
    app = ChooserApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.pause()
        assert not isinstance(app.screen, TourDialog)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"project": 1, "since": "", "done": []}'])
def test_what_is_broken_was_offered_and_is_not_under_way(text: str) -> None:
    assert progress.read() is None
    user_folder().mkdir(parents=True)
    (user_folder() / "tour.json").write_text(text)
    assert progress.read() == progress.Progress()


@pytest.mark.parametrize("code", language.available())
def test_each_sentence_is_a_line_of_a_small_terminal(code: str) -> None:
    language.use(code)
    try:
        for task in (*(task for step in steps.STEPS for task in step.tasks), steps.LAST):
            assert cell_len(f"○ {task.words({})}") <= 78, task.words({})
    finally:
        language.use("en")


def test_the_keys_are_those_of_this_person() -> None:
    train = steps.STEPS[2].tasks[1]
    assert train.words({"train.start": "f9"}).startswith("6, then F9 starts")
