"""``shikomi doctor`` on the command line: a run, its images, and runs of somebody else."""

import json
from pathlib import Path
from typing import Any

import pytest

from prep import events
from prep.project import Project
from tests.train.doctor.runs import a_round, job_of, metric, project_in
from tui.command_line import app

LOADED = events.Stage("load", note="base (SD 1.5, epsilon) on cpu")


def doctor(*words: str) -> int:
    code: int = app(["doctor", *words], exit_on_error=False, print_error=False)
    return code


def a_run(project: Project, *rounds: events.Validation, end: events.Event | None = None) -> None:
    found: list[events.Event] = [events.Started("train mochi"), LOADED]
    found += [metric(step) for step in range(1, 101)]
    found += [*rounds, end or events.Finished({})]
    job = job_of(project, [(float(n), event) for n, event in enumerate(found)])
    (job.directory / "began").touch()
    rows = [
        {
            "path": f"{name}.png", "folder": "10_a", "exposures": 30, "rated": 25,
            "relative": relative, "spread": 0.2, "first": relative, "last": relative,
        }
        for name, relative in (("a", 0.9), ("b", 1.0), ("c", 1.1), ("noise", 3.0))
    ]  # fmt: skip
    body = {"step": 100, "steps": 100, "images": rows, "folders": {"10_a": 4}, "tags": {}}
    (job.directory / "images.json").write_text(json.dumps(body))


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_healthy_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = project_in(tmp_path)
    a_run(project, a_round(0, 0.0, 0.0), a_round(50, 0.2, 0.25), a_round(100, 0.21, 0.3))
    assert doctor(str(project.root)) == 0
    out = capsys.readouterr().out
    assert "ok  overfitting" in out
    assert "(done), step 100 of 100\ntrouble: none\nnot enough to say: unwanted elements" in out


def test_an_ailing_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = project_in(tmp_path)
    nan = events.Failed("The loss is NaN or infinite at step 101.", "", 1)
    a_run(project, a_round(0, 0.0, 0.0), a_round(100, -3.0, -2.0), end=nan)
    assert doctor(str(project.root), "--json") == 1
    *found, last = lines(capsys.readouterr().out)
    states = {each["topic"]: each["state"] for each in found}
    assert {topic for topic, state in states.items() if state == "found"} == {"not learning", "NaN"}
    assert last["summary"]["found"] == ["not learning", "NaN"]
    assert last["summary"]["state"] == "failed"
    assert all(each["cause"] and each["change"] for each in found if each["state"] == "found")
    assert doctor(str(project.root)) == 1
    out = capsys.readouterr().out
    assert " x  NaN" in out
    assert "cause: The weights grew without bounds" in out


def test_the_images_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = project_in(tmp_path)
    a_run(project)
    assert doctor(str(project.root), "--images", "--count", "1") == 0
    first, second, *rest = capsys.readouterr().out.splitlines()
    assert first.split() == [
        "2.86", "±", "0.19", "30", "x", "2.86", "->", "2.86", "[not", "learned]", "noise.png"
    ]  # fmt: skip
    assert second.endswith("c.png")
    assert "4 images, 4 rated; 1 not learned, 0 hard, 0 memorised" in rest[-1]
    doctor(str(project.root), "--images", "--count", "0", "--json")
    *found, last = lines(capsys.readouterr().out)
    assert [each["path"] for each in found] == ["noise.png", "c.png", "b.png", "a.png"]
    assert last["summary"]["not learned"] == ["noise.png"]


def test_one_run_of_several_by_the_beginning_of_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = project_in(tmp_path)
    a_run(project)
    name = next(project.jobs.iterdir()).name
    assert doctor(str(project.root), "--job", name[:12], "--json") in (0, 1)
    assert lines(capsys.readouterr().out)[-1]["summary"]["job"] == name


def test_what_cannot_be_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = project_in(tmp_path)
    for words, said in (
        ([str(project.root)], "There are no training runs"),
        ([str(project.root), "--job", "x"], "There is no training job x"),
        (["--images"], "--images require a project"),
    ):
        assert doctor(*words) == 2
        assert said in capsys.readouterr().err
    job_of(project, [(0.0, metric(1))])
    assert doctor(str(project.root), "--images") == 2
    assert "has not noted its images yet" in capsys.readouterr().err


def test_following_a_run_shows_its_rounds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = project_in(tmp_path)
    bands = {"low": 0.3, "mid": 0.2, "high": 0.1}
    first = events.Validation(0, 9, 1, 0.2, 0.25, bands, {}, 0.0, 0.0, 0.0)
    later = events.Validation(9, 9, 1, 0.19, 0.2, bands, {}, 0.05, 0.2, 0.15)
    a_run(project, first, later)
    app(["jobs", "follow", str(project.root)], exit_on_error=False, print_error=False)
    out = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step ")]
    assert out[:4] == [
        "step 0: validation loss 0.2000 (noise low 0.3000, mid 0.2000, high 0.1000)",
        "step 0: training images 0.2500",
        "step 9: validation loss 0.1900 (noise low 0.3000, mid 0.2000, high 0.1000),"
        " 5.0 % below the base model",
        "step 9: training images 0.2000, 20.0 % below the base model",
    ]
    assert out[4] == "step 9: train-validation gap +15.0 points"
