"""A job directory that came with somebody else's project runs nothing of its own."""

import json
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from prep.errors import UserError
from prep.events import Failed
from prep.project import Project
from prep.system import jobs
from prep.system.jobs import Follower, JobSettings
from prep.tagging.runtime.cluster import connect
from tests.waiting import wait_for
from train.config import RunConfig, TrainSettings
from train.job import begin, start
from train.job.command import training_argv
from train.job.names import places

NAME = "20250101-000000-train"


@pytest.fixture
def job(project: Project, tmp_path: Path, base: Path) -> jobs.Job:
    """Return a job that would touch a file, and write everywhere else."""
    directory = project.jobs / NAME
    directory.mkdir(parents=True)
    argv = ["/bin/sh", "-c", f"touch {tmp_path / 'ran'}"]
    (directory / "job.json").write_text(json.dumps({"kind": "train", "argv": argv}))
    run = RunConfig(
        name="../../x",
        project=tmp_path,
        dataset=tmp_path / "dataset.toml",
        output=tmp_path / "elsewhere",
        samples=tmp_path / "elsewhere",
        cache=tmp_path / "elsewhere",
        train=TrainSettings(epochs=7, base=str(base)),
    )
    (directory / "config.toml").write_text(run.to_toml())
    return jobs.Job(directory)


def test_the_command_is_made_anew_and_stays_in_the_project(
    project: Project, job: jobs.Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[JobSettings] = []
    monkeypatch.setattr(jobs, "start", lambda job: started.append(job.settings()))
    list(begin.resume(project, "2025"))
    run = RunConfig.from_toml((job.directory / "config.toml").read_text())
    assert started == [JobSettings("train", training_argv(run), True, "train x", "train")]
    assert (run.name, run.project, run.train.epochs) == ("x", project.root, 7)
    for place in (run.output, run.samples, run.cache):
        assert place.is_relative_to(project.root)


@pytest.mark.parametrize("text", [None, "", "name = 1", "[", b"\xff"])
def test_without_valid_settings_nothing_runs(
    project: Project, job: jobs.Job, tmp_path: Path, text: str | bytes | None
) -> None:
    config = job.directory / "config.toml"
    config.unlink()
    if text is not None:
        config.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError):
        list(begin.resume(project, NAME))
    assert not (tmp_path / "ran").exists()
    assert not (job.directory / "began").exists()


@pytest.mark.parametrize(
    "name", ["events.jsonl", "log.txt", "lock", "config.toml", "state", "commands.jsonl"]
)
def test_nothing_is_written_through_links_in_it(
    project: Project, job: jobs.Job, tmp_path: Path, name: str
) -> None:
    target = tmp_path / "profile"
    shutil.move(job.directory / name, target) if name == "config.toml" else target.touch()
    before = target.read_bytes()
    (job.directory / name).symlink_to(target)
    with pytest.raises(UserError, match="is a link"):
        list(begin.resume(project, NAME))
    if name == "commands.jsonl":
        with pytest.raises(UserError, match="is a link"):
            jobs.send(job, "stop")
    assert target.read_bytes() == before


@pytest.mark.parametrize("place", ["output", "output/lora", "output/samples", ".shikomi/latents"])
def test_results_are_not_written_through_links(
    project: Project, job: jobs.Job, tmp_path: Path, place: str
) -> None:
    elsewhere, link = tmp_path / "elsewhere", project.root / place
    elsewhere.mkdir()
    if link.is_dir():
        link.rmdir()
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(elsewhere, target_is_directory=True)
    with pytest.raises(UserError, match="outside of the project") as no:
        list(begin.resume(project, NAME))
    assert no.value.hint.startswith("If that is yours, run: shikomi allow")
    run = RunConfig.from_toml((job.directory / "config.toml").read_text())
    run = run.model_copy(update=places(project, "x"))
    with pytest.raises(UserError, match="outside of the project"):
        start.start_run(project, run, keep=False)
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize(
    "data",
    [{"kind": 1, "argv": []}, {"kind": "train", "argv": "x"}, {"kind": "x", "argv": [1]}, []],
)
def test_what_is_not_typed_is_no_job(project: Project, job: jobs.Job, data: object) -> None:
    (job.directory / "job.json").write_text(json.dumps(data))
    assert jobs.listed(project.jobs) == []


def test_pipes_are_not_read(project: Project, job: jobs.Job) -> None:
    """Reading one would wait for ever."""
    os.mkfifo(job.events_file)
    assert Follower(job).poll() == []
    (job.directory / "job.json").unlink()
    os.mkfifo(job.directory / "job.json")
    assert jobs.listed(project.jobs) == []


def test_a_job_imports_nothing_of_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its supervisor nor its command does; both are started with ``python -m``."""
    for name in ("prep", "train", "random", "json", "torch", "subprocess"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'hit')!r}, 'a').close()")
    monkeypatch.chdir(tmp_path)
    job = jobs.create(tmp_path / "jobs", JobSettings("train", [sys.executable, "-m", "train"]))
    jobs.start(job)
    wait_for(lambda: not jobs.alive(job))
    [last] = Follower(job).poll()
    assert isinstance(last, Failed)
    assert last.message.endswith("has no config.toml.")  # says our trainer
    assert not (tmp_path / "hit").exists()


def test_workers_import_nothing_of_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray puts the folder, in which it is started, on the path of its workers."""
    project, own = tmp_path / "project", tmp_path / "own"
    project.mkdir()
    own.mkdir()
    monkeypatch.chdir(project)
    seen: list[Path] = []
    ray = SimpleNamespace(init=lambda *_, **__: seen.append(Path.cwd()))
    connect._start(ray, "local", str(own))
    assert (seen, Path.cwd()) == ([own], project)
    assert connect._SETTINGS["PYTHONSAFEPATH"] == "1"
