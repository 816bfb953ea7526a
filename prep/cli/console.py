"""How the command line shows events: a progress bar on stderr, results on stdout, or JSON lines.

stdout is data, stderr is narration, exit codes are an interface; every verb goes through ``show``.
"""

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from io import TextIOWrapper
from pathlib import Path
from textwrap import indent
from types import FrameType
from typing import Any, Protocol, TextIO

from prep import events
from prep.cli import crash
from prep.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_PROBLEMS, UserError
from prep.language import _, translated
from prep.printable import printable
from prep.system.jobs import WORDS_KEY
from prep.system.processes import ASK_TO_END

Printer = Callable[[events.Event], str | None]

_NAMES = ("path", "source", "keep", "images")
"""Fields of events that hold names of files."""
_SHOWN = 20
"""Skipped files of a kind that people are told of one by one."""


def show(
    stream: Iterator[events.Event],
    *,
    json: bool = False,
    printer: Printer | None = None,
    summary: Callable[[dict[str, Any]], str] | None = None,
) -> int:
    """Run an operation to its end and show its events.

    Args:
        stream: The operation; it is closed in every case.
        json: Print every event as a JSON line on stdout, and nothing else. Where the environment
            has ``WORDS_KEY``, the words for people go to stderr besides.
        printer: Returns the text for stdout of one event, or ``None`` for no text.
        summary: Returns the text for the summary of the last event.

    Returns:
        The exit code: 0 done, 1 done with problems, 130 interrupted, else that of the error; 70
        when shikomi is at fault.
    """
    view = _view(json, printer or (lambda _: None), summary or _plain_summary)
    code = EXIT_OK
    try:
        with _terminated_as_interrupt():
            for event in stream:
                view.event(event)
                code = max(code, _code_of(event))
    except KeyboardInterrupt:
        _close(stream)
        view.event(events.Finished(view.partial(), "interrupted"))
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        sys.stdout = None  # nothing must flush into it at exit
        return EXIT_OK
    except Exception as found:
        error = found if isinstance(found, UserError) else crash.report_defect(found)
        view.event(events.Failed(error.message, error.hint, error.exit_code))
        return error.exit_code
    finally:
        _close(stream)
        view.close()
    return code


def guarded(action: Callable[[], int]) -> int:
    """Run something that may raise UserError; print the error as ``show`` would."""
    try:
        return action()
    except UserError as error:
        print_error(error)
        return error.exit_code


def print_error(error: UserError) -> None:
    """Print a fault and its fix to stderr."""
    sys.stderr.write(printable(f"shikomi: {translated(error.message)}\n"))
    if error.hint:
        # A hint may draw several lines that belong below each other.
        sys.stderr.write(indent(printable(translated(error.hint)), "  ") + "\n")


def _close(stream: Iterator[events.Event]) -> None:
    close = getattr(stream, "close", None)
    if close is not None:
        close()


def _code_of(event: events.Event) -> int:
    if isinstance(event, events.Failed):
        return event.exit_code
    return EXIT_PROBLEMS if event.problem else EXIT_OK


class _terminated_as_interrupt:  # noqa: N801  (reads as a verb where it is used)
    """Treat what asks to end as Ctrl+C while an operation runs, so that it cleans up, too."""

    def __enter__(self) -> None:
        self._old: dict[int, Any] = {}
        for number in ASK_TO_END:
            with suppress(ValueError):  # not in the main thread
                self._old[number] = signal.signal(number, self._interrupt)

    def __exit__(self, *_: object) -> None:
        for number, old in self._old.items():
            signal.signal(number, old)

    @staticmethod
    def _interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt


class _View(Protocol):
    """Shows events."""

    def event(self, event: events.Event) -> None:
        """Show one event."""

    def partial(self) -> dict[str, Any]:
        """Return how far each part of the work has come."""

    def close(self) -> None:
        """Stop showing."""


def _view(json: bool, printer: Printer, summary: Callable[[dict[str, Any]], str]) -> _View:
    if not json:
        return _Human(printer, summary, sys.stdout)
    if WORDS_KEY in os.environ:
        return _Both(_Lines(), _Human(printer, summary, sys.stderr))
    return _Lines()


class _Lines:
    """Events as JSON lines on stdout."""

    def __init__(self) -> None:
        self._done: dict[str, int] = {}
        if isinstance(sys.stdout, TextIOWrapper):  # JSON is UTF-8, whatever the system prefers
            sys.stdout.reconfigure(encoding="utf-8", newline="\n")

    def event(self, event: events.Event) -> None:
        if isinstance(event, events.Progress):
            self._done[event.what] = event.done
        sys.stdout.write(events.to_json(event) + "\n")
        sys.stdout.flush()

    def partial(self) -> dict[str, Any]:
        return dict(self._done)

    def close(self) -> None:
        pass


class _Both:
    """Events as JSON lines on stdout, and in words elsewhere."""

    def __init__(self, lines: _Lines, words: "_Human") -> None:
        self._lines, self._words = lines, words

    def event(self, event: events.Event) -> None:
        self._lines.event(event)
        self._words.event(event)

    def partial(self) -> dict[str, Any]:
        return self._lines.partial()

    def close(self) -> None:
        self._words.close()


