"""The command line as people and scripts use it: real processes, stdout, stderr, exit codes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from prep.project import Project
from prep.system import jobs, queue
from tests.conftest import MakeImage
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("encoding", ["cp932", "ascii", "utf-8"])
def test_output_in_another_encoding_has_escapes_and_json_is_utf_8(
    tmp_path: Path, encoding: str
) -> None:
    """Pipes and files of Japanese Windows have such an encoding, and so do old locales."""
    place = tmp_path / "project" / "dataset" / "10_森"
    place.mkdir(parents=True)
    Image.new("RGB", (64, 64)).save(place / "桜🌸.png")
    command = [sys.executable, "-m", "tui.cli", "ls", str(tmp_path / "project")]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}

    def output(*more: str) -> bytes:
        run = subprocess.run([*command, *more], capture_output=True, cwd=ROOT, env=environment)
        assert run.returncode == 0, run.stderr
        return run.stdout

    name = "10_森/桜🌸.png".encode(encoding, "backslashreplace").decode(encoding)
    assert name in output().decode(encoding)
    paths = [json.loads(line).get("path") for line in output("--json").decode("utf-8").splitlines()]
    assert "dataset/10_森/桜🌸.png" in paths


def shikomi(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tui.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )


def events_of(*arguments: str | Path, code: int = 0) -> list[dict[str, Any]]:
    run = shikomi(*arguments, "--json")
    assert run.returncode == code, run.stderr
    assert run.stderr == ""
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_init_makes_the_folders_and_keeps_what_is_there(tmp_path: Path) -> None:
    target = tmp_path / "new project"
    assert shikomi("init", target).returncode == 0
    assert {p.name for p in target.iterdir()} == {"dataset", "model", "output", "shikomi.toml"}
    (target / "shikomi.toml").write_text('[project]\nname = "mine"  # kept\n')
    assert shikomi("init", target).returncode == 0
    assert "# kept" in (target / "shikomi.toml").read_text()


def test_scan_reports_broken_files_and_goes_on(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/a.png", 1)
    broken = make_image("10_mochi/b.png", 2)
    broken.write_bytes(broken.read_bytes()[:200])
    (project.dataset / "10_mochi/c.png").write_text("no picture")
    found = events_of("scan", project.root, code=1)
    skipped = {event["path"]: event["reason"] for event in found if event["kind"] == "skipped"}
    assert skipped == {
        "dataset/10_mochi/b.png": "the file is truncated",
        "dataset/10_mochi/c.png": "not an image, despite its name",
    }
    assert found[-1]["kind"] == "finished"
    assert found[-1]["summary"] == {"images": 1, "unreadable": 2, "concepts": 1}


def test_edit_preview_apply_undo_redo(project: Project, make_image: MakeImage) -> None:
    file = make_image("10_mochi/a.png", 1, caption="bear, hat\nA second line.").with_suffix(".txt")
    make_image("10_mochi/b.png", 2, caption="cat")
    arguments = ("edit", project.root, "--where", "bear", "--replace.bear", "panda", "--add", "new")

    preview = events_of(*arguments, "--dry-run")
    assert [e["after"] for e in preview if e["kind"] == "change"] == [
        "panda, hat, new\nA second line."
    ]
    assert file.read_text() == "bear, hat\nA second line."

    assert events_of(*arguments)[-1]["summary"]["changed"] == 1
    assert file.read_text() == "panda, hat, new\nA second line."
    assert events_of("undo", project.root)[-1]["summary"]["changed"] == 1
    assert file.read_text() == "bear, hat\nA second line."
    events_of("redo", project.root)
    assert file.read_text() == "panda, hat, new\nA second line."
    history = [e for e in events_of("history", project.root) if e["kind"] == "edit"]
    assert [(e["title"], e["state"]) for e in history] == [
        ("replace bear by panda, add new", "done")
    ]


def test_undo_never_overwrites_what_was_edited_elsewhere(
    project: Project, make_image: MakeImage
) -> None:
    file = make_image("10_mochi/a.png", 1, caption="bear").with_suffix(".txt")
    events_of("edit", project.root, "--add", "hat")
    file.write_text("written by hand")
    found = events_of("undo", project.root, code=1)
    assert file.read_text() == "written by hand"
    assert found[-1]["summary"] == {
        "changed": 0,
        "edit": 1,
        "conflicts": 1,
        "title": "add hat",
    }


def test_trigger_word_and_rules(project: Project, make_image: MakeImage) -> None:
    file = make_image("10_mochi/a.png", 1, caption="bear, green body, hat").with_suffix(".txt")
    chosen = ("--trigger", "mochi", "--prune", "bear", "--prune", "green_body")
    events_of("concept", project.root, "10_mochi", *chosen)
    events_of("edit", project.root, "--rules")
    assert file.read_text() == "mochi, hat"
    assert events_of("edit", project.root, "--rules")[-1]["summary"]["changed"] == 0


def test_exclude_and_include(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/a.png", 1)
    make_image("10_mochi/b.png", 2)
    events_of("exclude", project.root, "--where", "name:a.png", "--reason", "blurry")
    listed = [e for e in events_of("ls", project.root) if e["kind"] == "image"]
    assert [e["excluded"] for e in listed] == ["blurry", None]
    events_of("exclude", project.root, "--where", "excluded:yes", "--include")
    listed = [e for e in events_of("ls", project.root) if e["kind"] == "image"]
    assert [e["excluded"] for e in listed] == [None, None]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["scan", "/nonexistent"], 2, "does not exist"),
        (["edit", "{project}"], 2, "Nothing to do"),
        (["ls", "{project}", "--where", "nam:x"], 2, "character 1"),
        (["undo", "{project}"], 2, "nothing to undo"),
        (["undo", "{project}", "--show", "-1"], 2, "Must be >= 0"),
        (["jobs", "follow", "{project}"], 2, "no jobs yet"),
        (["scan", "{project}", "--nonsense"], 2, "nonsense"),
        (["concept", "{project}", "no_such", "--trigger", "x"], 2, "no folder no_such"),
        (["{project}"], 2, "needs a terminal"),
    ],
)
def test_faults_are_one_sentence(
    project: Project, arguments: list[str], code: int, words: str
) -> None:
    run = shikomi(*(a.replace("{project}", str(project.root)) for a in arguments))
    assert run.returncode == code
    assert words in run.stderr
    assert "Traceback" not in run.stderr


def test_faults_of_the_project_file_name_the_nearest_key(project: Project) -> None:
    project.file.write_text("[project]\nfamliy = 'sd15'\nresolution = 3\n")
    run = shikomi("scan", project.root)
    assert run.returncode == 2
    assert "did you mean family?" in run.stderr
    assert "project.resolution" in run.stderr


def test_interrupt_ends_with_a_partial_summary(project: Project, make_image: MakeImage) -> None:
    for number in range(40):
        make_image(f"10_mochi/{number}.png", number)
    # The operation interrupts itself after its first event, as Ctrl+C would.
    code = """
