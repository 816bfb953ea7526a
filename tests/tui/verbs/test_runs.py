"""Verbs at work: what they say is read whole, dry runs can be ended, what writes is left alone."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from prep import events
from prep.project import Project
from prep.system import jobs
from prep.system.jobs import Job, JobSettings
from tui.verbs import runs
from tui.verbs.runs import JobRun, ShortRun

MakeImage = Callable[..., Path]
WAITING = "import time\nprint('waiting', flush=True)\nwhile True: time.sleep(0.02)"


async def ended(run: runs.Run) -> runs.Run:
    found: list[runs.Run] = []
    await run.follow(found.append)
    assert found == [run]
    return run


async def test_a_short_run_has_words_events_and_an_exit_code(
    project: Project, make_image: MakeImage
) -> None:
    make_image("10_mochi/a.png", 1, caption="cat, hat")
    command = ["edit", str(project.root), "--remove", "hat", "--json"]
    run = await ended(ShortRun("edit", command, writes=True))
    assert run.lines[-2:] == [
        "1 caption changed (edit 1; take it back with: shikomi undo)",
        "  - hat x1",
    ]
    assert (run.code, run.edit, run.changes) == (0, 1, "1 change")
    assert run.outcome() == "edit: done, 1 change. Press u to undo."
    assert isinstance(run.progress, events.Progress)


async def test_a_refused_command_line_is_told_with_its_code(project: Project) -> None:
    run = await ended(
        ShortRun("ls", ["ls", str(project.root), "--nowhere", "--json"], writes=False)
    )
    assert run.code == 2
    assert run.lines[0].startswith("shikomi: Unknown option: --nowhere.")
    assert run.outcome() == "ls: failed (exit code 2)"


@pytest.mark.parametrize("writes", [False, True])
async def test_a_dry_run_is_ended_and_what_writes_is_not(
    monkeypatch: pytest.MonkeyPatch, writes: bool
) -> None:
    monkeypatch.setattr(runs, "argv", lambda _: [sys.executable, "-c", WAITING])
    run = ShortRun("edit", [], writes=writes)
    try:
        await run.stop()
        assert (run._process.poll() is None) == writes
    finally:
        run._process.kill()
        run._process.wait()
        run.close()
    assert not run._folder.exists()


async def test_a_run_that_ignores_the_request_to_end_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{WAITING}"
    monkeypatch.setattr(runs, "argv", lambda _: [sys.executable, "-c", deaf])
    monkeypatch.setattr(runs, "_GRACE", 0.2)
    run = ShortRun("ls", [], writes=False)
    out = run._folder / "events.jsonl"
    while not out.read_text():  # it is deaf from then on
        await asyncio.sleep(0.02)
    await run.stop()
    assert run._process.returncode is not None
    assert run._process.returncode < 0


async def test_the_words_of_a_job_are_read_as_they_come(tmp_path: Path) -> None:
    job = jobs.create(tmp_path, JobSettings("tag", ["true"], title="tag"))
    run = JobRun("tag", Job(job.directory), writes=True)
    whole = "もち\n 10 %\r 20 %\r done\nlast\x1b[31m".encode()
    job.log_file.write_bytes(whole[:4])
    log = run._log
    assert log.poll(last=False) == []
    job.log_file.write_bytes(whole)
    assert log.poll(last=False) == ["もち", " done"]
    assert log.poll(last=True) == ["last\\x1b[31m"]
    assert log.poll(last=True) == []


async def test_a_failed_job_has_the_code_of_its_failure(tmp_path: Path) -> None:
    job = jobs.create(tmp_path, JobSettings("tag", ["true"], title="tag"))
    job.events_file.write_text(
        events.to_json(events.Failed("No room.", "Free some.", 3)) + "\n", "utf-8"
    )
    run = await ended(JobRun("tag", job, writes=True))
    assert run.outcome() == "tag failed (exit code 3): No room."


def test_the_process_is_this_installation() -> None:
    command = [*runs.argv(["--version"])]
    assert command[:3] == [sys.executable, "-P", "-m"]
    done = subprocess.run(command, capture_output=True, check=True, env=jobs.child_environment())
    assert done.stdout.strip()
