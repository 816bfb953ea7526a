"""stdout is data, stderr is narration, exit codes are an interface."""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from prep import events
from prep.cli import console
from prep.errors import ConfigError, RetryError, UnreadableError, UserError
from prep.events import Event
from tests.waiting import output

ROOT = Path(__file__).resolve().parents[3]
Captured = pytest.CaptureFixture[str]


def stream(*found: Event, error: UserError | None = None) -> Iterator[Event]:
    yield from found
    if error is not None:
        raise error


WORK = (
    events.Started("work", 2),
    events.Progress("work", 1, 2, "a.png"),
    events.Written("out/a.png"),
    events.Progress("work", 2, 2),
    events.Finished({"images": 2, "rate": 1.23456, "lora": None, "names": ["a"]}),
)


def test_json_is_every_event_and_nothing_else(capsys: Captured) -> None:
    assert console.show(stream(*WORK), json=True) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert [events.from_json(line) for line in out.splitlines()] == list(WORK)


def test_a_job_says_in_its_log_what_it_would_say_in_a_terminal(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def show(*, json: bool) -> tuple[str, str]:
        skipped = events.Skipped("b.png", "broken")
        console.show(
            stream(skipped, *WORK),
            json=json,
            printer=lambda event: event.path if isinstance(event, events.Written) else None,
        )
        out, err = capsys.readouterr()
        return out, err

    in_terminal = show(json=False)
    monkeypatch.setenv("SHIKOMI_WORDS", "1")
    out, err = show(json=True)
    kinds = [type(events.from_json(line)) for line in out.splitlines()]
    assert kinds == [events.Skipped, *map(type, WORK)]
    assert sorted(err.splitlines()) == sorted("".join(in_terminal).splitlines())
    assert "skipped b.png: broken\nout/a.png\nimages: 2" in err


def test_people_get_results_on_stdout_and_no_bar_without_a_terminal(capsys: Captured) -> None:
    def printer(event: Event) -> str | None:
        return event.path if isinstance(event, events.Written) else None

    assert console.show(stream(*WORK), printer=printer) == 0
    out, err = capsys.readouterr()
    assert out == "out/a.png\nimages: 2  rate: 1.23  names: ['a']\n"
    assert err == ""


def test_progress_is_shown_again_below_a_line_of_text(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    first, second = events.Progress("first", 1, 1), events.Progress("second", 1, 2)
    found = stream(first, events.Written("out/a.png"), second, events.Finished({"n": 1}))
    console.show(found, printer=lambda e: e.path if isinstance(e, events.Written) else None)
    assert "second" in capsys.readouterr().err


def test_a_name_with_a_line_end_stays_on_its_line(capsys: Captured) -> None:
    def printer(event: Event) -> str | None:
        if isinstance(event, events.Written):
            return event.path
        return " ".join(event.images) if isinstance(event, events.Group) else None

    group = events.Group("near", ["a\nb.png", "c.png"], "a\nb.png", [0, 1], "", [])
    found = [events.Skipped("x\ny.png", "gone"), events.Written("a\nb.png"), group]
    console.show(stream(*found, events.Finished({"n": 1})), printer=printer)
    out, err = capsys.readouterr()
    assert out.splitlines() == ["a\\x0ab.png", "a\\x0ab.png c.png", "n: 1"]
    assert err.splitlines() == ["skipped x\\x0ay.png: gone"]


@pytest.mark.parametrize("json_lines", [False, True])
def test_a_fault_of_ours_is_told_without_a_traceback(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, json_lines: bool
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def broken() -> Iterator[Event]:
        yield WORK[0]
        raise ZeroDivisionError("too few cats\nsecond line")

    assert console.show(broken(), json=json_lines) == 70
    out, err = capsys.readouterr()
    said = json.loads(out.splitlines()[-1])["message"] if json_lines else err
    assert "ZeroDivisionError: too few cats." in said
    assert "Traceback" not in out + err
    [report] = tmp_path.glob("shikomi-report-*.txt")
    assert str(report) in out + err
    assert "Traceback" in report.read_text()
    assert "in broken" in report.read_text()


def test_a_verb_can_write_its_own_summary(capsys: Captured) -> None:
    assert console.show(stream(*WORK), summary=lambda s: f"{s['images']} images") == 0
    assert capsys.readouterr().out == "2 images\n"


def test_many_skipped_items_of_a_kind_are_summed_up(capsys: Captured) -> None:
    found = [events.Skipped(f"{n}.png", f"{n}.txt: no text") for n in range(25)]
    other = events.Skipped("x.png", "gone")
    assert console.show(stream(*found, other, events.Finished({}))) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "skipped 0.png: 0.txt: no text"
    assert lines[-2:] == ["skipped x.png: gone", "skipped 5 more (--json has all): no text"]
    assert len(lines) == 22


def test_names_cannot_steer_the_terminal(capsys: Captured) -> None:
    def printer(event: Event) -> str | None:
        return event.path if isinstance(event, events.Written) else None

    odd = (events.Written("a\x1b[2J\tb"), events.Skipped("c\x07", "gone"), events.Finished({}))
    console.show(stream(*odd), printer=printer)
    out, err = capsys.readouterr()
    assert out == "a\\x1b[2J\tb\n"
    assert err == "skipped c\\x07: gone\n"


def test_skipped_items_and_warnings_are_narrated(capsys: Captured) -> None:
    found = (
        events.Skipped("a[b].png", "the file is truncated"),
        events.Warned("No GPU.", "Buy one."),
        events.Downloading("a/b", "https://hub/a/b", 467_460_978, "GPL-3.0"),
        events.Downloading("a/c", "https://hub/a/c", 5),
        events.Finished({"images": 1}),
    )
    assert console.show(stream(*found)) == 1
    out, err = capsys.readouterr()
    assert out == "images: 1\n"
    assert err.splitlines() == [
        "skipped a[b].png: the file is truncated",
        "warning: No GPU. Buy one.",
        "downloading 467 MB from https://hub/a/b (licence: GPL-3.0)",
        "downloading 0 MB from https://hub/a/c (licence: not stated)",
    ]
    assert console.show(stream(*found), json=True) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError("Bad.", "Do this."), 2),
        (ConfigError("Bad.", "Do this."), 2),
        (RetryError("Bad.", "Do this."), 3),
        (UnreadableError("Bad.", "Do this."), 1),
    ],
)
def test_errors_are_a_sentence_and_an_exit_code(
    capsys: Captured, error: UserError, code: int
) -> None:
    assert console.show(stream(WORK[0], error=error)) == code
    assert capsys.readouterr() == ("", "shikomi: Bad.\n  Do this.\n")
    assert console.show(stream(WORK[0], error=error), json=True) == code
    out, err = capsys.readouterr()
    last = events.from_json(out.splitlines()[-1])
    assert last == events.Failed("Bad.", "Do this.", code)
    assert err == ""


