"""Forms are drafts over a version of shikomi.toml, and a start happens once."""

import threading
from typing import Any

import pytest
from textual.widgets import Input

from prep.ops.tag import TagOptions
from prep.project import Project
from prep.system import jobs
from tests.conftest import MakeImage
from tests.tui.driving import Opened, running
from tests.tui.test_key_order import burst
from train.config import TrainSettings
from tui.dialogs.question import Question
from tui.widgets.form import Form


def stored(project: Project) -> dict[str, Any]:
    """Return [train] without the base model, which every run needs."""
    found = Project.open(project.root).settings.train
    return {key: value for key, value in found.items() if key != "base"}


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch, project: Project, make_image: MakeImage) -> list[Any]:
    """Record the settings that runs are begun with; begin none."""
    make_image("10_mochi/a.png", 1, caption="cat")
    project.saved({"train": {"base": "model/a.safetensors"}})
    found: list[Any] = []

    def begin(_project: Project, settings: TrainSettings) -> Any:
        found.append(settings)
        yield from ()
        return jobs.create(project.jobs, jobs.JobSettings("other", ["true"]))

    monkeypatch.setattr("tui.screens.train.begin", begin)
    return found


async def start(opened: Opened, **typed: str) -> None:
    for name, text in typed.items():
        opened.app.screen.query_one(f"#field-{name}", Input).value = text
    await opened.pilot.press("ctrl+t")


async def test_only_what_was_touched_is_written(project: Project, begun: list[Any]) -> None:
    before = project.saved({"train": {"rank": 16, "epochs": 10, "batch_size": 2}})
    async with running(before) as opened:
        await opened.go("train")
        project.saved({"train": {"batch_size": 4, "epochs": 10}})
        await start(opened, rank="32")
        await opened.until(lambda: begun)
    # epochs = 10 is the default, and stays as somebody wrote it.
    assert stored(project) == {"rank": 32, "epochs": 10, "batch_size": 4}
    assert (begun[0].rank, begun[0].batch_size) == (32, 4)


async def test_an_untouched_form_writes_nothing(project: Project, begun: list[Any]) -> None:
    before = project.saved({"train": {"rank": 8}})
    text = project.file.read_text()
    async with running(before) as opened:
        await opened.go("train")
        await start(opened)
        await opened.until(lambda: begun)
    assert project.file.read_text() == text


@pytest.mark.parametrize(("answer", "rank"), [("mine", 32), ("theirs", 64)])
async def test_what_was_changed_in_both_is_asked(
    project: Project, begun: list[Any], answer: str, rank: int
) -> None:
    before = project.saved({"train": {"rank": 16}})
    async with running(before) as opened:
        await opened.go("train")
        field = opened.app.screen.query_one("#field-rank", Input)
        field.value = "32"
        project.saved({"train": {"rank": 64}})
        await start(opened)
        await opened.until(lambda: isinstance(opened.app.screen, Question))
        assert not begun
        await opened.pilot.click(f"#{answer}")
        await opened.until(lambda: begun)
        assert field.value == str(rank)
    assert stored(project) == {"rank": rank}
    assert begun[0].rank == rank


async def test_a_form_follows_the_file(project: Project, begun: list[Any]) -> None:
    async with running(project) as opened:
        await opened.go("train")
        opened.app.screen.query_one("#field-epochs", Input).value = "3"
        project.saved({"train": {"rank": 64, "epochs": 5}})
        await opened.press("r")
        rank = opened.app.screen.query_one("#field-rank", Input)
        await opened.until(lambda: rank.value == "64")
        assert opened.app.screen.query_one("#field-epochs", Input).value == "3"
        assert opened.app.screen.query_one("#row-epochs").has_class("-conflict")
        assert not opened.app.screen.query_one("#row-rank").has_class("-conflict")


def test_a_hidden_field_that_a_preset_filled_is_touched() -> None:
    form = Form(TagOptions, {"general": 0.3})
    form.fill({"general": 0.5})
    assert form.text("general") == "0.5"
    form.rebase({"general": 0.7})
    assert form.conflicts == {"general": ("0.7", "0.5")}
    form.resolve(mine=False)
    assert (form.conflicts, form.text("general")) == ({}, "0.7")


async def test_two_presses_start_one_tagger(
    project: Project, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_image("10_mochi/a.png", 1)
    started: list[jobs.Job] = []
    go_on = threading.Event()

    def start(job: jobs.Job) -> None:
        started.append(job)
        go_on.wait()

    monkeypatch.setattr(jobs, "start", start)
    monkeypatch.setattr(jobs, "alive", lambda job: job in started)
    async with running(project) as opened:
        await opened.go("tag")
        opened.app.screen.query_one("#field-model", Input).value = "demo"
        burst(opened, "ctrl+y", "ctrl+t")
        await opened.until(lambda: any("being started" in notice for notice in opened.notices))
        await opened.until(lambda: started)
        go_on.set()
        await opened.settled()
        assert len(started) == 1
        await opened.pilot.press("ctrl+t")
        await opened.until(lambda: isinstance(opened.app.screen, Question))
        await opened.pilot.press("enter")
        await opened.until(lambda: not isinstance(opened.app.screen, Question))
        assert len(started) == 1
