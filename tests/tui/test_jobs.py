import json
import sys
from pathlib import Path

import pytest
from textual.widgets import Button, Input, Static

from prep import events, language
from prep.project import Project
from prep.system import jobs
from tests.tui.driving import Opened, running
from tui.jobs.follow import JobBoard, JobView, News
from tui.jobs.runs import results
from tui.widgets.chart import Chart
from tui.widgets.job_strip import JobStrip, describe, ending, outcome
from tui.widgets.line_list import ItemList
from tui.widgets.run_line import run_line
from tui.widgets.run_panel import title_of

TRAINING = """
import json, sys, time
def say(kind, **fields):
    print(json.dumps({"v": 1, "t": 0, "kind": kind, **fields}), flush=True)
say("started", what="train mochi", total=0)
say("stage", name="load", done=False, seconds=0.0, note="base on cuda:0")
for step in range(1, 5):
    say("metric", step=step, total=9, epoch=1, loss=1 / step, it_per_s=2.5, eta_s=65.0)
end = time.monotonic() + 60
while time.monotonic() < end:
    time.sleep(0.02)
"""


def strip(opened: Opened) -> str:
    return opened.app.screen.query_one(JobStrip).text


def training(project: Project) -> jobs.Job:
    """Make a job that prints four metrics and waits to be stopped."""
    argv = [sys.executable, "-c", TRAINING]
    return jobs.create(project.jobs, jobs.JobSettings("train", argv, title="mochi"))


def finished(project: Project, *lines: events.Event, title: str = "old run") -> jobs.Job:
    """Write the directory of a job that ran some time ago."""
    job = jobs.create(project.jobs, jobs.JobSettings("train", ["true"], title=title))
    (job.directory / "began").touch()
    job.events_file.write_text("".join(events.to_json(line) + "\n" for line in lines), "utf-8")
    return job


async def test_a_running_job_is_found_followed_and_stopped(project: Project) -> None:
    job = training(project)
    jobs.start(job)
    try:
        async with running(project) as opened:
            await opened.until(lambda: "4/9" in strip(opened))
            for part in ("mochi", "2.5/s", "ETA 1m05s", "loss 0.25", "on cuda:0"):
                assert part in strip(opened)
            await opened.go("plan")
            assert "4/9" in strip(opened)
            await opened.go("train")
            screen = opened.app.screen
            assert "▶ running" in screen.query_one("#runs", ItemList).render_line(1).text
            numbers = screen.query_one("#run-numbers", Static)
            await opened.until(lambda: "4/9" in str(numbers.content))
            assert not screen.query_one("#stop", Button).disabled
            await opened.pilot.press("s")
            await opened.until(lambda: not jobs.alive(job))
            await opened.until(lambda: any("mochi: stopped" in text for text in opened.notices))
            await opened.until(lambda: "no job is running" in strip(opened))
            assert not screen.query_one("#resume", Button).disabled
    finally:
        jobs.send(job, "kill")


async def test_quitting_leaves_the_job_alone(project: Project) -> None:
    job = training(project)
    jobs.start(job)
    try:
        async with running(project) as opened:
            await opened.until(lambda: "4/9" in strip(opened))
            await opened.pilot.press("q")
            await opened.until(lambda: not opened.app.is_running)
        assert jobs.alive(job)
    finally:
        jobs.send(job, "kill")


async def test_past_runs_are_listed_with_their_curve(project: Project) -> None:
    finished(
        project,
        events.Metric(1, 2, 1, loss=0.5),
        events.Metric(2, 2, 1, loss=0.3),
        events.Metric(2, 2, 1, val_loss=0.4),
        events.Failed("Memory ran out.", "Halve the batch."),
    )
    async with running(project) as opened:
        await opened.go("train")
        runs = opened.app.screen.query_one("#runs", ItemList)
        await opened.until(lambda: runs.count == 1)
        log = opened.app.screen.query_one("#run-log", Static)
        await opened.until(lambda: "Halve the batch." in str(log.content))
        chart = opened.app.screen.query_one(Chart)
        assert "validation 0.4 " in chart.render_line(0).text
        # It ended before anybody watched: nobody is told.
        assert not any("failed" in text for text in opened.notices)


async def test_training_without_a_base_model_says_so(project: Project, tmp_path: Path) -> None:
    from tests.conftest import draw_numbered

    draw_numbered(1, (512, 512)).save(project.dataset / "10_mochi" / "a.png")
    async with running(project) as opened:
        await opened.go("train")
        await opened.pilot.press("ctrl+t")
        await opened.until(lambda: any("base model" in text for text in opened.notices))
        # It is refused before anything is written.
        assert not (project.output / "dataset").exists()


async def test_a_failed_export_is_told_once(project: Project) -> None:
    async with running(project) as opened:
        await opened.go("train")
        await opened.pilot.press("ctrl+t")
        await opened.until(lambda: opened.notices)
    assert len(opened.notices) == 1


async def test_faulty_settings_are_marked(project: Project) -> None:
    async with running(project) as opened:
        await opened.go("train")
        opened.app.screen.query_one("#field-rank", Input).value = "0"
        opened.app.screen.query_one("#field-alpha", Input).value = "much"
        await opened.pilot.press("ctrl+t")
        await opened.until(lambda: any("rank" in t and "alpha" in t for t in opened.notices))
        assert opened.app.screen.query_one("#row-rank").has_class("-fault")
        assert opened.app.screen.query_one("#row-alpha").has_class("-fault")
        assert not project.file.read_text().count("rank")


