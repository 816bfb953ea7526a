"""The queue as real processes: order, stops, kills, and no two at once."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from prep import events
from prep.errors import UserError
from prep.system import jobs, locks, queue
from prep.system.jobs import Follower, Job, JobSettings
from tests.waiting import descendants, wait_for

WORK = """
import os, sys, time
from pathlib import Path
job = Path(os.environ["SHIKOMI_JOB"])
shared = job.parent / "at work"
shared.mkdir()  # fails while another one is at work
print('{"kind": "started", "what": "x"}', flush=True)
while not (job / "go").exists():
    time.sleep(0.02)
shared.rmdir()
sys.exit((job / "go").read_text() or None)
"""

Enter = Callable[..., Job]


@pytest.fixture
def enter(tmp_path: Path) -> Iterator[Enter]:
    """Return a function that queues a job which works until ``go``; all are killed at the end."""
    made: list[Job] = []

    def run(script: str = WORK, lane: str = "train") -> Job:
        settings = JobSettings("demo", [sys.executable, "-c", script], True, "", lane)
        made.append(jobs.create(tmp_path, settings))
        queue.start(made[-1])
        return made[-1]

    yield run
    for job in made:
        if jobs.alive(job):
            jobs.send(job, "kill")
    wait_for(lambda: not any(jobs.alive(job) for job in made))


def state(job: Job) -> str:
    return jobs.status(job).state


def working(job: Job) -> None:
    wait_for(lambda: events.Started("x") in Follower(job).poll() and state(job) == "running")


def go(job: Job, fault: str = "") -> None:
    (job.directory / "go").write_text(fault)


def supervisor(job: Job) -> int:
    wanted = f"prep.system.supervise {job.directory}"
    (found,) = (number for number, command in descendants().items() if command.endswith(wanted))
    return found


def test_jobs_run_one_after_another_in_their_order_however_they_end(enter: Enter) -> None:
    first, second, third = enter(), enter(), enter()
    working(first)
    assert [state(job) for job in (first, second, third)] == ["running", "queued", "queued"]
    assert queue.waiting(first.directory.parent) == [second, third]
    wait_for(lambda: Follower(third).poll())
    (said,) = Follower(third).poll()
    assert said == events.Stage("queue", note=f"waits for {first.name} and 1 more in the queue")
    go(first, "a fault")
    working(second)
    assert state(first) == "failed"
    assert state(third) == "queued"
    wait_for(lambda: len(Follower(third).poll()) == 2)
    assert Follower(third).poll()[-1] == events.Stage("queue", note=f"waits for {second.name}")
    go(second)
    working(third)
    assert state(second) == "done"
    go(third)
    wait_for(lambda: state(third) == "done")
    assert events.Stage("queue", True) in Follower(third).poll()
    assert queue.waiting(first.directory.parent) == []


def test_a_job_runs_at_once_where_nothing_is_ahead(enter: Enter) -> None:
    first, other = enter(), enter(WORK.replace("at work", "elsewhere"), "other")
    working(first)
    working(other)
    assert Follower(first).poll() == [events.Started("x")]
    assert queue.ticket(first) is None


@pytest.mark.parametrize("command", ["stop", "kill"])
def test_a_queued_job_is_taken_out_and_the_others_move_up(enter: Enter, command: str) -> None:
    first, second, third = enter(), enter(), enter()
    working(first)
    jobs.send(second, command)
    wait_for(lambda: state(second) == "stopped")
    assert not jobs.alive(second)
    assert queue.ticket(second) is None
    go(first)
    working(third)
    assert events.Started("x") not in Follower(second).poll()


def test_the_next_one_runs_when_the_supervisor_before_is_killed(enter: Enter) -> None:
    """Its command lives on for a moment, and the next one must not run beside it."""
    stubborn = WORK.replace("import os", "import signal, os").replace(
        "shared.mkdir()",
        "shared.mkdir()\nfrom prep.system import jobs, supervised\n"
        "signal.signal(signal.SIGINT, lambda *_: None)\nsupervised.join_job(jobs.Job(job))",
    )
    first, second = enter(stubborn), enter()
    working(first)
    wait_for(lambda: state(second) == "queued" and locks.is_locked(first.command_lock_file))
    os.kill(supervisor(first), signal.SIGKILL)
    wait_for(lambda: not locks.is_locked(first.lock_file))
    waited = len(Follower(second).poll())
    assert state(second) == "queued"
    go(first)  # with the supervisor gone, it ends by itself
    working(second)
    assert state(first) == "lost"
    assert waited >= 1


def test_what_waited_when_everything_died_is_stalled_and_keeps_its_place(enter: Enter) -> None:
    """As when the computer is switched off: no process is left."""
    first, second, third = enter(), enter(), enter()
    working(first)
    for job in (third, second):
        os.kill(supervisor(job), signal.SIGKILL)
        wait_for(lambda job=job: state(job) == "stalled")  # type: ignore[misc]
    folder = first.directory.parent
    assert queue.stalled(folder) == [second, third]
    fourth = enter()
    for job in (third, second):
        queue.start(job)
    wait_for(lambda: queue.waiting(folder) == [second, third, fourth])
    assert queue.holder(folder, "train") == first
    go(first)
    working(second)
    jobs.send(fourth, "stop")
    wait_for(lambda: state(fourth) == "stopped")


def test_a_stalled_job_can_be_taken_out(enter: Enter) -> None:
    first, second = enter(), enter()
    working(first)
    os.kill(supervisor(second), signal.SIGKILL)
    wait_for(lambda: state(second) == "stalled")
    queue.withdraw(second)
    assert state(second) == "stopped"
    assert queue.stalled(first.directory.parent) == []


def test_a_queued_job_is_not_started_twice(enter: Enter) -> None:
    first, second = enter(), enter()
    working(first)
    for job, words in ((first, "already running"), (second, "in the queue already")):
        with pytest.raises(UserError, match=words):
            queue.start(job)
    assert queue.ticket(first) is None


def test_queued_jobs_outlive_the_shell_that_queued_them(enter: Enter, tmp_path: Path) -> None:
    first = enter()
    working(first)
    second = jobs.create(
        tmp_path, JobSettings("demo", [sys.executable, "-c", WORK], True, "", "train")
    )
    shell = """
