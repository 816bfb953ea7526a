"""What one process knows of the others, without any others; ``test_processes`` has real ones."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import state
from torch import Tensor, distributed

from prep.errors import EXIT_USAGE, UserError
from tests.train.toy import CPU
from train.run.processes import PATIENCE, ProcessGroup, StopAskedError


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Pretend to close connections; the list grows with each."""
    found: list[str] = []
    monkeypatch.setattr(distributed, "destroy_process_group", lambda: found.append("left"))
    return found


def others_have(values: float | list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    def reduced(tensor: Tensor) -> None:
        tensor += torch.tensor(values)

    monkeypatch.setattr(distributed, "all_reduce", reduced)


def test_alone_nothing_is_exchanged(left: list[str]) -> None:
    """Nor is anything there to exchange with: torch would say so."""
    alone = ProcessGroup(CPU)
    assert alone.is_main
    assert list(range(5))[alone.share] == [0, 1, 2, 3, 4]
    alone.meet()
    with pytest.raises(StopAskedError):
        alone.meet(stop=True)
    tensor = torch.ones(2)
    assert alone.all_reduce(tensor) is tensor
    assert alone.broadcast({"save": True, "stop": False}) == {"save": True, "stop": False}
    alone.leave()
    assert left == []


def test_the_first_reports_and_each_thing_is_done_once() -> None:
    groups = [ProcessGroup(CPU, rank, 3) for rank in range(3)]
    assert [group.is_main for group in groups] == [True, False, False]
    shares = [list(range(7))[group.share] for group in groups]
    assert shares == [[0, 3, 6], [1, 4], [2, 5]]


def test_flags_are_those_of_the_first_process(
    monkeypatch: pytest.MonkeyPatch, left: list[str]
) -> None:
    flags = {"save": True, "stop": False}
    others_have([0.0, 0.0], monkeypatch)
    assert ProcessGroup(CPU, 0, 2).broadcast(flags) == flags
    others_have([0.0, 1.0], monkeypatch)
    assert ProcessGroup(CPU, 1, 2).broadcast(flags) == {"save": False, "stop": True}
    ProcessGroup(CPU, 1, 2).leave()
    assert left == ["left"]


def test_one_that_is_asked_to_stop_stops_all(monkeypatch: pytest.MonkeyPatch) -> None:
    group = ProcessGroup(CPU, 1, 2)
    others_have(0.0, monkeypatch)
    group.meet()
    with pytest.raises(StopAskedError):
        group.meet(stop=True)
    others_have(1.0, monkeypatch)
    with pytest.raises(StopAskedError):
        group.meet()


def joined(
    monkeypatch: pytest.MonkeyPatch, gpus: int, **environment: str
) -> tuple[ProcessGroup, dict[str, Any]]:
    """Join where there are so many GPUs; return what accelerate was asked as well."""
    asked: dict[str, Any] = {}

    def launched(**options: Any) -> Any:
        asked.update(options)
        return SimpleNamespace(device=torch.device("meta"), process_index=2, num_processes=4)

    monkeypatch.setattr(state, "PartialState", launched)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    for name in ("LOCAL_WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return ProcessGroup.join(), asked


@pytest.mark.parametrize(
    ("gpus", "processes"), [(0, {}), (0, {"LOCAL_WORLD_SIZE": "2"}), (2, {"LOCAL_WORLD_SIZE": "2"})]
)
def test_a_process_joins_as_it_was_launched(
    monkeypatch: pytest.MonkeyPatch, gpus: int, processes: dict[str, str]
) -> None:
    found, asked = joined(monkeypatch, gpus, **processes)
    assert (found.device.type, found.rank, found.size) == ("meta", 2, 4)
    assert asked == {"cpu": not gpus, "timeout": PATIENCE}


def test_more_processes_than_gpus_are_refused_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for first in ({}, {"LOCAL_RANK": "0"}):
        with pytest.raises(UserError, match="needs 3 GPUs, and only 2 can") as caught:
            joined(monkeypatch, 2, LOCAL_WORLD_SIZE="3", **first)
        assert "devices = 2" in caught.value.hint
    with pytest.raises(SystemExit) as ended:
        joined(monkeypatch, 2, LOCAL_WORLD_SIZE="3", LOCAL_RANK="1")
    assert ended.value.code == EXIT_USAGE
