"""Jobs: long-running commands as directories that any number of front ends can read.

A job directory holds ``job.json`` (what runs), ``config.toml`` (complete and frozen, if the
work has one), ``events.jsonl`` (the command's stdout: one event a line), ``log.txt`` (its
stderr: the same in words, and what libraries say), ``commands.jsonl`` (requests of front ends), and
the locks that the supervisor and the command hold for life: *alive* means *locked*, whatever
happens to process numbers.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prep import events, language
from prep.errors import UserError
from prep.system import locks, processes
from prep.system.files import write_text
from prep.texts import parse_json, read_text

ENVIRONMENT_KEY = "SHIKOMI_JOB"
"""Environment variable with the job directory that a command runs for."""
WORDS_KEY = "SHIKOMI_WORDS"
"""Environment variable with which ``--json`` also prints words for people, on stderr: a job's log
says then what its verb would say in a terminal."""

TICKET = "queued"
"""The file in a job directory that gives it a place in a queue (``prep.system.queue``)."""

_POLL = 0.2


@dataclass(frozen=True)
class Job:
    """One job directory."""

    directory: Path

    @property
    def name(self) -> str:
        """The name of the directory: its start time and its kind."""
        return self.directory.name

    @property
    def events_file(self) -> Path:
        """The file to which the events are appended."""
        return self.directory / "events.jsonl"

    @property
    def commands_file(self) -> Path:
        """The file to which front ends append requests."""
        return self.directory / "commands.jsonl"

    @property
    def log_file(self) -> Path:
        """The file with the standard error of the command."""
        return self.directory / "log.txt"

    @property
    def lock_file(self) -> Path:
        """The file that the supervisor locks for life."""
        return self.directory / "lock"

    @property
    def command_lock_file(self) -> Path:
        """The file that the command locks for life (``prep.system.supervised``)."""
        return self.directory / "command.lock"

    def settings(self) -> "JobSettings":
        """Read ``job.json``.

        Raises:
            UserError: The directory is not a job.
        """
        file = self.directory / "job.json"
        try:
            if not file.is_file():  # reading a pipe would never end
                raise FileNotFoundError
            return _settings(parse_json(read_text(file)))
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{self.directory} is not a job.", "See: shikomi jobs") from error


@dataclass(frozen=True)
class JobSettings:
    """What a job runs.

    Attributes:
        kind: The verb, for example train or tag.
        argv: The command; its stdout becomes ``events.jsonl``.
        polls_commands: The command reads ``commands.jsonl`` itself and ends on its own after a
            ``stop``; the supervisor interrupts other commands.
        title: A readable title.
        lane: Jobs of one lane run one after another (``prep.system.queue``); empty for at once.
    """

    kind: str
    argv: list[str]
    polls_commands: bool = False
    title: str = ""
    lane: str = ""


def _settings(data: Mapping[str, Any]) -> JobSettings:
    """Return settings of the right types.

    Raises:
        TypeError: They are not.
    """
    found = JobSettings(**data)
    texts = [found.kind, found.title, found.lane, *found.argv]
    if not isinstance(found.argv, list) or not all(isinstance(text, str) for text in texts):
        raise TypeError("not what shikomi writes")
    if found.lane and not found.lane.isalpha():  # it becomes the name of a file
        raise TypeError("not what shikomi writes")
    return found


@dataclass(frozen=True)
class Status:
    """State of a job.

    queued: it waits for its turn. running. done. stopped. failed. lost: it died without a last
    event. stalled: it waited for its turn, and its supervisor died. new: it was never started.
    """

    state: str
    last: events.Event | None = None
    progress: events.Event | None = None


@dataclass
class Follower:
    """Reads the new events of a job at each call, whole lines only."""

    job: Job
    offset: int = 0
    _rest: bytes = field(default=b"", repr=False)

    def poll(self) -> list[events.Event]:
        """Return the events that have arrived since the last call."""
        try:
            if not self.job.events_file.is_file():
                return []
            with self.job.events_file.open("rb") as file:
                file.seek(self.offset)
                data = file.read()
        except FileNotFoundError:
            return []
        self.offset += len(data)
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        found = (events.from_json(line.decode("utf-8", "replace")) for line in lines if line)
        return [event for event in found if event is not None]


def create(folder: Path, settings: JobSettings, config: str = "") -> Job:
    """Create a job directory ``<time>-<kind>`` below ``folder``, without starting the job."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    number = 0
    while True:
        directory = folder / f"{stamp}-{settings.kind}{f'-{number}' if number else ''}"
        try:
            directory.mkdir(parents=True)
            break
        except FileExistsError:
            number += 1
    if config:
        write_text(directory / "config.toml", config)
    job = Job(directory)
    save_settings(job, settings)
    return job


def save_settings(job: Job, settings: JobSettings) -> None:
    """Write ``job.json``."""
    body: dict[str, Any] = dict(settings.__dict__)
    write_text(job.directory / "job.json", json.dumps(body, indent=2, ensure_ascii=False) + "\n")