import os, signal, sys
from pathlib import Path
from prep.system import jobs, queue
queue.start(jobs.Job(Path(sys.argv[1])))
os.killpg(0, signal.SIGKILL)
"""
    run = subprocess.run(
        [sys.executable, "-c", shell, str(second.directory)],
        env=jobs.child_environment(),
        start_new_session=True,
        check=False,
    )
    assert run.returncode == -signal.SIGKILL
    go(first)
    working(second)
    go(second)
    wait_for(lambda: state(second) == "done")


def test_many_that_are_queued_at_once_never_run_together(enter: Enter) -> None:
    """Each fails if another one is at work."""
    quick = WORK.replace('while not (job / "go").exists():', "for _ in range(5):").replace(
        '(job / "go").read_text() or None', "0"
    )
    found = [enter(quick) for _ in range(6)]
    wait_for(lambda: not any(jobs.alive(job) for job in found))
    assert [state(job) for job in found] == ["done"] * 6, [j.log_file.read_text() for j in found]


def test_a_lane_is_a_word(tmp_path: Path) -> None:
    job = jobs.create(tmp_path, JobSettings("demo", [], lane="../x"))
    with pytest.raises(UserError, match="is not a job"):
        job.settings()


def test_a_waiting_job_is_moved_and_what_runs_is_not(enter: Enter) -> None:
    first, second, third, fourth = (enter() for _ in range(4))
    folder = first.directory.parent
    wait_for(lambda: queue.waiting(folder) == [second, third, fourth])
    queue.move(fourth, 1)
    assert queue.waiting(folder) == [fourth, second, third]
    queue.move(fourth, 99)
    assert queue.waiting(folder) == [second, third, fourth]
    queue.move(third, 0)
    assert queue.waiting(folder) == [third, second, fourth]
    with pytest.raises(UserError, match="does not wait"):
        queue.move(first, 2)
    (first.directory / "go").touch()
    wait_for(lambda: (third.directory / "began").exists() and queue.ticket(third) is None)
    assert queue.waiting(folder) == [second, fourth]
