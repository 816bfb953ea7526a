"""Training as users start it: a detached job; several processes through ``accelerate launch``."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from prep.errors import ConfigError, MissingExtraError, UserError
from prep.events import Event, Failed, Finished, Metric, Sample, Saved, Warned
from prep.project import Project
from prep.system import jobs
from tests.train.run.test_loop import losses
from tests.train.tiny import MakeRun
from tests.waiting import ended, wait_for
from train import extra
from train.arithmetic.precision import default_device
from train.config import RunConfig, TrainSettings
from train.job.begin import begin, check, find_training, resume
from train.job.changes import Changes
from train.job.command import training_argv
from train.job.start import run_config
from train.networks.saved import load_lora
from train.run.checkpoint import states
from train.run.loop import train
from train.run.processes import ProcessGroup


def events_of(job: jobs.Job) -> list[Event]:
    return jobs.Follower(job).poll()


def payload(path: Path) -> bytes:
    data = path.read_bytes()
    return data[8 + int.from_bytes(data[:8], "little") :]


def spawn(run: RunConfig, job: jobs.Job, **extra: str) -> "subprocess.Popen[bytes]":
    """Run the job's process alone, with its events going where a supervisor puts them."""
    job.directory.mkdir(exist_ok=True)
    (job.directory / "config.toml").write_text(run.to_toml())
    environment = {**jobs.child_environment(), jobs.ENVIRONMENT_KEY: str(job.directory), **extra}
    with job.events_file.open("ab") as out, job.log_file.open("ab") as log:
        argv = [sys.executable, "-m", "train"]
        return subprocess.Popen(argv, stdout=out, stderr=log, env=environment)


def here(run: RunConfig, folder: Path) -> list[Event]:
    """Run in this process, which is quicker than starting another, on the same device."""
    folder.mkdir()
    return list(train(run, jobs.Job(folder), ProcessGroup(default_device())))


def test_a_killed_run_goes_on_bit_identically(make_run: MakeRun, tmp_path: Path) -> None:
    """Processes order nothing by hashes, which are different in each."""
    run = make_run(
        epochs=3,
        batch_size=2,
        save_every_steps=1,
        save_every_epochs=0,
        network="lokr",
        lokr_factor=2,
        module_dropout=0.1,
        optimizer="prodigy",
        learning_rate=1.0,
        optimizer_args={"d0": 1e-3},
        ema_decay=0.5,
    )
    last = here(run, tmp_path / "whole")[-1]
    assert isinstance(last, Finished)
    expected = payload(run.project / last.summary["lora"])

    broken = jobs.Job(tmp_path / "broken")
    process = spawn(run, broken)
    wait_for(lambda: any(p.stem >= "step00000002" for p in states(broken.directory / "state")))
    process.send_signal(signal.SIGKILL)
    ended(process)
    killed_at = states(broken.directory / "state")[-1].name
    (run.project / last.summary["lora"]).unlink()
    assert ended(spawn(run, broken)) == 0
    assert killed_at < f"step{last.summary['steps']:08d}", "it was over before it was killed"
    assert payload(run.project / last.summary["lora"]) == expected


def begun(project: Project, settings: TrainSettings, dataset: Path | None = None) -> jobs.Job:
    stream = begin(project, settings, dataset)
    while True:
        try:
            next(stream)
        except StopIteration as end:
            job: jobs.Job = end.value
            return job


def resumed(project: Project, name: str, changes: Changes | None = None) -> list[Event]:
    return list(resume(project, name, changes))


def test_a_job_stops_and_resumes(make_run: MakeRun) -> None:
    run = make_run()
    project = Project.open(run.project)
    settings = run.train.model_copy(
        update={"epochs": 400, "sample_prompts": ("mochi --s 1 --w 64 --h 64",)}
    )
    job = begun(project, settings, run.dataset)
    with pytest.raises(UserError, match=r"is (already running|in the queue already)\."):
        resumed(project, job.name)
    wait_for(lambda: any(isinstance(event, Metric) for event in events_of(job)))
    jobs.send(job, "sample")
    wait_for(lambda: any(isinstance(event, Sample) for event in events_of(job)))
    jobs.send(job, "stop")
    wait_for(lambda: not jobs.alive(job))
    found = events_of(job)
    last = found[-1]
    assert isinstance(last, Finished), job.log_file.read_text()
    assert last.reason == "stopped"
    assert jobs.status(job).state == "stopped"
    assert any(isinstance(event, Saved) for event in found)
    assert all(json.loads(line) for line in job.events_file.read_text().splitlines())

    steps = last.summary["steps"]
    assert find_training(project, job.name[:8]) == job
    (told,) = resumed(project, job.name[:8], Changes(overrides=[f"max_steps={steps + 2}"]))
    assert isinstance(told, Warned)
    assert told.message == f"The run continues with max_steps = {steps + 2} (was 0)."
    wait_for(lambda: not jobs.alive(job))
    assert jobs.status(job).state == "done", job.log_file.read_text()
    later = [e.step for e in events_of(job)[len(found) :] if isinstance(e, Metric) and e.loss]
    assert later == [steps + 1, steps + 2]


