"""Jobs as real processes: detached, followed, stopped, killed, and accounted for."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from prep import events
from prep.errors import UserError
from prep.system import jobs
from prep.system.jobs import Follower, Job, JobSettings
from tests import waiting
from tests.waiting import wait_for

PRELUDE = """
import json, os, signal, subprocess, sys, time
def say(kind, **fields):
    print(json.dumps({"kind": kind, **fields}), flush=True)
"""
FOREVER = "say('started', what='x')\nwhile True: signal.pause()"

Start = Callable[..., Job]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a script as a job; what still runs at the end is killed."""
    made: list[Job] = []

    def run(script: str, *, polls: bool = False) -> Job:
        argv = [sys.executable, "-c", PRELUDE + script]
        made.append(jobs.create(tmp_path / "jobs", JobSettings("demo", argv, polls)))
        jobs.start(made[-1])
        return made[-1]

    yield run
    for job in made:
        if jobs.alive(job):
            jobs.send(job, "kill")
            ended(job)


def ended(job: Job) -> list[events.Event]:
    wait_for(lambda: not jobs.alive(job))
    return Follower(job).poll()


def begun(job: Job) -> None:
    wait_for(lambda: Follower(job).poll())


def test_a_job_runs_to_its_end_and_its_directory_tells_all(start: Start) -> None:
    job = start("""
say('started', what='work', total=2)
print('a stray print of a library')
print('noise', file=sys.stderr)
say('progress', what='work', done=1, total=2)
say('finished', summary={'job': os.environ['SHIKOMI_JOB']})
""")
    found = list(jobs.follow(job))
    assert found == [
        events.Started("work", 2),
        events.Progress("work", 1, 2),
        events.Finished({"job": str(job.directory)}),
    ]
    assert jobs.status(job) == jobs.Status("done", found[-1], found[1])
    assert job.log_file.read_text() == "noise\n"
    assert jobs.listed(job.directory.parent) == [job]


def test_a_front_end_that_comes_late_sees_everything(start: Start) -> None:
    job = start(FOREVER)
    begun(job)
    assert jobs.status(job).state == "running"
    follower = Follower(job)
    assert follower.poll() == [events.Started("x")]
    assert follower.poll() == []
    assert Follower(job).poll() == [events.Started("x")]  # another one, from the beginning
    jobs.send(job, "stop")
    assert ended(job)[-1] == events.Finished({}, "stopped")


def test_jobs_outlive_the_front_end_that_started_them(start: Start, tmp_path: Path) -> None:
    argv = [sys.executable, "-c", PRELUDE + FOREVER]
    job = jobs.create(tmp_path / "jobs", JobSettings("demo", argv))
    front_end = """
import os, signal, sys
from pathlib import Path
from prep.system import jobs
jobs.start(jobs.Job(Path(sys.argv[1])))
os.killpg(0, signal.SIGKILL)
"""
    run = subprocess.run(
        [sys.executable, "-c", front_end, str(job.directory)],
        env=jobs.child_environment(),
        start_new_session=True,
    )
    assert run.returncode == -signal.SIGKILL
    try:
        begun(job)
        assert jobs.alive(job)
    finally:
        jobs.send(job, "kill")
        ended(job)


def test_stop_lets_a_command_that_polls_end_by_itself(start: Start) -> None:
    job = start(
        """
from prep.system import jobs
from pathlib import Path
job = jobs.Job(Path(os.environ['SHIKOMI_JOB']))
signal.signal(signal.SIGINT, lambda *_: say('failed', message='interrupted'))
say('started', what='steps')
found, offset = [], 0
while 'stop' not in found:
    found, offset = jobs.commands(job, offset)
    time.sleep(0.01)
say('finished', summary={'saved': True}, reason='stopped')
""",
        polls=True,
    )
    begun(job)
    jobs.send(job, "save")
    jobs.send(job, "stop")
    assert ended(job)[-1] == events.Finished({"saved": True}, "stopped")
    assert jobs.status(job).state == "stopped"


def test_stop_interrupts_a_command_that_does_not_poll(start: Start) -> None:
    job = start("""
try:
    say('started', what='x')
    while True: signal.pause()
except KeyboardInterrupt:
    say('finished', summary={'done': 3}, reason='interrupted')
""")
    begun(job)
    jobs.send(job, "stop")
    assert ended(job)[-1] == events.Finished({"done": 3}, "interrupted")
    assert jobs.status(job).state == "stopped"


def test_a_second_stop_kills_a_deaf_command_and_its_children(start: Start) -> None:
    job = start("""
signal.signal(signal.SIGINT, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])
say('started', what=str(child.pid))
while True: signal.pause()
""")
    begun(job)
    (first,) = Follower(job).poll()
    assert isinstance(first, events.Started)
    jobs.send(job, "stop")
    jobs.send(job, "stop")
    assert ended(job)[-1] == events.Finished({}, "stopped")
    wait_for(lambda: not _running(int(first.what)))


def _running(process: int) -> bool:
    """Is there such a process, zombies not counted? (Nobody may reap them in a container.)"""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize(
    ("script", "words", "code"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "was killed by signal 9", 137),
        ("sys.exit('out of luck')", "ended with code 1. out of luck", 1),
        ("raise RuntimeError('a fault')", "RuntimeError: a fault", 1),
    ],
)
def test_a_command_that_dies_without_a_word_is_accounted_for(
    start: Start, script: str, words: str, code: int
) -> None:
    job = start(script)
    last = ended(job)[-1]
    assert isinstance(last, events.Failed)
    assert words in last.message
    assert last.exit_code == code
    assert ("memory" in last.hint) == (code == 137)
    assert jobs.status(job).state == "failed"


