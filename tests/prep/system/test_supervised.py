"""A job's command and its supervisor: neither goes on alone, and no job runs twice."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from prep import events
from prep.errors import UserError
from prep.system import jobs, locks
from prep.system.jobs import Follower, Job
from prep.system.supervised import own_job
from tests.prep.system.test_jobs import PRELUDE, Start, _running, begun, ended
from tests.prep.system.test_jobs import start as start  # the fixture
from tests.waiting import wait_for

JOINED = """
from prep.system.supervised import join_job, own_job
join_job(own_job())
"""


def supervisor_of(job: Job) -> int:
    """Return the id of the supervisor that the first event of a job names."""
    begun(job)
    (first,) = Follower(job).poll()
    assert isinstance(first, events.Started)
    return int(first.what)


def test_a_command_does_not_outlive_its_supervisor(start: Start) -> None:
    job = start(
        JOINED
        + """
say('started', what=str(os.getppid()))
try:
    while True: signal.pause()
except KeyboardInterrupt:
    say('warned', message='interrupted', hint='')
"""
    )
    os.kill(supervisor_of(job), signal.SIGKILL)
    assert ended(job)[-1] == events.Warned("interrupted", "")
    assert jobs.status(job).state == "lost"


def test_while_an_orphan_ends_its_job_is_not_started_again(start: Start) -> None:
    job = start(
        JOINED
        + """
from pathlib import Path
signal.signal(signal.SIGINT, lambda *_: None)
say('started', what=str(os.getppid()))
while not Path(os.environ['SHIKOMI_JOB'], 'go').exists(): time.sleep(0.01)
"""
    )
    os.kill(supervisor_of(job), signal.SIGKILL)
    wait_for(lambda: not locks.is_locked(job.lock_file))
    assert jobs.status(job).state == "running"
    with pytest.raises(UserError, match="is already running"):
        jobs.start(job)
    (job.directory / "go").touch()
    ended(job)


def test_a_second_command_of_a_job_is_refused(start: Start) -> None:
    job = start(JOINED + "say('started', what=str(os.getppid()))\nwhile True: signal.pause()")
    begun(job)
    second = subprocess.run(
        [sys.executable, "-c", PRELUDE + JOINED],
        env={**jobs.child_environment(), jobs.ENVIRONMENT_KEY: str(job.directory)},
        capture_output=True,
        text=True,
    )
    assert second.returncode == 1
    assert "is already running" in second.stderr


def test_what_a_dead_command_left_behind_is_ended(start: Start) -> None:
    job = start("""
child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])
say('started', what=str(child.pid))
os.kill(os.getpid(), signal.SIGKILL)
""")
    last = ended(job)[-1]
    assert isinstance(last, events.Failed)
    (first, _) = Follower(job).poll()
    assert isinstance(first, events.Started)
    wait_for(lambda: not _running(int(first.what)))


def test_without_a_job_nothing_is_joined(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(jobs.ENVIRONMENT_KEY, str(tmp_path / "none"))
    assert own_job() is None
    monkeypatch.delenv(jobs.ENVIRONMENT_KEY)
    assert own_job() is None