def start(job: Job) -> None:
    """Run the job detached: closing the terminal or losing SSH does not stop it.

    Starting a job that has ended runs its command again, which resumes; of a job that this process
    did not create, see ``rewrite``.

    Raises:
        UserError: It is already running, contains links, or did not start.
    """
    refuse_running(job)
    _refuse_links(job)
    job.commands_file.unlink(missing_ok=True)
    (job.directory / "began").unlink(missing_ok=True)
    with job.log_file.open("ab") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "prep.system.supervise", str(job.directory)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=child_environment(),
            **processes.DETACHED,
        )
    if hasattr(os, "fork"):
        supervisor.wait()  # it goes on in a fork of its own, and leaves no zombie
    _wait_until_up(job)


def rewrite(job: Job, settings: JobSettings, config: str) -> None:
    """Change what a job runs when it is started again; it may have come from elsewhere.

    Raises:
        UserError: It is running, or contains links.
    """
    refuse_running(job)
    _refuse_links(job)
    write_text(job.directory / "config.toml", config)
    save_settings(job, settings)


def refuse_running(job: Job) -> None:
    """Check that a job is not running.

    Raises:
        UserError: It is.
    """
    if alive(job):
        what = "in the queue already" if (job.directory / TICKET).exists() else "already running"
        raise UserError(f"The job {job.name} is {what}.", "Follow it with: shikomi jobs follow")


def _refuse_links(job: Job) -> None:
    """Refuse a directory with links, which jobs never make: they append to files in it."""
    for path in (job.directory, *job.directory.iterdir()):
        if path.is_symlink():
            raise UserError(f"{path} is a link, which is not shikomi's.", "Remove it.")


def child_environment() -> dict[str, str]:
    """Return the environment for child processes, with this installation on PYTHONPATH.

    What they say goes into files, so it is English and UTF-8; it is translated where it is shown.

    Python puts the current folder on the path of ``python -m``. It may be anybody's project, and a
    ``random.py`` in it would be run: so all descendants are told not to.
    """
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        language.VARIABLE: "en",
    }


def _wait_until_up(job: Job, limit: float = 30.0) -> None:
    """Wait until the supervisor has taken the lock (or has already come and gone)."""
    end = time.monotonic() + limit
    began = job.directory / "began"
    while time.monotonic() < end:
        if began.exists():
            return
        time.sleep(0.02)
    raise UserError(f"The job {job.name} did not start.", f"See {job.log_file}.")


def send(job: Job, command: str, **extra: Any) -> None:
    """Send a running job a command: ``stop``, ``kill``, ``save``, ``sample``."""
    line = json.dumps({"t": round(time.time(), 3), "command": command, **extra})
    if job.commands_file.is_symlink():  # appending would change another file
        raise UserError(f"{job.commands_file} is a link, which is not shikomi's.", "Remove it.")
    with job.commands_file.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def commands(job: Job, offset: int = 0) -> tuple[list[str], int]:
    """Return the commands that were sent after byte ``offset``, and the new offset."""
    try:
        data = job.commands_file.read_bytes()
    except FileNotFoundError:
        return [], 0
    if offset > len(data):
        offset = 0
    end = data.rfind(b"\n") + 1
    found = []
    for line in data[offset:end].splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            found.append(str(parse_json(line)["command"]))
    return found, max(end, offset)


def say(job: Job, event: events.Event) -> None:
    """Append an event to those of a job, for what its command cannot say itself."""
    end_torn_line(job)
    with job.events_file.open("a", encoding="utf-8") as file:
        file.write(events.to_json(event) + "\n")


def end_torn_line(job: Job) -> None:
    """End the line that a killed command left unfinished, or it would swallow the next one."""
    with job.events_file.open("a+b") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")


def alive(job: Job) -> bool:
    """Return whether the job is running: its supervisor or its command holds a lock."""
    return locks.is_locked(job.lock_file) or locks.is_locked(job.command_lock_file)


def status(job: Job) -> Status:
    """Return the state of the job, from its locks, its ticket and its events."""
    last: events.Event | None = None
    progress: events.Event | None = None
    for event in Follower(job).poll():
        if isinstance(event, events.Progress | events.Metric):
            progress = event
        last = event
    queued = (job.directory / TICKET).exists()
    if alive(job):
        return Status("queued" if queued else "running", last, progress)
    if queued and (job.directory / "began").exists():
        return Status("stalled", last, progress)
    if isinstance(last, events.Finished):
        return Status("done" if last.reason == "done" else "stopped", last, progress)
    if isinstance(last, events.Failed):
        return Status("failed", last, progress)
    began = (job.directory / "began").exists()
    return Status("lost" if began else "new", last, progress)


def follow(job: Job) -> Iterator[events.Event]:
    """Yield the job's events from the first one until it has ended."""
    follower = Follower(job)
    while True:
        running = alive(job)
        yield from follower.poll()
        if not running:
            yield from follower.poll()
            return
        time.sleep(_POLL)


def listed(folder: Path) -> Sequence[Job]:
    """Return the jobs below ``folder``, newest first; other folders are left out."""
    if not folder.is_dir():
        return []
    found = []
    for path in folder.glob("*/job.json"):
        with contextlib.suppress(UserError):
            job = Job(path.parent)
            job.settings()
            found.append(job)
    return sorted(found, key=lambda job: job.name, reverse=True)
