"""Run a generator in a process of its own, whose memory goes back to the system when it ends.

What Python has once taken for millions of small objects it rarely gives back, and threads that
compute keep the one that draws waiting for the interpreter. What comes and goes is pickled: both
ends are this installation, and the pipes are nobody else's.

The process is gentle: it works at a lower priority, ends when nobody reads it any more, and closes
the generator when it is told to end, so that what was found so far is saved.
"""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import IO, Any, ParamSpec, TypeVar

from prep.errors import UserError
from prep.system import jobs, processes

Step = TypeVar("Step")
Given = ParamSpec("Given")

_STEP, _DONE, _ERROR, _DEFECT = "step", "done", "error", "defect"
"""Kinds of messages. They are plain tuples: run by ``-m``, this module is another one there."""
_NICENESS = 5
_GRACE = 10.0
"""Seconds between asking the process to end and killing it."""


def apart(
    work: Callable[Given, Iterator[Step]], *args: Given.args, **kwargs: Given.kwargs
) -> Iterator[Step]:
    """Yield what ``work(*args, **kwargs)`` yields in a process of its own.

    Args:
        work: A function of a module; its module is imported there.
        args: For it; they are pickled, like what it yields.
        kwargs: For it.

    Raises:
        UserError: ``work`` raised it, or the process was killed.
        RuntimeError: ``work`` raised anything else.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=jobs.child_environment(),
        **processes.OWN_GROUP,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with contextlib.suppress(BrokenPipeError):
            pickle.dump((work, args, kwargs), process.stdin)
            process.stdin.flush()
        while (received := _received(process.stdout))[0] == _STEP:
            yield received[1]
        _conclude(*received)
    finally:
        _end(process)


def _received(pipe: IO[bytes]) -> tuple[str, Any, str]:
    try:
        found: tuple[str, Any, str] = pickle.load(pipe)
    except (EOFError, pickle.UnpicklingError):
        message = "The process that looked at the images has died."
        hint = "If memory was short, close other programs; then start it again."
        return _ERROR, message, hint
    return found


def _conclude(kind: str, text: Any, more: str) -> None:
    """Raise what the process has ended with, unless all went well."""
    if kind == _ERROR:
        raise UserError(text, more)
    if kind == _DEFECT:
        error = RuntimeError(text)
        error.add_note(more)
        raise error


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the process, unless it has ended, and wait for it."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> None:
    """Be the process: do what comes through stdin, and send what it yields through stdout."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nothing else may write into the pipe
    work, args, kwargs = pickle.load(sys.stdin.buffer)
    with contextlib.suppress(BrokenPipeError), contextlib.closing(work(*args, **kwargs)) as steps:
        for message in _messages(steps):
            pickle.dump(message, pipe)
            pipe.flush()


def _messages(steps: Iterator[object]) -> Iterator[tuple[str, object, str]]:
    """Yield the steps, and what they end with."""
    try:
        for step in steps:
            yield _STEP, step, ""
    except UserError as error:
        yield _ERROR, error.message, error.hint  # not the error: some kinds cannot be pickled
    except Exception as error:
        text = traceback.format_exception_only(error)[-1].strip()
        yield _DEFECT, text, "".join(traceback.format_exception(error))
    else:
        yield _DONE, "", ""


if __name__ == "__main__":
    main()
