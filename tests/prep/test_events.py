"""Events as JSON lines: what is written can be read, by us, by scripts, and by newer versions."""

import dataclasses
import json
import math
import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep import events
from prep.events import Event

EXAMPLES: dict[Any, Any] = {
    str: "text",
    int: 3,
    float: 0.5,
    bool: True,
    str | None: None,
    int | None: 7,
    float | None: None,
    list[str]: ["a", "b"],
    list[int]: [0, 4],
    list[float]: [0.25, 1.0],
    list[float | None]: [0.25, None],
    list[Any]: [8, "lokr", None],
    list[tuple[str, float]]: [["hat", 0.5]],  # JSON has no tuples
    list[list[float]]: [[0.0, 0.25, 1.0, 0.5]],
    list[list[int]]: [[0, 0, 64, 96]],
    list[tuple[int, int, int, int]]: [[0, 0, 64, 96]],
    dict[str, float]: {"mochi": 0.8},
    dict[str, int]: {"75": 3},
    dict[str, Any]: {"images": 3, "edit": None},
}


def example(kind: type[Event]) -> Event:
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    return kind(**{field.name: EXAMPLES[hints[field.name]] for field in fields})


def test_events_of_a_topic_are_known() -> None:
    assert events.KINDS["lint"] is events.Lint


@pytest.mark.parametrize("kind", sorted(events.KINDS), ids=str)
def test_every_kind_comes_back_as_it_was(kind: str) -> None:
    event = example(events.KINDS[kind])
    line = events.to_json(event, now=12.3456)
    assert "\n" not in line
    data = json.loads(line)
    assert (data["v"], data["t"]) == (1, 12.346)
    if kind != "unknown":
        assert data["kind"] == kind
        assert events.from_json(line) == event


def test_kinds_and_fields_of_newer_versions_are_passed_on() -> None:
    line = '{"v": 9, "t": 1.5, "kind": "vision", "scene": {"x": [1]}}'
    event = events.from_json(line)
    assert event == events.Unknown("vision", {"scene": {"x": [1]}})
    again = json.loads(events.to_json(event, now=1.5))
    assert again == {"v": 1, "t": 1.5, "kind": "vision", "scene": {"x": [1]}}
    more = events.from_json('{"kind": "progress", "what": "w", "done": 1, "new": true}')
    assert more == events.Progress("w", 1)
    less = events.from_json('{"kind": "progress", "done": 1}')
    assert less == events.Unknown("progress", {"done": 1})


@pytest.mark.parametrize("line", ["", "Loading weights…", "3", "[]", "{}", '{"kind": 4}', '{"kind'])
def test_what_is_no_event_is_none(line: str) -> None:
    assert events.from_json(line) is None


@given(st.text(st.characters(codec=None)))
def test_any_file_name_survives(name: str) -> None:
    line = events.to_json(events.Written(name))
    line.encode("utf-8")  # also what no UTF-8 stream could take as it is
    assert "\n" not in line
    assert events.from_json(line) == events.Written(name)


def test_a_name_that_is_not_utf8_on_disk_survives() -> None:
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")
    line = events.to_json(events.Written(name)).encode("utf-8").decode("utf-8")
    assert events.from_json(line) == events.Written(name)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_become_null(value: float) -> None:
    metric = events.Metric(step=1, total=2, epoch=1, loss=value, average_loss=0.5)
    line = events.to_json(metric)
    assert json.loads(line, parse_constant=pytest.fail)["loss"] is None
    nested = events.to_json(events.Finished({"a": [value, {"b": value}]}))
    assert json.loads(nested)["summary"] == {"a": [None, {"b": None}]}


def test_progress_is_thinned_out_but_its_end_is_always_told() -> None:
    throttle = events.Throttle(interval=3600)
    told = [e for done in range(1, 1001) for e in events.tick("work", 1000, throttle, done)]
    assert told == [events.Progress("work", 1, 1000), events.Progress("work", 1000, 1000)]