class _Human:
    """A progress bar on stderr when it is a terminal; results as text on a stream."""

    def __init__(
        self, printer: Printer, summary: Callable[[dict[str, Any]], str], out: TextIO
    ) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._printer, self._summary, self._out = printer, summary, out
        self._skipped: Counter[str] = Counter()
        self._console = Console(stderr=True, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=self._console,
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._tasks: dict[str, Any] = {}
        self._done: dict[str, int] = {}
        self._bar.start()

    def event(self, event: events.Event) -> None:
        event = _on_one_line(event)
        if isinstance(event, events.Progress):
            self._progress(event.what, event.done, event.total, event.note)
        elif isinstance(event, events.Metric):
            loss = event.average_loss
            note = "" if loss is None else _("loss {value}").format(value=f"{loss:.4f}")
            self._progress("training", event.step, event.total, note)
        elif isinstance(event, events.Skipped):
            self._skip(event.path, event.reason)
        elif isinstance(event, events.Warned):
            text = translated(f"{event.message} {event.hint}".rstrip())
            self._say(_("warning: {text}").format(text=text))
        elif isinstance(event, events.Downloading):
            text = _("downloading {size} from {source} (licence: {licence})")
            licence = event.licence or _("not stated")
            size = f"{event.bytes / 1e6:,.0f} MB"
            self._say(text.format(size=size, source=event.source, licence=licence))
        elif isinstance(event, events.Failed):
            hint = indent(printable(translated(event.hint)), "  ")
            self._say(f"shikomi: {translated(event.message)}" + (f"\n{hint}" if hint else ""))
        elif isinstance(event, events.Finished):
            self._finish(event)
        self._print(self._printer(event))

    def partial(self) -> dict[str, Any]:
        return dict(self._done)

    def close(self) -> None:
        self._bar.stop()

    def _skip(self, path: str, reason: str) -> None:
        """Tell of something that was skipped; the first ones of a kind only."""
        kind = reason.rpartition(": ")[2]  # it may begin with the name of a sidecar
        self._skipped[kind] += 1
        if self._skipped[kind] <= _SHOWN:
            text = _("skipped {path}: {reason}")
            self._say(text.format(path=path, reason=translated(reason)))

    def _progress(self, what: str, done: int, total: int, note: str) -> None:
        self._done[what] = done
        from rich.markup import escape

        # The columns of the bar understand markup.
        what, note = (escape(printable(translated(text))) for text in (what, note))
        if not self._bar.live.is_started:
            self._bar.start()
        if what not in self._tasks:
            self._tasks[what] = self._bar.add_task(what, total=total or None, note=note)
        self._bar.update(self._tasks[what], completed=done, total=total or None, note=note)

    def _finish(self, event: events.Finished) -> None:
        self._bar.stop()
        for kind, count in self._skipped.items():
            if count > _SHOWN:
                text = _("skipped {count} more (--json has all): {reason}")
                self._say(text.format(count=count - _SHOWN, reason=translated(kind)))
        if event.reason != "done":
            text = _("{reason}: what was finished by then is kept.")
            sys.stderr.write(printable(text.format(reason=translated(event.reason))) + "\n")
        # Of what was interrupted there are only the counts of ``partial``.
        summary = _plain_summary if event.reason == "interrupted" else self._summary
        if event.summary:  # a job that was killed has none
            self._print(summary(event.summary))

    def _print(self, text: str | None) -> None:
        if text:
            self._clear_bar()
            self._out.write(printable(translated(text)) + "\n")
            self._out.flush()

    def _clear_bar(self) -> None:
        """Make room for a line of text; the next progress brings back a bar of its own."""
        self._bar.stop()
        for what in [what for what, task in self._tasks.items() if self._ended(task)]:
            self._bar.remove_task(self._tasks.pop(what))

    def _ended(self, task: Any) -> bool:
        return next(each.finished for each in self._bar.tasks if each.id == task)

    def _say(self, text: str) -> None:
        self._bar.console.print(printable(text), markup=False, soft_wrap=True)


def _on_one_line(event: events.Event) -> events.Event:
    """Show the line ends that names of files may hold: a listing has one line for each."""
    shown: dict[str, Any] = {}
    for name in _NAMES:
        value = getattr(event, name, None)
        if isinstance(value, str) and "\n" in value:
            shown[name] = value.replace("\n", "\\x0a")
        elif isinstance(value, list) and any("\n" in str(each) for each in value):
            shown[name] = [str(each).replace("\n", "\\x0a") for each in value]
    return replace(event, **shown) if shown else event


def _plain_summary(summary: dict[str, Any]) -> str:
    text = _("{name}: {value}")
    return "  ".join(
        text.format(name=_(name.replace("_", " ")), value=_short(value))
        for name, value in summary.items()
        if value is not None
    )


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, str):
        return translated(value)
    return str(value) if isinstance(value, int | Path) else repr(value)
