import threading
from collections.abc import Iterator

import pytest

from prep.system.parallel import ordered, workers


def test_results_keep_their_order() -> None:
    assert list(ordered(lambda n: n * n, range(50), 4)) == [(n, n * n) for n in range(50)]
    assert list(ordered(str, [])) == []
    assert workers() >= 1


def test_no_more_is_taken_than_is_under_way() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    stream = ordered(lambda n: n, items(), 3)
    next(stream)
    assert len(taken) == 6
    stream.close()
    assert len(taken) == 6


def test_one_slow_call_does_not_stop_the_others() -> None:
    """With a longer queue, the other threads go on behind a call that takes long."""
    slow, done = threading.Event(), threading.Event()
    finished: list[int] = []

    def work(number: int) -> int:
        if number == 0:
            assert done.wait(30)
        finished.append(number)
        if len(finished) == 19:
            done.set()
        return number

    stream = ordered(work, range(40), 2, slow.set, 20)
    assert next(stream) == (0, 0)
    assert finished[:19] == list(range(1, 20))
    stream.close()
    assert slow.is_set()


def test_errors_come_in_turn_and_end_the_threads() -> None:
    def work(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        return number

    stream = ordered(work, range(10), 2)
    assert [next(stream)[1], next(stream)[1]] == [0, 1]
    before = threading.active_count()
    with pytest.raises(ValueError, match="two"):
        next(stream)
    assert threading.active_count() < before
