from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from prep.errors import ConfigError
from prep.events import Finished, Score
from train.verdict.recall import judge, trigger_recall, wilson

GOOD, BAD = [Path("good")] * 8, [Path("bad")] * 8


def tagger(paths: Sequence[Path]) -> Sequence[Mapping[str, float]]:
    return [{"hat": 0.9, "red": 0.5} if path.name == "good" else {"red": 0.4} for path in paths]


def test_wilson_by_hand() -> None:
    low, high = wilson(8, 10)
    assert [low, high] == pytest.approx([0.4902, 0.9433], abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 10)[0] == 0.0
    assert wilson(10, 10)[1] == 1.0


def test_recall_with_and_without() -> None:
    score = trigger_recall(GOOD, BAD, ("hat", "red"), tagger)
    assert (score.value, score.base) == (1.0, 0.5)
    assert 0.5 < score.low < 1.0 == score.high
    strict = trigger_recall(GOOD, BAD, ("hat", "red"), tagger, threshold=0.8)
    assert (strict.value, strict.base) == (0.5, 0.0)


def test_the_least_training_that_does_it_is_named() -> None:
    scores = [
        Score(1, 1.0, "trigger recall", 0.5, 0.1, 0.3, 0.7),
        Score(2, 0.8, "trigger recall", 0.9, 0.1, 0.7, 0.97),
        Score(3, 0.8, "trigger recall", 0.9, 0.1, 0.7, 0.97),
        Score(3, 1.0, "trigger recall", 0.9, 0.1, 0.7, 0.97),
    ]
    last = list(judge(scores))[-1]
    assert isinstance(last, Finished)
    assert (last.summary["epoch"], last.summary["strength"]) == (2, 0.8)
    assert last.summary["findings"] == ["trigger recall 10% -> 90% (70% to 97%)"]


def test_what_cannot_be_told_apart_is_said_so() -> None:
    last = list(judge([Score(1, 1.0, "trigger recall", 0.3, 0.2, 0.1, 0.6)]))[-1]
    assert isinstance(last, Finished)
    assert "no better than the base model" in last.summary["findings"][0]


def test_nothing_to_judge() -> None:
    with pytest.raises(ConfigError):
        list(judge([]))
    with pytest.raises(ConfigError):
        trigger_recall([], [], ("hat",), tagger)
