"""Generators in a process of their own: what arrives, how it ends, and what is left behind."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from prep.errors import MissingExtraError, UserError
from prep.system.apart import apart

# The functions below run in the other process, which imports this module.


def count(limit: int, *, step: int = 1) -> Iterator[int]:
    for number in range(0, limit, step):
        print("not into the pipe")
        yield number


def where() -> Iterator[int]:
    yield os.getpid()


def refuse() -> Iterator[str]:
    yield "begun"
    raise MissingExtraError("cv2", "crops")


def stumble() -> Iterator[str]:
    yield "begun"
    raise KeyError("fault")


def die() -> Iterator[str]:
    yield "begun"
    os.kill(os.getpid(), signal.SIGKILL)


def endless(note: Path, *, silent: bool) -> Iterator[int]:
    try:
        yield os.getpid()
        while True:
            if not silent:
                yield 0
            else:
                signal.pause()
    finally:
        note.write_text("saved")


def test_steps_arrive_in_order_and_nothing_that_is_printed() -> None:
    assert list(apart(count, 7, step=2)) == [0, 2, 4, 6]


def test_it_is_another_process() -> None:
    assert next(apart(where)) != os.getpid()


def test_an_error_for_users_is_raised_here_with_its_hint() -> None:
    steps = apart(refuse)
    assert next(steps) == "begun"
    with pytest.raises(UserError, match="cv2 is not installed") as raised:
        next(steps)
    assert "crops" in raised.value.hint


def test_a_defect_is_no_error_for_users() -> None:
    steps = apart(stumble)
    next(steps)
    with pytest.raises(RuntimeError, match="KeyError: 'fault'") as raised:
        next(steps)
    assert "stumble" in raised.value.__notes__[0]


def test_a_process_that_is_killed_is_not_taken_for_one_that_is_done() -> None:
    steps = apart(die)
    next(steps)
    with pytest.raises(UserError, match="has died"):
        next(steps)


@pytest.mark.parametrize("silent", [True, False])
def test_closing_closes_the_generator_there_and_ends_the_process(
    tmp_path: Path, silent: bool
) -> None:
    note = tmp_path / "note.txt"
    steps = apart(endless, note, silent=silent)
    process = next(steps)
    steps.close()  # type: ignore[attr-defined]
    assert note.read_text() == "saved"
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
