"""Runs side by side: results, settings that differ, and equal steps."""

import json
from math import nan
from pathlib import Path
from typing import Any

import pytest

from prep import events
from prep.project import Project
from prep.system import jobs
from tests.train.doctor.runs import job_of, metric, project_in
from train.compare_cli import jobs_compare
from train.job import comparison
from train.job.comparison import RunResult


def run_of(project: Project, steps: int, val: float, **settings: Any) -> jobs.Job:
    """Write a run with falling losses, two validation rounds, and a resumption at half its way."""
    found: list[events.Event] = [events.Metric(0, steps, 1, val_loss=0.5)]
    half = steps // 2
    found += [
        metric(step, steps, loss=1 / step, average_loss=0.25)
        for step in [*range(1, half + 6), *range(half + 1, steps + 1)]
    ]
    found += [events.Metric(steps, steps, 1, val_loss=val), events.Finished({})]
    return job_of(project, [(float(place), event) for place, event in enumerate(found)], **settings)


def test_a_resumed_run_counts_each_step_once(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    found = comparison.metrics_of(run_of(project, 20, 0.25))
    assert [m.step for m in found if m.loss is not None] == list(range(1, 21))
    assert comparison.result_of("done", found) == RunResult("done", 20, 20, 0.5, 0.25, 0.25)
    assert comparison.result_of("new", []) == RunResult("new")


def test_runs_are_compared_as_far_as_all_got() -> None:
    long = [metric(step, loss=2.0) for step in range(1, 101)]
    short = [events.Metric(0, 40, 1, val_loss=0.5), *(metric(s, loss=1.0) for s in range(1, 35))]
    found = comparison.at_equal_steps([long, short])
    assert [one.step for one in found] == [5, 10, 15, 20, 25, 30, 34]
    assert found[0].losses == pytest.approx((2.0, 1.0))
    assert {one.validations for one in found} == {(None, 0.5)}
    assert comparison.at_equal_steps([long, []]) == []
    falling = [metric(step, loss=1 / step) for step in range(1, 11)]
    (last,) = comparison.at_equal_steps([falling], most=1)
    curve = comparison.smooth([(step, 1 / step) for step in range(1, 11)], 0.95)
    assert last.losses[0] == pytest.approx(curve[-1][1])


def test_the_best_is_that_with_the_lowest_validation() -> None:
    def ended(loss: float | None) -> RunResult:
        return RunResult("done", last_validation=loss)

    assert comparison.best([ended(0.3), ended(0.2), ended(None), ended(nan)]) == 1
    assert comparison.best([ended(0.3), ended(None)]) is None


def test_settings_of_a_broken_run_are_none(project: Project) -> None:
    job = jobs.create(project.jobs, jobs.JobSettings("train", []), "name = [")
    assert comparison.settings_of(project, job) == {}


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = project_in(tmp_path)
    assert jobs_compare(project.root) == 2
    assert "Two training runs are needed" in capsys.readouterr().err
    first = run_of(project, 40, 0.25, rank=8)
    second = run_of(project, 60, 0.2, rank=16)
    assert jobs_compare(project.root, job=("",)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" ")[0] for line in lines[:2]] == [first.name, second.name]
    jobs.create(project.jobs, jobs.JobSettings("tag", ["true"]))
    assert jobs_compare(project.root) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{first.name}  done  40/40  validation 0.5000 → 0.2500"
    assert lines[1].startswith(second.name)
    assert lines[2].split() == ["rank", "8", "16"]
    assert lines[10].split()[:2] == ["step", "40"]
    assert lines[10].split()[3::2] == ["(0.2500)", "(0.5000)"]
    assert lines[-1] == f"lowest validation loss: {second.name}"

    assert jobs_compare(project.root, job=(first.name,)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" ")[0] for line in lines[:2]] == [second.name, first.name]

    assert jobs_compare(project.root, job=(second.name, first.name), json=True) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["job"] for one in found if one["kind"] == "compared_run"] == [
        second.name,
        first.name,
    ]
    assert [one["values"] for one in found if one["kind"] == "compared_setting"] == [[16, 8]]
    steps = [one for one in found if one["kind"] == "compared_step"]
    assert [one["step"] for one in steps] == list(range(5, 41, 5))
    assert steps[-1]["validations"] == [0.5, 0.25], "the longer run has validated only at its end"
    assert found[-1]["summary"] == {"runs": 2, "best": second.name}