import os, signal, sys
from prep import events
from prep.cli import console
def work():
    try:
        yield events.Progress("work", 3, 9)
        os.kill(os.getpid(), signal.SIGINT)
        yield events.Progress("work", 4, 9)
    finally:
        print("cleaned up", file=sys.stderr)
sys.exit(console.show(work(), json=True))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 130
    last = json.loads(run.stdout.splitlines()[-1])
    assert (last["kind"], last["reason"], last["summary"]) == (
        "finished",
        "interrupted",
        {"work": 3},
    )
    assert run.stderr == "cleaned up\n"


def test_jobs_are_seen_without_writing_to_the_disk_which_may_be_full(project: Project) -> None:
    job = jobs.create(project.jobs, jobs.JobSettings("demo", [sys.executable], title="a test"))
    before = {path: path.stat().st_mtime_ns for path in project.root.rglob("*")}
    listed = [e for e in events_of("jobs", "list", project.root) if e["kind"] == "job"]
    assert [each["name"] for each in listed] == [job.name]
    assert {path: path.stat().st_mtime_ns for path in project.root.rglob("*")} == before


def test_jobs_are_listed_followed_and_stopped(project: Project) -> None:
    script = (
        'import signal; print(\'{"kind": "started", "what": "x"}\', flush=True)\nsignal.pause()'
    )
    settings = jobs.JobSettings("demo", [sys.executable, "-c", script], title="a test")
    job = jobs.create(project.jobs, settings)
    jobs.start(job)
    try:
        listed = [e for e in events_of("jobs", "list", project.root) if e["kind"] == "job"]
        assert [(e["name"], e["state"], e["title"]) for e in listed] == [
            (job.name, "running", "a test")
        ]
        events_of("jobs", "stop", project.root)
        # The script has no handler: the interrupt ends it, and the supervisor says so.
        found = events_of("jobs", "follow", project.root)
        assert [e["kind"] for e in found] == ["started", "finished"]
        assert found[-1]["reason"] == "stopped"
    finally:
        jobs.send(job, "kill")
    assert jobs.status(job).state == "stopped"


def test_the_queue_is_listed_and_left(project: Project) -> None:
    script = (
        'import signal; print(\'{"kind": "started", "what": "x"}\', flush=True)\nsignal.pause()'
    )
    settings = jobs.JobSettings("demo", [sys.executable, "-c", script], title="a", lane="train")
    made = [jobs.create(project.jobs, settings) for _ in range(3)]
    try:
        for job in made:
            queue.start(job)
        first, second, third = made
        wait_for(lambda: jobs.status(first).state == "running")
        listed = [e for e in events_of("jobs", "list", project.root) if e["kind"] == "job"]
        places = {e["name"]: (e["state"], e["place"]) for e in listed}
        assert places == {
            first.name: ("running", 0),
            second.name: ("queued", 1),
            third.name: ("queued", 2),
        }
        events_of("jobs", "stop", project.root, "--job", second.name)
        wait_for(lambda: jobs.status(second).state == "stopped")
        # Without a name, the one that runs is meant, not the newest.
        events_of("jobs", "stop", project.root)
        wait_for(lambda: jobs.status(third).state == "running")
        assert jobs.status(first).state == "stopped"
    finally:
        for job in reversed(made):
            jobs.send(job, "kill")
        wait_for(lambda: not any(jobs.alive(job) for job in made))


def test_a_closed_pipe_is_no_fault(project: Project, make_image: MakeImage) -> None:
    for number in range(30):
        make_image(f"10_mochi/{number}.png", number, caption="x" * 4000)
    with subprocess.Popen(
        [sys.executable, "-m", "tui.cli", "ls", str(project.root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
        assert process.wait() in (0, -signal.SIGPIPE)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["buckets", "--batch-size", "0"], "--batch-size: must be at least 1"),
        (["edit", "--find", "("], "--find: '(' is not valid: missing )"),
        (["quality", "--only", "blurr"], "not 'blurr'"),
    ],
)
def test_options_that_cannot_be_are_named_in_words(words: list[str], told: str) -> None:
    done = shikomi(*words)
    assert done.returncode == 2
    error = " ".join(done.stderr.split())
    assert told in error
    assert f"All options: shikomi {words[0]} --help" in error
    assert "validation error" not in error
