"""The stage Train: curves, several runs, log, doctor, and what a run is asked to do."""

import json
import sys
from pathlib import Path

import pytest
from PIL import Image
from textual.widgets import Button, Static

from prep import events
from prep.project import Project
from prep.system import jobs, queue
from tests.tui.driving import Opened, running
from tests.tui.test_jobs import TRAINING
from train.config import RunConfig, TrainSettings
from train.job.comparison import SMOOTHING, smooth
from tui.jobs import runs
from tui.jobs.follow import JobBoard
from tui.widgets.chart import Chart, Series, limits, ticks
from tui.widgets.line_list import ItemList
from tui.widgets.run_panel import RunPanel, diagnoses_text

STEPS = 60


def run_of(project: Project, name: str, factor: float, **settings: float) -> jobs.Job:
    """Write the directory of a run that has ended."""
    config = RunConfig(
        name=name,
        project=project.root,
        dataset=project.root / "dataset.toml",
        output=project.output / "lora",
        samples=project.output / "samples" / name,
        cache=project.state / "latents",
        train=TrainSettings.model_validate(settings),
    )
    argv = ["true"]
    job = jobs.create(project.jobs, jobs.JobSettings("train", argv, title=name), config.to_toml())
    (job.directory / "began").touch()
    lines: list[events.Event] = [events.Metric(0, STEPS, 1, val_loss=0.5)]
    for step in range(1, STEPS + 1):
        loss = factor * (1 - step / 100)
        lines.append(events.Metric(step, STEPS, 1, loss=900.0 if step == 30 else loss))
    lines += [events.Metric(STEPS, STEPS, 1, val_loss=factor / 2), events.Finished({})]
    job.events_file.write_text("".join(events.to_json(e) + "\n" for e in lines), "utf-8")
    job.log_file.write_text("\n".join(f"line {n} of the log" for n in range(200)), "utf-8")
    return job


def texts(opened: Opened, name: str) -> list[str]:
    shown = opened.app.screen.query_one(name, ItemList)
    top = 1 if shown.header(9) else 0
    return [" ".join(shown.render_line(n + top).text.split()) for n in range(shown.count)]


def test_one_wild_step_flattens_neither_axis_nor_average() -> None:
    points = [(float(n), 900.0 if n == 30 else 1 - n / 100) for n in range(60)]
    average = smooth(points, SMOOTHING)
    found = limits([Series("loss", "raw", points), Series("smoothed", "smooth", average)])
    assert found is not None
    assert found[3] < 1.2
    assert max(y for _, y in average) < 1.2
    few = limits([Series("loss", "raw", points[28:33])])
    assert few is not None
    assert few[3] == 900.0  # of a handful, nobody knows which one is wild


@pytest.mark.parametrize("span", [(0.0, 1.0), (0.0686, 0.463), (-3.0, 1e5), (1.0, 1.0001)])
@pytest.mark.parametrize("most", [1, 2, 5, 9])
def test_ticks_are_few_round_and_around_everything(span: tuple[float, float], most: int) -> None:
    found = ticks(*span, most)
    assert found[0] <= span[0] + 1e-9
    assert found[-1] >= span[1] - 1e-9
    assert 2 <= len(found) <= max(most, 2) + 1  # zero is always one of them
    step = found[1] - found[0]
    digits = f"{step:.3e}".partition("e")[0].rstrip("0.")
    assert digits in ("1", "2", "2.5", "5")


async def test_curves_have_round_numbers_and_skip_what_is_not_finite(project: Project) -> None:
    run_of(project, "first", 1.0)
    async with running(project) as opened:
        await opened.go("train")
        chart = opened.app.screen.query_one(Chart)
        await opened.until(lambda: "┤" in "".join(chart.render_line(n).text for n in range(9)))
        lines = [chart.render_line(n).text for n in range(chart.size.height)]
        labels = [line.partition("┤")[0].strip() for line in lines if "┤" in line]
        assert labels == ["1", "0.9", "0.8", "0.7", "0.6", "0.5", "0.4"]
        assert lines[-1].split()[:3] == ["step", "0", "20"]
        chart.show([Series("loss", "smooth", [(0, 1.0), (1, float("nan")), (2, float("inf"))])])
        assert "loss 1" in chart.render_line(0).text


async def test_runs_are_laid_over_each_other_and_compared(project: Project) -> None:
    run_of(project, "first", 1.0, rank=16)
    run_of(project, "second", 0.8, rank=8, batch_size=3)
    async with running(project) as opened:
        await opened.go("train")
        await opened.until(lambda: opened.app.screen.query_one("#runs", ItemList).count == 2)
        await opened.press("space", "space")
        await opened.until(lambda: "rank 8 16" in texts(opened, "#run-compared"))
        rows = texts(opened, "#run-compared")
        assert any(row.startswith("batch size 3 ") for row in rows)
        assert "validation, last 0.4000 0.5000" in rows
        assert not any(row.startswith("learning rate") for row in rows)  # the same in both
        chart = opened.app.screen.query_one(Chart)
        drawn = "".join(chart.render_line(n).text for n in range(1, chart.size.height - 1))
        assert "A" in drawn
        assert "B" in drawn
        assert [row[0] for row in texts(opened, "#runs")] == ["A", "B"]
        await opened.press("escape")
        assert not opened.app.screen.query_one(RunPanel).has_class("-compared")