def view_of(*lines: events.Event, state: str = "running") -> JobView:
    job, settings = (
        jobs.Job(Path("20260101-120000-train")),
        jobs.JobSettings("train", [], title="mochi"),
    )
    view = JobView(job, settings)
    view.take(News(job, settings, state, list(lines)), 0.0)
    return view


@pytest.mark.parametrize(
    ("last", "title", "line", "parts"),
    [
        ((), "▶ mochi: starting…", "▶ running   12:00 mochi", []),
        ((events.Started("mochi"),), "▶ mochi: starting…", "▶ running   12:00 mochi", []),
        ((events.Stage("train"),), "▶ mochi: train", "▶ running   12:00 mochi", ["train"]),
        (
            (events.Stage("load", note="a.model on cpu"),),
            "▶ mochi: load a.model on cpu",
            "▶ running   12:00 mochi",
            ["load", "on cpu"],
        ),
        (
            (events.Progress("tag", 1, 2),),
            "▶ mochi: tag ━━━━━━━━━━────────── 1/2",
            "▶ running   12:00 mochi                        1/2",
            ["tag ━━━━━━━━──────── 1/2"],
        ),
    ],
)
def test_what_is_not_known_of_a_run_leaves_no_gap(
    last: tuple[events.Event, ...], title: str, line: str, parts: list[str]
) -> None:
    view = view_of(*last)
    assert title_of(view) == title
    assert "".join(text for text, _look in run_line(view)).rstrip() == line
    assert describe(view) == ["▶ mochi", *parts]


def test_a_state_has_one_word_wherever_it_is_shown() -> None:
    language.use("ja")
    paused, done = view_of(), view_of(state="done")
    paused.paused = True
    assert results([paused, done])[0][1] == ["一時停止中", "完了"]
    assert "一時停止中" in run_line(paused)[0][0]
    assert title_of(done) == "完了：mochi"
    assert describe(done) == ["完了：mochi"]


def test_a_resumed_run_goes_back_to_its_last_saved_step() -> None:
    metrics = [events.Metric(step, 9, 1, loss=1.0) for step in (1, 2, 3, 4, 3)]
    assert [m.step for m in view_of(*metrics).metrics] == [1, 2, 3]


def test_rate_and_eta_come_from_progress_when_nothing_better_is_said() -> None:
    view = view_of(events.Progress("tag", 10, 100))
    view.take(News(view.job, view.settings, "running", [events.Progress("tag", 30, 100)]), 2.0)
    assert (view.rate, view.eta) == (10.0, 7.0)


def test_a_new_stage_begins_at_nothing() -> None:
    view = view_of(events.Progress("encode", 39, 39), events.Stage("train"))
    assert "39/39" not in " ".join(describe(view))


@pytest.mark.parametrize(
    ("end", "state", "told"),
    [
        (events.Finished({"edit": 3}), "done", "mochi: done. Press u to undo."),
        (events.Finished({"edit": 0}), "done", "mochi: done"),
        (events.Failed("No room.", "Make some."), "failed", "mochi failed: No room.\nMake some."),
        (
            events.Stage("train"),
            "lost",
            "mochi: lost\nIt ended unexpectedly; see 20260101-120000-train/log.txt.",
        ),
    ],
)
def test_only_the_notice_says_what_can_be_done_about_the_end(
    end: events.Event, state: str, told: str
) -> None:
    view = view_of(end, state=state)
    assert ending(view) == told
    assert outcome(view) == told.splitlines()[0].removesuffix(". Press u to undo.")
    strip = JobStrip()
    strip.show([], "", view)
    assert strip.text == f"no job is running  {outcome(view)}"


@pytest.mark.parametrize(
    ("last", "state"),
    [
        (events.Finished({}), "done"),
        (events.Finished({}, "stopped"), "stopped"),
        (events.Failed("no"), "failed"),
        (events.Progress("tag", 1, 2), "lost"),
    ],
)
def test_the_board_knows_how_a_job_ended(project: Project, last: events.Event, state: str) -> None:
    finished(project, last)
    board = JobBoard(project.jobs)
    assert [view.state for view in board.apply(board.poll())] == [state]
    assert board.poll() == []


def test_the_board_reads_only_what_is_new(project: Project) -> None:
    job = finished(project, events.Progress("tag", 1, 2))
    board = JobBoard(project.jobs)
    board.apply(board.poll())
    with job.events_file.open("a", encoding="utf-8") as file:
        file.write(events.to_json(events.Finished({})) + "\n" + json.dumps({"half": 1})[:4])
    (news,) = board.poll()
    assert [type(event) for event in news.events] == [events.Finished]
    assert news.state == "done"


def test_directories_that_are_no_jobs_are_passed_over(project: Project) -> None:
    broken = project.jobs / "20260101-000000-train"
    broken.mkdir(parents=True)
    (broken / "job.json").write_text("{", "utf-8")
    assert JobBoard(project.jobs).poll() == []
