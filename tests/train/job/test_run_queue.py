"""Runs of one project, queued: real jobs, each on the training set that it was queued with."""

import json
import os
import shutil
import signal
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from prep.errors import UserError
from prep.events import Event, Metric, Stage, Warned
from prep.project import Project
from prep.system import jobs
from tests.train.projects import small_project
from tests.waiting import descendants, wait_for
from train.config import TrainSettings
from train.job.begin import begin, restart_queue, resume
from train.job.changes import Changes, read_run
from train.job.names import has_state
from train.lora.contents import inspect


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Return a small project; its runs are ended afterwards."""
    made = small_project(tmp_path / "mochi")
    yield made
    for job in reversed(jobs.listed(made.jobs)):
        if jobs.alive(job):
            jobs.send(job, "kill")
    wait_for(lambda: not any(jobs.alive(job) for job in jobs.listed(made.jobs)))


@pytest.fixture
def settings(base: Path) -> TrainSettings:
    """Return settings of a run that goes on until it is stopped."""
    return TrainSettings(base=str(base), rank=2, alpha=2, epochs=5000, save_every_steps=1)


def short(settings: TrainSettings, seed: int) -> TrainSettings:
    return settings.model_copy(update={"max_steps": 2, "seed": seed})


def begun(
    project: Project, settings: TrainSettings, name: str = ""
) -> tuple[jobs.Job, list[Event]]:
    return ended(begin(project, settings, name=name))


T = TypeVar("T")


def ended(stream: Generator[Event, None, T]) -> tuple[T, list[Event]]:
    """Return what an operation returns, and what it yielded."""
    found: list[Event] = []
    while True:
        try:
            found.append(next(stream))
        except StopIteration as end:
            value: T = end.value
            return value, found


def steps(job: jobs.Job) -> list[int]:
    found = jobs.Follower(job).poll()
    return [e.step for e in found if isinstance(e, Metric) and e.loss is not None]


def supervisor(job: jobs.Job) -> int:
    wanted = f"prep.system.supervise {job.directory}"
    found: list[int] = []

    def alone() -> bool:
        found[:] = (number for number, command in descendants().items() if command.endswith(wanted))
        return len(found) == 1  # what it is just starting has its command until it has its own

    wait_for(alone)
    return found[0]


def test_a_second_run_waits_and_trains_what_it_was_queued_with(
    project: Project, settings: TrainSettings
) -> None:
    first, said = begun(project, settings)
    assert not [event for event in said if isinstance(event, Warned)]
    wait_for(lambda: steps(first))
    second, said = begun(project, short(settings, 2))
    warned = [event.message for event in said if isinstance(event, Warned)]
    assert warned[0].startswith("There are files of a run named mochi already; this one is named")
    assert warned[1:] == ["The run is queued after train mochi, and starts by itself."]
    assert jobs.status(second).state == "queued"

    # What is exported later is that of a later run.
    (project.dataset / "10_mochi" / "0.txt").write_text("mochi, robot")
    third, said = begun(project, short(settings, 3), "other name")
    assert said[-1] == Warned(
        "The run is queued after train mochi, then train mochi-2, and starts by itself.",
        f"See: shikomi jobs list. Take it out with: shikomi jobs stop --job {third.name}",
    )
    before = sorted(project.jobs.iterdir())
    with pytest.raises(UserError, match="train other_name has the same settings"):
        begun(project, short(settings, 3))
    assert sorted(project.jobs.iterdir()) == before
    jobs.send(first, "stop")
    wait_for(lambda: jobs.status(third).state == "done")
    assert [jobs.status(job).state for job in (first, second)] == ["stopped", "done"]

    folder = project.output / "lora"
    tags = [
        inspect(folder / f"{name}.safetensors").metadata["ss_tag_frequency"]
        for name in ("mochi-2", "other_name")
    ]
    assert ["robot" in found for found in tags] == [False, True]
    assert Stage("queue", True) in jobs.Follower(second).poll()
    assert times(first)[-1] <= times(second, "metric")[0]
    assert times(second)[-1] <= times(third, "metric")[0]


def times(job: jobs.Job, kind: str = "") -> list[float]:
    """Return when a job's events were written."""
    found = [json.loads(line) for line in job.events_file.read_text().splitlines()]
    return [event["t"] for event in found if kind in ("", event["kind"])]


def test_after_a_restart_of_the_computer_everything_goes_on(
    project: Project, settings: TrainSettings
) -> None:
    """A run ends with its supervisor, and goes on from its last state."""
    first, _ = begun(project, settings)
    wait_for(lambda: has_state(first))
    queued = [begun(project, short(settings, seed))[0] for seed in (2, 3)]
    for job in (*queued, first):
        os.kill(supervisor(job), signal.SIGKILL)
    wait_for(lambda: not any(jobs.alive(job) for job in (first, *queued)))
    assert [jobs.status(job).state for job in (first, *queued)] == ["lost", "stalled", "stalled"]

    later, said = begun(project, short(settings, 4))
    assert said[-1] == Warned(
        "Runs that waited when the computer was switched off: 2.",
        "Start them with: shikomi jobs start",
    )
    wait_for(lambda: jobs.status(later).state == "running")
    assert read_run(project, later).name == "mochi-4", "the names of those that wait are taken"
    jobs.send(later, "kill")
    wait_for(lambda: not jobs.alive(later))

    changes = Changes(overrides=["epochs=4999"])
    assert len(list(resume(project, first.name, changes))) == 2
    wait_for(lambda: jobs.status(first).state == "running")
    with pytest.raises(UserError, match="is already running"):
        list(resume(project, first.name))
    os.kill(supervisor(first), signal.SIGKILL)
    wait_for(lambda: jobs.status(first).state == "lost")
    done = steps(first)

    shutil.rmtree(queued[0].directory / "state", ignore_errors=True)
    run = read_run(project, queued[0])
    gone = run.model_copy(update={"train": run.train.model_copy(update={"base": "nowhere"})})
    (queued[0].directory / "config.toml").write_text(gone.to_toml())
    started, warned = ended(restart_queue(project))
    assert started == [first, queued[1]]
    assert any(
        isinstance(event, Warned) and event.message.startswith("train mochi-2 cannot be started")
        for event in warned
    )
    wait_for(lambda: jobs.status(queued[1]).state == "queued")
    wait_for(lambda: len(steps(first)) > len(done))
    assert steps(first)[len(done)] in (done[-1], done[-1] + 1)
    jobs.send(first, "stop")
    wait_for(lambda: jobs.status(queued[1]).state == "done")
    assert jobs.status(queued[0]).state == "stalled"


def test_two_starts_at_once_are_one_run(project: Project, settings: TrainSettings) -> None:
    """As a key that is pressed twice: both begin in threads of their own."""
    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(begun, project, settings) for _ in range(2)]
        faults = [result.exception() for result in results]
    (fault,) = (found for found in faults if found is not None)
    assert isinstance(fault, UserError)
    assert "train mochi has the same settings and the same training set" in fault.message
    assert len(jobs.listed(project.jobs)) == 1