def test_guarded_prints_errors_as_show_does(capsys: Captured) -> None:
    def fail() -> int:
        raise RetryError("Offline.")

    assert console.guarded(fail) == 3
    assert console.guarded(lambda: 5) == 5
    assert capsys.readouterr() == ("", "shikomi: Offline.\n")


def test_a_failed_job_gives_its_exit_code(capsys: Captured) -> None:
    assert console.show(stream(events.Failed("It died.", "", 137))) == 137
    assert capsys.readouterr().err == "shikomi: It died.\n"


@pytest.mark.parametrize("as_json", [True, False])
def test_the_operation_is_closed_whatever_happens(capsys: Captured, as_json: bool) -> None:
    closed: list[str] = []

    def work() -> Iterator[Event]:
        try:
            yield events.Progress("tag", 3, 9)
            raise KeyboardInterrupt
        finally:
            closed.append("closed")

    # A summary of a whole operation has nothing to say about half of one.
    code = console.show(work(), json=as_json, summary=lambda found: str(found["images"]))
    assert code == 130
    assert closed == ["closed"]
    out, err = capsys.readouterr()
    if as_json:
        assert events.from_json(out.splitlines()[-1]) == events.Finished({"tag": 3}, "interrupted")
    else:
        assert "interrupted: what was finished by then is kept." in err
        assert out == "tag: 3\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_an_operation_in_order(number: signal.Signals) -> None:
    code = """
import signal, sys
from prep import events
from prep.cli import console
def work():
    try:
        yield events.Progress("work", 1, 9)
        while True: signal.pause()
    finally:
        print("cleaned up", file=sys.stderr, flush=True)
sys.exit(console.show(work(), json=True))
"""
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        out, err = output(process)
    assert process.returncode == 130
    assert err == "cleaned up\n"
    assert json.loads(out)["reason"] == "interrupted"


def test_the_handler_of_signals_is_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    console.show(stream(events.Finished({})), json=True)
    assert signal.getsignal(signal.SIGTERM) is before
