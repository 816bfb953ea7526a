"""Verbs at work: short ones as processes of the application, long ones as jobs.

Both write events to one file and words to another, which are read here. So neither has a pipe that
could break: what has begun to write ends, whatever becomes of the application.
"""

import asyncio
import codecs
import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from prep import events
from prep.language import _, counted, translated
from prep.printable import printable
from prep.system import jobs, processes
from prep.system.jobs import Job

POLL = 0.1
"""Seconds between two looks at a run."""
MOST_LINES = 20_000
"""Lines of output that are kept, the last ones."""
_GRACE = 5.0
"""Seconds between asking a dry run to end and killing it."""


class Run:
    """A verb at work, or done.

    Attributes:
        verb: Its name.
        writes: It may change something.
        lines: What it has said.
        news: Goes up with everything that is new.
        progress: How far it has come.
        findings: The problems that a check has found.
        end: Its last event.
        running: It has not ended.
        code: Its exit code, once it has ended.
    """

    def __init__(self, verb: str, directory: Path, *, writes: bool) -> None:
        self.verb, self.writes = verb, writes
        self.lines: list[str] = []
        self.news = 0
        self.progress: events.Progress | events.Metric | None = None
        self.findings: list[events.Finding] = []
        self.end: events.Finished | events.Failed | None = None
        self.running = True
        self.code = 0
        self._follower = jobs.Follower(Job(directory))
        self._log = _Log(directory / "log.txt")

    def poll(self) -> None:
        """Read what is new. Runs in a thread."""
        running = self._alive()
        # Asked first: what is written after this is read at the next poll.
        for event in self._follower.poll():
            if isinstance(event, events.Finished | events.Failed):
                self.end = event
            elif isinstance(event, events.Progress | events.Metric):
                self.progress = event
            elif isinstance(event, events.Finding):
                self.findings.append(event)
            self.news += 1
        if fresh := self._log.poll(last=not running):
            self.lines = [*self.lines, *fresh][-MOST_LINES:]
            self.news += 1
        if not running:
            self.code = self._exit_code()
            self.running = False
            self.news += 1

    async def follow(self, then: Callable[["Run"], None]) -> None:
        """Poll until it has ended, and call ``then`` with it."""
        try:
            while self.running:
                await asyncio.to_thread(self.poll)
                if self.running:
                    await asyncio.sleep(POLL)
        finally:
            self.close()
        then(self)

    def close(self) -> None:
        """Remove what nobody needs any more; a process that still runs is not disturbed."""

    @property
    def edit(self) -> int:
        """The number of the edit that it has made, 0 if it has made none."""
        if not isinstance(self.end, events.Finished):
            return 0
        number = self.end.summary.get("edit")
        return number if isinstance(number, int) else 0

    @property
    def changes(self) -> str:
        """The number of changes that it has made or would make, in words; empty if unknown."""
        number = self.end.summary.get("changed") if isinstance(self.end, events.Finished) else None
        if not isinstance(number, int):
            return ""
        return counted("{count} change", "{count} changes", number) if number else _("no changes")

    def outcome(self) -> str:
        """Return how it ended, in a sentence."""
        if isinstance(self.end, events.Failed):
            text = _("{verb} failed (exit code {code}): {reason}")
            reason = translated(self.end.message)
            return text.format(verb=self.verb, code=self.code, reason=reason)
        if self.end is None or self.end.reason != "done":
            reason = _("failed") if self.end is None else translated(self.end.reason)
            text = _("{verb}: {reason} (exit code {code})")
            return text.format(verb=self.verb, code=self.code, reason=reason)
        text = _("{verb}: done, with problems") if self.code else _("{verb}: done")
        done = text.format(verb=self.verb)
        if not self.edit:
            return done
        if self.changes:
            done = _("{done}, {changes}").format(done=done, changes=self.changes)
        return _("{done}. Press u to undo.").format(done=done)

    def _alive(self) -> bool:
        raise NotImplementedError

    def _exit_code(self) -> int:
        raise NotImplementedError


class ShortRun(Run):
    """A process of the application, with its files in a temporary folder."""

    def __init__(self, verb: str, command: list[str], *, writes: bool) -> None:
        """Start it.

        Args:
            verb: Its name.
            command: Words after ``shikomi``, with ``--json``.
            writes: It may change something.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="shikomi-"))
        super().__init__(verb, self._folder, writes=writes)
        with (
            (self._folder / "events.jsonl").open("wb") as out,
            (self._folder / "log.txt").open("wb") as log,
        ):
            self._process = subprocess.Popen(
                argv(command),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env={**jobs.child_environment(), jobs.WORDS_KEY: "1"},
                **processes.OWN_GROUP,
            )

    async def stop(self) -> None:
        """End it, and wait until it has ended. What writes is left to end by itself."""
        if self.writes:
            return
        if self._alive():
            processes.end(self._process)
        waited = 0.0
        while self._process.poll() is None:
            await asyncio.sleep(POLL)
            waited += POLL
            if waited > _GRACE:
                processes.kill(self._process)
        self.close()

    def close(self) -> None:
        """Remove its files; a process that still runs has them open."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _alive(self) -> bool:
        return self._process.poll() is None

    def _exit_code(self) -> int:
        return self._process.returncode


class JobRun(Run):
    """A job, which goes on without the application."""

    def __init__(self, verb: str, job: Job, *, writes: bool) -> None:
        super().__init__(verb, job.directory, writes=writes)
        self.job = job

    def _alive(self) -> bool:
        return jobs.alive(self.job)

    def _exit_code(self) -> int:
        if isinstance(self.end, events.Failed):
            return self.end.exit_code
        return 0 if isinstance(self.end, events.Finished) else 1


class _Log:
    """A file of words that grows."""

    def __init__(self, file: Path) -> None:
        self._file, self._offset, self._rest = file, 0, ""
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def poll(self, *, last: bool) -> list[str]:
        """Return the new lines; of a progress bar that overwrites itself, the last state."""
        with contextlib.suppress(OSError), self._file.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
            self._offset += len(data)
            self._rest += self._decode(data)
        *lines, self._rest = self._rest.split("\n")
        if last and self._rest:
            lines.append(self._rest)
            self._rest = ""
        return [printable(line.rstrip("\r").rpartition("\r")[2]) for line in lines]


def argv(command: list[str]) -> list[str]:
    """Return the process of a command: this installation, whatever the current folder holds."""
    return [sys.executable, "-P", "-m", "tui.cli", *command]
