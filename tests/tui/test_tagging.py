"""The stage Tag: thresholds tried live, taggers chosen, compared and downloaded."""

import pytest
from textual.widgets import Button, Input, Static

from prep import events
from prep.dataset.index import Index
from prep.ops.score_options import ScoreOptions
from prep.ops.threshold_trial import Chosen, applied
from prep.project import Project
from prep.system import jobs
from tests.prep.scored import add_scores, scored
from tests.tui.driving import Opened, running
from tui.dialogs.question import Question
from tui.dialogs.take_over import TakeOver
from tui.widgets.line_list import ItemList
from tui.widgets.slider import Slider

SCORES = {
    "a": {"hat": 0.9, "smile": 0.5, "mochi_(game)": 0.9},
    "b": {"hat": 0.4, "smile": 0.2},
    "c": {"hat": 0.38},
}


@pytest.fixture
def tagged(project: Project) -> Project:
    """Three images, tagged at the usual thresholds."""
    scored(project, SCORES, {})
    with Index(project) as index:
        applied(project, index, ScoreOptions(), Chosen())
    return project


def caption(project: Project, name: str) -> str:
    return (project.dataset / "10_mochi" / f"{name}.txt").read_text("utf-8")


def counts(opened: Opened) -> str:
    return str(opened.app.screen.query_one("#threshold-counts", Static).content)


def lines(opened: Opened, name: str) -> list[str]:
    shown = opened.app.screen.query_one(name, ItemList)
    top = 1 if shown.header(9) else 0
    return [" ".join(shown.render_line(n + top).text.split()) for n in range(shown.count)]


async def thresholds(opened: Opened) -> Slider:
    await opened.go("tag")
    await opened.press("t")
    await opened.until(lambda: opened.app.screen.query("#slider-general"))
    slider = opened.app.screen.query_one("#slider-general", Slider)
    await opened.until(lambda: slider.has_focus and "of 3" in counts(opened))
    return slider


async def test_captions_follow_the_slider_and_are_taken_over(tagged: Project) -> None:
    before = tagged.file.read_bytes()
    async with running(tagged) as opened:
        slider = await thresholds(opened)
        assert slider.value == 0.35
        assert counts(opened).startswith("0 of 3 captions change")
        await opened.press(*["right"] * 4)
        assert slider.value == 0.39
        await opened.until(lambda: counts(opened) == "1 of 3 captions change · +0 −1 tags")
        assert lines(opened, "#tag-shifts") == ["· −1 hat"]
        await opened.press("L")
        await opened.until(lambda: counts(opened) == "2 of 3 captions change · +0 −2 tags")
        shown = opened.app.screen.query_one("#tried-caption", Static)
        assert str(shown.content) == "−hat"
        await opened.pilot.press("a")
        await opened.until(lambda: isinstance(opened.app.screen, TakeOver))
        await opened.pilot.click("#both")
        await opened.until(lambda: Project.open(tagged.root).settings.tagger.general == 0.44)
        await opened.settled()
        assert not (tagged.dataset / "10_mochi" / "b.txt").exists()
        await opened.until(lambda: counts(opened).startswith("0 of 3"))
        assert not slider.moved
        await opened.press("u")
        await opened.until(lambda: tagged.file.read_bytes() == before)
        assert caption(tagged, "b") == "hat"


async def test_nothing_is_written_by_moving_or_going_back(tagged: Project) -> None:
    async with running(tagged) as opened:
        slider = await thresholds(opened)
        await opened.press("H", "H", "H", "H")
        await opened.until(lambda: "+1 −0 tags" in counts(opened))
        await opened.pilot.press("a")
        await opened.until(lambda: isinstance(opened.app.screen, TakeOver))
        await opened.pilot.press("escape")
        await opened.settled()
        await opened.press("backspace")
        assert slider.value == 0.35
        await opened.until(lambda: counts(opened).startswith("0 of 3"))
        await opened.pilot.press("a")
        await opened.until(lambda: isinstance(opened.app.screen, TakeOver))
        buttons = {one.id: one.disabled for one in opened.app.screen.query(Button)}
        assert buttons == {"both": True, "captions": True, "settings": True, "cancel": False}
        await opened.pilot.press("escape")
    assert caption(tagged, "b") == "hat"


async def test_the_mouse_moves_the_handle(tagged: Project) -> None:
    async with running(tagged) as opened:
        slider = await thresholds(opened)
        await opened.pilot.click(slider, offset=(slider.size.width - 8, 1))
        assert slider.value == 1.0
        await opened.until(lambda: "−4 tags" in counts(opened))


