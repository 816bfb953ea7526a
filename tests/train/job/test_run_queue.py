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
from PIL import Image

from prep.errors import UserError
from prep.events import Event, Finished, Metric, Stage, Warned
from prep.ops import export, scan
from prep.project import Project
from prep.project.creation import initialise
from prep.system import jobs
from tests.conftest import draw_numbered
from tests.waiting import descendants, wait_for
from train.config import TrainSettings
from train.data.reading import read_dataset
from train.job.begin import begin, restart_queue, resume
from train.job.changes import Changes, read_run
from train.job.frozen import freeze, is_same
from train.job.names import has_state
from train.lora.contents import inspect


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Return a project with two captioned images; its runs are ended afterwards."""
    made = initialise(tmp_path / "mochi")
    folder = made.dataset / "10_mochi"
    folder.mkdir()
    for number in range(2):
        draw_numbered(number, (64, 64)).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text("mochi, bear")
    made = made.saved({"project": {"resolution": 64}, "buckets": {"step": 16, "minimum": 32}})
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


def stepping(job: jobs.Job) -> None:
    wait_for(lambda: any(isinstance(event, Metric) for event in jobs.Follower(job).poll()))


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
    stepping(first)
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
    wait_for(lambda: jobs.status(later).state == "done")
    assert read_run(project, later).name == "mochi-4", "the names of those that wait are taken"

    changes = Changes(overrides=["epochs=4999"])
    assert len(list(resume(project, first.name, changes))) == 2
    wait_for(lambda: jobs.status(first).state == "running")
    stepping(first)
    with pytest.raises(UserError, match="is already running"):
        list(resume(project, first.name))
    os.kill(supervisor(first), signal.SIGKILL)
    wait_for(lambda: jobs.status(first).state == "lost")

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


# ---- the training set of a run -------------------------------------------------------------------


def exported(project: Project, **options: object) -> Path:
    summary = list(export.run(project, export.ExportOptions.model_validate(options)))[-1]
    assert isinstance(summary, Finished)
    return Path(str(summary.summary["dataset_toml"]))


def test_a_kept_training_set_is_read_as_the_export_was(project: Project, tmp_path: Path) -> None:
    list(scan.run(project))
    Image.new("L", (64, 64), 0).save(project.dataset / "10_mochi" / "0-masklabel.png")
    list(scan.run(project))
    original = exported(project, masks="folder")
    kept = freeze(original, tmp_path / "job")
    settings = TrainSettings()
    one, other = read_dataset(original, settings), read_dataset(kept, settings)
    assert one.fingerprint == other.fingerprint
    assert [i.origin for i in one.images] == [i.origin for i in other.images]
    assert all(image.path.is_relative_to(tmp_path / "job") for image in other.images)
    assert all(i.mask and i.mask.file.is_relative_to(tmp_path / "job") for i in other.images)
    picture = other.images[0].path
    assert picture.stat().st_nlink == 2, "it takes no space"
    # People change captions in place; this one is the run's own.
    caption = one.images[0].path.with_suffix(".txt")
    caption.write_text("something else")
    assert read_dataset(kept, settings).fingerprint == one.fingerprint
    assert shutil.move(tmp_path / "job", tmp_path / "moved")
    moved = read_dataset(tmp_path / "moved" / "dataset" / "dataset.toml", settings)
    assert moved.fingerprint == one.fingerprint


def test_kept_training_sets_are_told_apart(project: Project, tmp_path: Path) -> None:
    list(scan.run(project))
    one = freeze(exported(project), tmp_path / "one")
    assert is_same(one, freeze(exported(project), tmp_path / "two"))
    caption = project.dataset / "10_mochi" / "0.txt"
    caption.write_text("mochi, dear")  # as long as before
    list(scan.run(project))
    assert not is_same(one, freeze(exported(project), tmp_path / "three"))
    draw_numbered(7, (64, 64)).save(project.dataset / "10_mochi" / "2.png")
    caption.write_text("mochi, bear")
    list(scan.run(project))
    assert not is_same(one, freeze(exported(project), tmp_path / "four"))


def test_files_are_copied_where_there_are_no_hard_links(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("not here")

    monkeypatch.setattr(os, "link", refuse)
    list(scan.run(project))
    original = exported(project)
    kept = freeze(original, tmp_path / "job")
    images = read_dataset(kept, TrainSettings()).images
    assert [image.path.stat().st_nlink for image in images] == [1, 1]
    assert is_same(kept, freeze(original, tmp_path / "other"))
