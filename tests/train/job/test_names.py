"""No run writes over the files of another, and what a resumed run may change is said."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from prep.errors import ConfigError, MissingExtraError, RetryError, UserError
from prep.events import Event, Warned
from prep.project import Project
from prep.system import jobs
from prep.system.locks import exclusive
from tests.train.tiny import MakeRun
from train import extra
from train.config import RunConfig, TrainSettings
from train.job import begin as beginning
from train.job import start
from train.job.changes import Changes, changed_run, read_run
from train.job.names import free_name, lora_files, places, refuse_foreign_files
from train.job.start import run_config, start_run


@pytest.fixture
def run(make_run: MakeRun) -> RunConfig:
    return make_run()


@pytest.fixture
def project(run: RunConfig) -> Project:
    return Project.open(run.project)


def made(project: Project, run: RunConfig, *, state: bool = False) -> jobs.Job:
    """Create the job of a run, without starting it."""
    job = jobs.create(project.jobs, jobs.JobSettings("train", []), run.to_toml())
    if state:
        touch(job.directory / "state" / "step00000001.safetensors")
    return job


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_names_that_are_used_get_a_number(project: Project) -> None:
    folder = project.output / "lora"
    assert free_name(project, "mochi") == "mochi"
    for name, expected in (
        ("mochi.safetensors", "mochi-2"),
        ("mochi-2-000004.safetensors", "mochi-3"),
        ("MOCHI-3-step00000010.safetensors", "mochi-4"),
        ("mochi-4-more.safetensors", "mochi-4"),
        ("mochi-40.safetensors", "mochi-4"),
    ):
        touch(folder / name)
        assert free_name(project, "mochi") == expected
    assert len(lora_files(folder, "mochi")) == 1
    touch(project.output / "samples" / "mochi-4" / "step00000010-00.png")
    assert free_name(project, "mochi") == "mochi-5"
    touch(folder / "cafe\u0301.safetensors")
    assert free_name(project, "caf\u00e9") == "caf\u00e9-2"


@pytest.mark.parametrize(
    ("given", "name"),
    [("cafe\u0301", "caf\u00e9"), ("CON", "CON_"), ("nul.v2", "nul_.v2"), ("console", "console")],
)
def test_names_that_some_systems_cannot_tell_apart_or_write(
    project: Project, given: str, name: str
) -> None:
    assert places(project, given)["name"] == name


@pytest.mark.parametrize("save", ["-000003", "-step00000010", "-STEP00000010"])
def test_the_result_of_no_run_has_the_name_of_an_epoch_of_another(
    project: Project, save: str
) -> None:
    name = places(project, f"mochi{save}")["name"]
    touch(project.output / "lora" / f"{name}.safetensors")
    assert name == f"mochi_{save[1:]}"
    assert lora_files(project.output / "lora", "mochi") == []
    assert places(project, "mochi-3")["name"] == "mochi-3"


def test_models_have_a_folder_of_their_own_and_share_the_names(
    project: Project, run: RunConfig
) -> None:
    full = run.model_copy(update={"train": TrainSettings(method="full")})
    folder = places(project, "mochi", "full")["output"]
    assert folder == project.output / "checkpoints"
    assert read_run(project, made(project, full)).output == folder
    assert run_config(project, full.train, run.dataset).output == folder
    touch(folder / "mochi-000001.safetensors")
    assert free_name(project, "mochi") == "mochi-2"


def test_a_name_is_kept_for_a_run_that_can_go_on(project: Project, run: RunConfig) -> None:
    made(project, run)
    assert free_name(project, "mochi") == "mochi", "it has saved nothing, and does not run"
    made(project, run, state=True)
    assert free_name(project, "mochi") == "mochi-2"
    (project.jobs / "broken").mkdir()
    (project.jobs / "broken" / "job.json").write_text('{"kind": "train", "argv": []}')
    assert free_name(project, "mochi") == "mochi-2"


@pytest.mark.parametrize("name", ["a [1-9] b", "x*", "é"])
def test_names_are_no_patterns(project: Project, name: str) -> None:
    wanted = places(project, name)["name"]
    touch(project.output / "lora" / f"{wanted}.safetensors")
    assert free_name(project, wanted) == f"{wanted}-2"


def test_a_second_run_has_files_of_its_own(
    project: Project, run: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        jobs, "start", lambda job: touch(job.directory / "state" / "step1.safetensors")
    )
    names = [start_run(project, run, keep=False)[1].name for _ in range(3)]
    assert names == ["mochi", "mochi-2", "mochi-3"]
    configs = [read_run(project, job) for job in jobs.listed(project.jobs)]
    assert sorted(config.name for config in configs) == names
    assert sorted(config.samples.name for config in configs) == names


def test_runs_are_started_one_after_another(
    project: Project, run: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "_WAIT", 0.0)
    with exclusive(project.state / "runs.lock", 0.0), pytest.raises(RetryError, match="started"):
        list(beginning.begin(project, run.train, run.dataset))
    assert jobs.listed(project.jobs) == []


def test_the_new_name_is_said(
    project: Project, run: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(project.output / "lora" / "project.safetensors")
    monkeypatch.setattr(jobs, "start", lambda _: None)
    found = list(beginning.begin(project, run.train, run.dataset))
    (told,) = (event for event in found if isinstance(event, Warned))
    assert "named project already; this one is named project-2" in told.message


# ---- resuming ------------------------------------------------------------------------------------


def test_a_resumed_run_keeps_to_its_own_files(project: Project, run: RunConfig) -> None:
    job = made(project, run)
    own = touch(run.output / "mochi-000001.safetensors")
    refuse_foreign_files(project, job, run)  # younger than the job
    os.utime(own, (0, 0))
    with pytest.raises(UserError, match=r"mochi-000001\.safetensors is called mochi, too"):
        refuse_foreign_files(project, job, run)
    touch(job.directory / "state" / "step00000001.safetensors")
    refuse_foreign_files(project, job, run)  # it continues, so the files are its own
    later = made(project, run, state=True)
    refuse_foreign_files(project, later, run)
    with pytest.raises(UserError, match=later.name):
        refuse_foreign_files(project, job, run)


@pytest.mark.parametrize(
    ("overrides", "presets", "changed"),
    [
        (["epochs=7"], [], {"epochs": 7}),
        (["epochs=7", "save_every_steps=2"], [], {"epochs": 7, "save_every_steps": 2}),
        (['sample_prompts=["mochi --w 64"]'], [], {"sample_prompts": ("mochi --w 64",)}),
        (["rank=4", "learning_rate=1e-3"], [], {}),
        ([], [], {}),
    ],
)
def test_what_can_change_changes(
    project: Project,
    run: RunConfig,
    overrides: list[str],
    presets: list[str],
    changed: dict[str, Any],
) -> None:
    after = changed_run(project, run, Changes(presets, overrides))
    assert after == run.model_copy(update={"train": run.train.model_copy(update=changed)})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (Changes(overrides=["rank=8"]), "rank"),
        (Changes(overrides=["rank=8", "seed=1", "epochs=2"]), "seed, rank"),
        (Changes(overrides=["text_encoder_learning_rate=0"]), "text_encoder_learning_rate"),
        (Changes(presets=["style"]), "learning_rate"),
        (Changes(dataset=Path("other.toml")), "the dataset file"),
    ],
)
def test_what_cannot_change_is_refused(
    project: Project, run: RunConfig, changes: Changes, named: str
) -> None:
    with pytest.raises(UserError, match=r"cannot change .*") as caught:
        changed_run(project, run, changes)
    assert named in caught.value.message
    assert "epochs, max_steps" in caught.value.hint


def test_faults_are_those_of_any_run(project: Project, run: RunConfig) -> None:
    for fault in ("epoch=2", "epochs=0", "epochs"):
        with pytest.raises(ConfigError):
            changed_run(project, run, Changes(overrides=[fault]))
    with pytest.raises(ConfigError, match="no preset"):
        changed_run(project, run, Changes(["none"]))
    assert changed_run(project, run, Changes(dataset=run.dataset)) == run


def resumed(project: Project, job: jobs.Job, *overrides: str) -> list[Event]:
    return list(beginning.resume(project, job.name, Changes(overrides=overrides)))


def test_nothing_is_written_when_resuming_is_refused(
    project: Project, run: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(jobs, "start", lambda job: started.append(job.name))
    job = made(project, run, state=True)
    config = job.directory / "config.toml"
    before = config.read_bytes()
    for faults in (("rank=9",), ('sample_prompts=["a --w 9"]',), ('sample_prompts=["no.txt"]',)):
        with pytest.raises(UserError):
            resumed(project, job, *faults)
    gone = run.model_copy(update={"train": run.train.model_copy(update={"base": "gone"})})
    other = made(project, gone.model_copy(update={"name": "other"}))
    with pytest.raises(UserError, match="no base model at"):
        resumed(project, other)
    lost = run.train.model_copy(update={"optimizer": "no_such_package.Adam"})
    third = made(project, run.model_copy(update={"name": "third", "train": lost}))
    with pytest.raises(UserError, match="no_such_package"):
        resumed(project, third)
    assert (config.read_bytes(), started) == (before, [])
    (told,) = resumed(project, job, "epochs=9")
    assert isinstance(told, Warned)
    assert "epochs = 9 (was 2)" in told.message
    assert read_run(project, job).train.epochs == 9
    assert started == [job.name]
    stream = beginning.resume(project, job.name)
    with pytest.raises(StopIteration) as end:
        next(stream)
    assert end.value.value == job


@pytest.mark.parametrize(
    ("ahead", "state", "told"),
    [(True, "queued", True), (True, "running", False), (False, "queued", False)],
)
def test_a_run_is_said_to_wait_only_while_it_does(
    project: Project,
    run: RunConfig,
    monkeypatch: pytest.MonkeyPatch,
    ahead: bool,
    state: str,
    told: bool,
) -> None:
    job = made(project, run)
    other = made(project, run.model_copy(update={"name": "other"}))
    under_way = [other, job] if ahead else [job]
    monkeypatch.setattr(jobs, "start", lambda _: None)
    monkeypatch.setattr(beginning, "_under_way", lambda _: under_way)
    monkeypatch.setattr(jobs, "status", lambda _: SimpleNamespace(state=state))
    queued = [event for event in resumed(project, job) if isinstance(event, Warned)]
    assert ["is queued after" in event.message for event in queued] == [True] * told


def test_a_queue_is_not_started_without_what_trains(
    project: Project, run: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for all of its runs, each of which would be said to be at fault otherwise."""
    touch(made(project, run).directory / jobs.TICKET).write_text("1\n")
    monkeypatch.setattr(extra, "find_spec", lambda name: None if name == "diffusers" else name)
    with pytest.raises(MissingExtraError, match="diffusers"):
        list(beginning.restart_queue(project))