def test_another_machine_joins_by_the_command_that_the_start_says(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two launchers with a process each; the second is started as a user of that machine would.

    Two devices are the same as twice the accumulation, up to the order of sums.
    """
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    usual: dict[str, Any] = {"batch_size": 2, "epochs": 1, "save_precision": "fp32"}
    alone = make_run(**usual, gradient_accumulation=2)
    (tmp_path / "alone").mkdir()
    found = list(train(alone, jobs.Job(tmp_path / "alone"), ProcessGroup(torch.device("cpu"))))
    path = alone.output / "mochi.safetensors"
    expected = load_lora(path)
    path.unlink()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    run = make_run(**usual, devices=2, machines=2, main_address=address)
    project = Project.open(run.project)
    stream = begin(project, run.train, run.dataset, "mochi")
    told = []
    while True:
        try:
            told.append(next(stream))
        except StopIteration as end:
            job: jobs.Job = end.value
            break
    (hint,) = [e.hint for e in told if isinstance(e, Warned) and "another machine" in e.message]
    argv = shlex.split(hint.removeprefix("Run there: "))
    environment = {k: v for k, v in os.environ.items() if k != jobs.ENVIRONMENT_KEY}
    other = subprocess.run(argv, env=environment, capture_output=True, check=False)
    assert other.returncode == 0, other.stderr
    assert other.stdout == b"", "only the first machine reports"
    wait_for(lambda: not jobs.alive(job))
    assert jobs.status(job).state == "done", job.log_file.read_text()
    for key, tensor in load_lora(path).items():
        assert torch.allclose(tensor, expected[key], atol=1e-5), key
    assert losses(events_of(job)) == pytest.approx(losses(found), rel=1e-5)


def test_faults_become_failed_events(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    run.dataset.unlink()
    job = jobs.Job(tmp_path / "job")
    assert ended(spawn(run, job)) == 2
    last = events_of(job)[-1]
    assert isinstance(last, Failed)
    assert "no dataset file" in last.message
    assert "shikomi export" in last.hint
    assert "Traceback" not in job.log_file.read_text()


def test_a_job_without_a_directory(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != jobs.ENVIRONMENT_KEY}
    root = Path(__file__).resolve().parents[3]
    for argv in ([], [str(tmp_path / "nothing")]):
        done = subprocess.run(
            [sys.executable, "-m", "train", *argv],
            capture_output=True,
            cwd=root,
            env=environment,
            check=False,
        )
        assert done.returncode == 2
        assert json.loads(done.stdout)["kind"] == "failed"


def test_the_command_starts_accelerate_for_several_devices(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert training_argv(make_run()) == [sys.executable, "-m", "train"]
    argv = training_argv(make_run(devices=2))
    assert argv[:3] == [sys.executable, "-m", "accelerate.commands.launch"]
    assert argv[-2:] == ["-m", "train"]
    assert argv[argv.index("--num_processes") + 1] == "2"
    assert "--multi_gpu" in argv
    threads = int(argv[argv.index("--num_cpu_threads_per_process") + 1])
    assert threads == max(1, (os.cpu_count() or 1) // 2)
    several = training_argv(make_run(devices=4, machines=2, main_address="a.lan:29500"), 1)
    shown = several[several.index("--num_processes") : several.index("--multi_gpu")]
    assert shown == [
        *("--num_processes", "4", "--num_machines", "2", "--machine_rank", "1"),
        *("--main_process_ip", "a.lan", "--main_process_port", "29500"),
    ]


def test_names_and_prompt_files_are_settled_before_the_start(make_run: MakeRun) -> None:
    run = make_run()
    (run.project / "p.txt").write_text("one\n\ntwo --d 3\n")
    (run.project / "shikomi.toml").write_text('[project]\nname = "my / chara: 1"\n')
    settings = TrainSettings(sample_prompts=("p.txt",))
    made = run_config(Project.open(run.project), settings, run.dataset)
    assert made.name == "my_chara_1"
    assert made.train.sample_prompts == ("one", "two --d 3")


def test_starting_needs_a_base_and_the_extra(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()
    project = Project.open(run.project)
    with pytest.raises(ConfigError, match="No base model"):
        check(project, TrainSettings(), run.dataset)
    with pytest.raises(ConfigError, match="no base model at"):
        check(project, TrainSettings(base="nowhere"), run.dataset)
    with pytest.raises(UserError, match="no training job"):
        find_training(project, "2020")
    monkeypatch.setattr(extra, "find_spec", lambda name: None if name == "diffusers" else name)
    with pytest.raises(MissingExtraError, match="diffusers"):
        check(project, run.train, run.dataset)