async def test_thresholds_are_tried_on_the_images_of_the_scope(tagged: Project) -> None:
    async with running(tagged) as opened:
        await opened.press("slash")
        await opened.type("smile")
        await opened.press("enter")
        await opened.until(lambda: opened.app.session.scope.where == "smile")
        await opened.go("tag")
        await opened.press("t")
        await opened.until(lambda: "of 1" in counts(opened))
        scope = opened.app.screen.query_one("#tag-scope", Static)
        assert str(scope.content) == "scope: filter: smile (1 image)"


async def test_only_the_scope_is_tagged(tagged: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(jobs, "start", lambda job: started.append(job.settings().argv))
    async with running(tagged) as opened:
        await opened.press("space")
        await opened.go("tag")
        opened.app.screen.query_one("#field-model", Input).value = "demo"
        await opened.press("ctrl+y")
        await opened.until(lambda: started)
    argv = started[0]
    assert argv[argv.index("--where") + 1] == 'file:"dataset/10_mochi/a.png"'
    assert argv[-1] == "--dry-run"


async def test_without_scores_it_says_what_to_do(project: Project) -> None:
    async with running(project) as opened:
        await opened.go("tag")
        await opened.press("t")
        title = opened.app.screen.query_one("#threshold-title", Static)
        await opened.until(lambda: "No image has been tagged yet" in str(title.content))
        await opened.press("a", "ctrl+l")
        await opened.press("ctrl+t")  # a tagger has to be chosen first: its list comes
        await opened.until(lambda: "No tagger is chosen yet." in opened.notices[-1])
        assert opened.app.focused is opened.app.screen.query_one("#taggers")
        assert jobs.listed(project.jobs) == []


async def test_taggers_are_chosen_compared_and_combined(tagged: Project) -> None:
    add_scores(tagged, "second", {"a": {"hat": 0.9}, "b": {}, "c": {"smile": 0.8}})
    async with running(tagged) as opened:
        await opened.go("tag")
        await opened.press("m")
        taggers = opened.app.screen.query_one("#taggers", ItemList)
        await opened.until(lambda: taggers.count > 10)
        assert [line.split()[1] for line in lines(opened, "#taggers")[:3]] == [
            "second",
            "first",
            "demo",
        ]
        await opened.press("j", "space", "k", "space")
        await opened.until(lambda: len(lines(opened, "#agreements")) > 1)
        assert "1 2 · hat" in lines(opened, "#agreements") or "1 · 2 hat" in lines(
            opened, "#agreements"
        )
        screen = opened.app.screen
        assert screen.query_one("#field-model", Input).value == "first"
        assert screen.query_one("#field-also", Input).value == "second"
        title = screen.query_one("#agreement-title", Static)
        assert "●union 6" in str(title.content)
        await opened.press("c")
        await opened.until(lambda: "●intersection 1" in str(title.content))
        await opened.press("t")
        await opened.until(
            lambda: "intersection" in str(screen.query_one("#threshold-title", Static).content)
        )


async def test_a_tagger_is_downloaded_after_a_question(
    tagged: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []

    def start(job: jobs.Job) -> None:
        started.append(job.settings().argv)
        (job.directory / "began").touch()
        lines: list[events.Event] = [
            events.Downloading("wd", "hub", 100),
            events.Progress("download model.onnx", 40, 100),
        ]
        job.events_file.write_text("".join(events.to_json(e) + "\n" for e in lines), "utf-8")

    monkeypatch.setattr(jobs, "start", start)
    monkeypatch.setattr(jobs, "alive", lambda job: bool(started))
    async with running(tagged) as opened:
        await opened.go("tag")
        await opened.press("m")
        taggers = opened.app.screen.query_one("#taggers", ItemList)
        await opened.until(lambda: taggers.count > 10)
        await opened.press("j", "j")
        await opened.pilot.press("d")
        await opened.until(lambda: isinstance(opened.app.screen, Question))
        await opened.pilot.press("enter")
        await opened.until(lambda: started)
        await opened.until(lambda: any("━━━─────" in line for line in lines(opened, "#taggers")))
    assert started[0][3:] == ["models", "--download", "wd-swinv2-tagger-v3", "--json"]


def test_bars_fit_any_width() -> None:
    slider = Slider("general", "general")
    slider.show(0.35, [1] * 95)
    assert slider.validate_value(0.3549) == 0.35
    assert slider.validate_value(7) == 1.0
