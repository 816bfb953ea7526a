"""The process that owns a job directory while it runs: ``python -m prep.system.supervise DIR``.

Small on purpose: it takes the lock, runs the command, forwards stop and kill, and reports in
``events.jsonl`` when the command dies without a last event (out of memory, a crash in C code).
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from prep import events
from prep.system import jobs, locks, processes, queue

_POLL = 0.1
_GRACE = 10.0
"""Seconds between asking a process group to end and killing it."""
_LEFTOVER_GRACE = 1.0
"""The same, for processes whose command has ended."""
_LOCK_WAIT = 2.0
"""Seconds to wait for the lock of a job."""
_LOG_TAIL = 2000
_SIGKILL = 9
"""What the system sends where memory runs out."""


def main() -> int:
    """Run the job whose directory is the first argument."""
    if hasattr(os, "fork") and os.fork():
        # The front end waits for this process only, so that no zombie is left.
        os._exit(0)
    # A front end that was started with nohup or & ignores interrupts, and children inherit this;
    # the command must receive the one that stops it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    job = jobs.Job(Path(sys.argv[1]))
    with job.lock_file.open("a+b") as lock:
        if not _take_patiently(lock):
            return 3
        (job.directory / "began").touch()
        lane = job.settings().lane
        if not lane:
            return _run(job)
        with queue.turn(job, lane) as came:
            if came:
                return _run(job)
            jobs.say(job, events.Finished({}, "stopped"))
            return 0


def _take_patiently(lock: IO[bytes]) -> bool:
    """Take the lock, with retries: a front end that tests it holds it for a moment."""
    end = time.monotonic() + _LOCK_WAIT
    while not locks.take_lock(lock):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def _run(job: jobs.Job) -> int:
    settings = job.settings()
    jobs.end_torn_line(job)
    before = jobs.Follower(job)
    before.poll()
    environment = {
        **jobs.child_environment(),
        jobs.ENVIRONMENT_KEY: str(job.directory),
        jobs.WORDS_KEY: "1",
    }
    with job.events_file.open("ab") as out, job.log_file.open("ab") as log:
        try:
            child = subprocess.Popen(
                settings.argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env=environment,
                **processes.OWN_GROUP,
            )
        except OSError as error:
            jobs.say(job, events.Failed(f"The command did not start: {error}"))
            return 2
        code, asked = _watch(job, child, settings.polls_commands)
        _end_leftovers(child)
    _account_for(job, code, asked, jobs.Follower(job, before.offset))
    return code


def _watch(
    job: jobs.Job, child: "subprocess.Popen[bytes]", polls_commands: bool
) -> tuple[int, bool]:
    """Forward commands until the child ends; return its code and whether a stop was requested."""
    offset, stops, killed = 0, 0, False
    while child.poll() is None:
        found, offset = jobs.commands(job, offset)
        for command in found:
            stops += command == "stop"
            if command == "kill" or stops > 1:
                killed = True
                _kill(child)
            elif command == "stop" and not polls_commands:
                processes.interrupt(child)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_POLL)
    return child.returncode, killed or stops > 0


def _kill(child: "subprocess.Popen[bytes]") -> None:
    """End the whole process group: ask it, then kill it."""
    processes.end(child)
    end = time.monotonic() + _GRACE
    while child.poll() is None and time.monotonic() < end:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_POLL)
    processes.kill(child)


def _end_leftovers(child: "subprocess.Popen[bytes]") -> None:
    """End what a command that has ended left behind, as a launcher that was killed does."""
    if not hasattr(os, "killpg"):
        return
    end = time.monotonic() + _LEFTOVER_GRACE
    try:
        os.killpg(child.pid, signal.SIGTERM)
        while time.monotonic() < end:
            os.killpg(child.pid, 0)
            time.sleep(_POLL)
        os.killpg(child.pid, signal.SIGKILL)
    except OSError:
        return  # there is none left


def _account_for(job: jobs.Job, code: int, asked: bool, run: jobs.Follower) -> None:
    """Add the last event of this run when the command could not write it itself."""
    if any(isinstance(event, events.Finished | events.Failed) for event in run.poll()):
        return
    if code == 0 or asked:
        jobs.say(job, events.Finished({}, "stopped" if asked else "done"))
        return
    why = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    tail = job.log_file.read_bytes()[-_LOG_TAIL:].decode("utf-8", "replace").strip()
    hint = "Not enough memory is the usual reason." if code == -_SIGKILL else ""
    line = tail.splitlines()[-1] if tail else ""
    # As in shells, a signal counts as 128 + its number.
    jobs.say(
        job,
        events.Failed(f"The command {why}. {line}".strip(), hint, code if code > 0 else 128 - code),
    )


if __name__ == "__main__":
    sys.exit(main())