def test_a_silent_end_counts_as_done(start: Start) -> None:
    assert ended(start("pass")) == [events.Finished({})]


def test_a_command_that_cannot_start_is_told(tmp_path: Path) -> None:
    job = jobs.create(tmp_path, JobSettings("demo", ["/no/such/program"]))
    jobs.start(job)
    last = ended(job)[-1]
    assert isinstance(last, events.Failed)
    assert "did not start" in last.message


def test_starting_again_resumes_in_the_same_directory(start: Start) -> None:
    job = start("""
from pathlib import Path
count = Path(os.environ['SHIKOMI_JOB'], 'count')
count.write_text(str(int(count.read_text()) + 1 if count.exists() else 1))
if count.read_text() == '1':
    os.kill(os.getpid(), signal.SIGKILL)
say('started', what='second run')
say('finished', summary={})
""")
    assert jobs.status(job).state in ("running", "failed")
    ended(job)
    jobs.send(job, "stop")  # sent after the end: the next run must not obey it
    jobs.start(job)
    found = ended(job)
    assert isinstance(found[0], events.Failed)
    assert found[1:] == [events.Started("second run"), events.Finished({})]


@pytest.mark.parametrize("script", ["say('started', what='x')\nsay('finished', summary={})", "0"])
def test_a_torn_line_swallows_nothing(tmp_path: Path, script: str) -> None:
    """A power cut leaves half a line behind."""
    job = jobs.create(tmp_path, JobSettings("demo", [sys.executable, "-c", PRELUDE + script]))
    job.events_file.write_text('{"kind": "progr')
    jobs.start(job)
    whole = [events.Started("x"), events.Finished({})]
    assert ended(job) == (whole if "say" in script else whole[1:])


def test_a_running_job_is_not_started_twice(start: Start) -> None:
    job = start(FOREVER)
    with pytest.raises(UserError, match="is already running"):
        jobs.start(job)


def test_looking_at_a_job_while_it_starts_does_no_harm(tmp_path: Path) -> None:
    """To see whether a lock is held, a front end takes it for a moment."""
    import fcntl

    job = jobs.create(tmp_path, JobSettings("demo", [sys.executable, "-c", "pass"]))
    lock = job.directory / "lock"
    with lock.open("w") as held:
        fcntl.lockf(held, fcntl.LOCK_EX)
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "prep.system.supervise", str(job.directory)],
            env=jobs.child_environment(),
        )
        assert waiting.ended(supervisor) == 0  # forked: its child waits for the lock
        assert not (job.directory / "began").exists()
    wait_for((job.directory / "began").exists)
    assert ended(job) == [events.Finished({})]


def test_a_supervisor_that_was_killed_leaves_a_lost_job(start: Start) -> None:
    ids = "f'{os.getppid()} {os.getpid()}'"
    job = start(f"say('started', what={ids})\nwhile True: signal.pause()")
    begun(job)
    (first,) = Follower(job).poll()
    assert isinstance(first, events.Started)
    supervisor, orphan = map(int, first.what.split())
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: not jobs.alive(job))
    assert jobs.status(job).state == "lost"
    os.kill(orphan, signal.SIGKILL)


def test_a_new_job_and_a_folder_that_is_none(tmp_path: Path) -> None:
    job = jobs.create(tmp_path / "jobs", JobSettings("demo", ["x"], title="T"), "a = 1\n")
    assert jobs.status(job).state == "new"
    assert not jobs.alive(job)
    assert job.settings() == JobSettings("demo", ["x"], False, "T")
    assert (job.directory / "config.toml").read_text() == "a = 1\n"
    assert list(jobs.follow(job)) == []
    with pytest.raises(UserError, match="is not a job"):
        Job(tmp_path).settings()
    assert jobs.listed(tmp_path / "none") == []


def test_two_jobs_of_one_second_have_two_directories(tmp_path: Path) -> None:
    made = [jobs.create(tmp_path, JobSettings("demo", [])) for _ in range(3)]
    assert len({job.name for job in made}) == 3
    assert set(jobs.listed(tmp_path)) == set(made)


def test_followers_wait_for_whole_lines(tmp_path: Path) -> None:
    job = Job(tmp_path)
    follower = Follower(job)
    assert follower.poll() == []
    text = json.dumps({"kind": "progress", "what": "é", "done": 1}, ensure_ascii=False) + "\n"
    data = text.encode() * 2
    cut = data.index("é".encode()) + 1  # in the middle of a character
    with job.events_file.open("ab", buffering=0) as file:
        file.write(data[:cut])
        assert follower.poll() == []
        file.write(data[cut:-5])
        assert follower.poll() == [events.Progress("é", 1)]
        file.write(data[-5:])
        assert follower.poll() == [events.Progress("é", 1)]


def test_commands_are_read_once_and_noise_is_passed_over(tmp_path: Path) -> None:
    job = Job(tmp_path)
    assert jobs.commands(job) == ([], 0)
    jobs.send(job, "save")
    jobs.send(job, "sample", prompt="mochi")
    found, offset = jobs.commands(job)
    assert found == ["save", "sample"]
    with job.commands_file.open("a") as file:
        file.write('no json\n[1]\n{"x": 1}\n{"command": "st')
    assert jobs.commands(job, offset)[0] == []
    with job.commands_file.open("a") as file:
        file.write('op"}\n')
    assert jobs.commands(job, offset)[0] == ["stop"]