async def test_the_whole_log_is_there_and_searched(project: Project) -> None:
    run_of(project, "first", 1.0)
    async with running(project) as opened:
        await opened.go("train")
        await opened.until(lambda: opened.app.screen.query_one("#runs", ItemList).count == 1)
        await opened.press("o")
        log = opened.app.screen.query_one("#log-lines", ItemList)
        await opened.until(lambda: log.count == 200 and log.cursor == 199)
        await opened.press("slash")
        await opened.type("ne 7 ")
        await opened.press("enter")
        assert log.cursor == 7
        await opened.press("slash")
        await opened.type("ne 7")  # over what was searched for before
        await opened.press("enter", "n")
        assert log.cursor == 70
        await opened.press("N", "N")
        assert log.cursor == 79
        await opened.press("o")
        assert opened.app.screen.query_one(RunPanel).current == "curve"


async def test_the_doctor_speaks_about_the_run_that_is_shown(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    job = run_of(project, "first", 1.0)

    async def diagnoses(_project: Project, name: str) -> list[events.Diagnosis]:
        asked.append(name)
        return [
            events.Diagnosis("slow", "fine", "all is well"),
            events.Diagnosis("overfitting", "found", "gap 40", "too long", "train less"),
        ]

    monkeypatch.setattr("tui.widgets.run_panel.diagnoses", diagnoses)
    async with running(project) as opened:
        await opened.go("train")
        await opened.until(lambda: opened.app.screen.query_one("#runs", ItemList).count == 1)
        await opened.press("d")
        text = opened.app.screen.query_one("#run-diagnoses", Static)
        await opened.until(lambda: "next change: train less" in str(text.content))
        assert str(text.content).startswith("× overfitting")
    assert asked == [job.name]


async def test_the_doctor_is_asked_in_a_process_of_its_own(project: Project) -> None:
    job = run_of(project, "first", 1.0)
    found = await runs.diagnoses(project, job.name)
    assert {"overfitting", "not learning"} <= {one.topic for one in found}
    assert "evidence" in str(diagnoses_text(found))


async def test_a_run_is_paused_saved_and_drawn_on_request(project: Project) -> None:
    argv = [sys.executable, "-c", TRAINING]
    job = jobs.create(project.jobs, jobs.JobSettings("train", argv, title="mochi"))
    jobs.start(job)
    try:
        async with running(project) as opened:
            await opened.go("train")
            await opened.until(lambda: "running" in "".join(texts(opened, "#runs")))
            pause = opened.app.screen.query_one("#pause", Button)
            await opened.until(lambda: not pause.disabled)
            await opened.pilot.press("p")
            await opened.until(lambda: "paused" in "".join(texts(opened, "#runs")))
            title = opened.app.screen.query_one("#run-title", Static)
            await opened.until(lambda: "paused at step 4/9" in str(title.content))
            board = JobBoard(project.jobs)  # another application sees it, too
            board.apply(board.poll())
            assert board.views[job.name].paused
            await opened.pilot.press("v", "i", "p")
            await opened.until(lambda: "running" in "".join(texts(opened, "#runs")))
        sent = [json.loads(line)["command"] for line in job.commands_file.read_text().splitlines()]
        assert sent == ["pause", "save", "sample", "resume"]
    finally:
        jobs.send(job, "kill")


async def test_the_queue_is_shown_in_its_order_and_moved(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [jobs.create(project.jobs, jobs.JobSettings("train", [], title=f"r{n}")) for n in (1, 2)]
    for place, job in enumerate(made, 1):
        (job.directory / "began").touch()
        (job.directory / jobs.TICKET).write_text(f"{place}\n")
    monkeypatch.setattr(jobs, "alive", lambda job: (job.directory / jobs.TICKET).exists())
    async with running(project) as opened:
        await opened.go("train")
        await opened.until(lambda: [t.split()[2] for t in texts(opened, "#runs")] == ["1", "2"])
        assert [t.split()[4] for t in texts(opened, "#runs")] == ["r1", "r2"]
        await opened.press("j", "left_square_bracket")
        await opened.until(lambda: [t.split()[4] for t in texts(opened, "#runs")] == ["r2", "r1"])
        assert opened.app.screen.query_one("#runs", ItemList).cursor == 0
    assert [job.name for job in queue.waiting(project.jobs)] == [made[1].name, made[0].name]


async def test_samples_stand_beside_the_curve_as_they_come(project: Project) -> None:
    job = run_of(project, "first", 1.0)
    folder = project.output / "samples"
    folder.mkdir(parents=True)
    lines = [events.Sample(f"output/samples/{n}.png", f"prompt {n}", 1, step=n) for n in (10, 20)]
    for n in (10, 20):
        Image.new("RGB", (8, 8), (n, n, n)).save(folder / f"{n}.png")
    with Path(job.events_file).open("a", encoding="utf-8") as file:
        file.write("".join(events.to_json(line) + "\n" for line in lines))
    async with running(project) as opened:
        await opened.go("train")
        about = opened.app.screen.query_one("#run-sample-about", Static)
        await opened.until(lambda: "2/2 · step 20" in str(about.content))
        await opened.press("comma")
        assert "1/2 · step 10" in str(about.content)
        await opened.press("full_stop")
        more = events.Sample("output/samples/20.png", "prompt 30", 1, step=30)
        with Path(job.events_file).open("a", encoding="utf-8") as file:
            file.write(events.to_json(more) + "\n")
        await opened.until(lambda: "3/3 · step 30" in str(about.content))


@pytest.mark.parametrize("size", [(140, 40), (80, 24)])
async def test_one_key_leads_into_the_form_and_one_back_to_the_curve(
    project: Project, size: tuple[int, int]
) -> None:
    async with running(project, size) as opened:
        await opened.go("train")
        for key in ("w", "ctrl+t"):  # there is no base model yet
            await opened.press(key)
            await opened.until(lambda: opened.app.focused is not None)
            assert opened.app.focused is opened.app.screen.query_one("#field-base")
            await opened.press("escape")
            await opened.until(lambda: opened.app.focused is opened.app.screen.query_one("#runs"))
            assert opened.app.screen.query_one(RunPanel).region.area
