"""A real product on every device: on this CPU, and on cards that are made up."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from prep.errors import UserError
from prep.tagging.runtime.tagger import Tagger
from train.doctor.machine import kernel, provider
from train.doctor.machine.child import ask


def test_products_of_this_cpu_are_right() -> None:
    found = kernel.probe(torch)
    assert found["torch"] == torch.__version__
    cpu = found["devices"][-1]
    assert cpu["name"] == "CPU"
    assert cpu["products"]["float32"]["error"] < 1e-5
    assert 0 < cpu["products"]["bfloat16"]["error"] < kernel.LIMIT
    assert cpu["products"]["float32"]["speed"] > 0


class Card:
    """A tensor on a card that fails, or computes wrongly."""

    def __init__(self, values: torch.Tensor, fault: str, factor: float) -> None:
        self.values, self.fault, self.factor = values, fault, factor

    def __matmul__(self, other: "Card") -> "Card":
        if self.fault:
            raise RuntimeError(f"CUDA error: {self.fault}\nCompile with TORCH_USE_CUDA_DSA.")
        return Card(self.values @ other.values * self.factor, "", 1.0)

    def float(self) -> "Card":
        return self

    def cpu(self) -> torch.Tensor:
        return self.values


class Random(torch.Tensor):
    """Moves to a made-up card."""

    fault, factor = "", 1.0

    def to(self, device: str, dtype: Any) -> Any:  # type: ignore[override]
        plain = self.as_subclass(torch.Tensor)
        if device == "cpu":
            return plain.to(dtype)
        return Card(plain, Random.fault, Random.factor)


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a torch with one card."""
    monkeypatch.setattr(kernel, "SIDE", 32)
    facts = SimpleNamespace(name="GeForce RTX 5090", total_memory=32 << 30)
    waited: list[str] = []
    cuda = SimpleNamespace(
        is_available=lambda: True,
        device_count=lambda: 1,
        get_arch_list=lambda: ["sm_80", "sm_90"],
        get_device_properties=lambda index: facts,
        get_device_capability=lambda index: (12, 0),
        synchronize=waited.append,
    )

    def randn(*shape: int, generator: torch.Generator) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).as_subclass(Random)

    yield SimpleNamespace(
        __version__="2.7.0+cu126",
        version=SimpleNamespace(cuda="12.6", hip=None),
        cuda=cuda,
        waited=waited,
        randn=randn,
        Generator=torch.Generator,
        bfloat16=torch.bfloat16,
        float16=torch.float16,
        float32=torch.float32,
    )
    Random.fault, Random.factor = "", 1.0


def test_a_card_that_computes(cards: Any) -> None:
    found = kernel.probe(cards)
    card = found["devices"][0]
    assert (card["name"], card["memory"], card["capability"]) == (
        "GeForce RTX 5090", 32 << 30, [12, 0]
    )  # fmt: skip
    assert set(card["products"]) == {"bfloat16", "float16", "float32"}
    assert all(product["error"] < 1e-6 for product in card["products"].values())
    assert json.loads(json.dumps(found)) == found


def test_each_card_is_waited_for_before_its_time_is_taken(cards: Any) -> None:
    cards.cuda.device_count = lambda: 2
    kernel.probe(cards)
    assert cards.waited == ["cuda:0"] * 6 + ["cuda:1"] * 6


def test_the_speed_is_that_of_one_product(cards: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(range(1000))  # one second for ten products
    monkeypatch.setattr(kernel, "time", SimpleNamespace(perf_counter=lambda: next(moments)))
    card = kernel.probe(cards)["devices"][0]
    assert card["products"]["float32"]["speed"] == pytest.approx(2 * 32**3 / 0.1 / 1e12)


def test_a_card_that_is_lost_when_it_is_asked(cards: Any) -> None:
    def lost(_: int) -> Any:
        raise RuntimeError("CUDA error: device lost\nat 0x0")

    cards.cuda.get_device_properties = lost
    card = kernel.probe(cards)["devices"][0]
    assert card == {"name": "card 0", "products": {}, "fault": "CUDA error: device lost"}


def test_a_card_without_kernels(cards: Any) -> None:
    Random.fault = "no kernel image is available for execution on the device"
    card = kernel.probe(cards)["devices"][0]
    assert card["products"]["float16"] == {
        "fault": "CUDA error: no kernel image is available for execution on the device"
    }


def test_a_card_that_computes_wrongly(cards: Any) -> None:
    Random.factor = 1.5
    card = kernel.probe(cards)["devices"][0]
    assert card["products"]["float32"]["error"] == pytest.approx(0.5, rel=1e-3)


def test_a_driver_that_fails_when_it_is_asked(cards: Any) -> None:
    def fails() -> bool:
        raise RuntimeError("CUDA unknown error")

    cards.cuda.is_available = fails
    found = kernel.probe(cards)
    assert (found["fault"], found["available"]) == ("CUDA unknown error", False)
    assert [device["name"] for device in found["devices"]] == ["CPU"]


# ---- in a process of its own ---------------------------------------------------------------------


def test_what_a_process_prints_last_is_its_answer() -> None:
    answer = ask("train.doctor.machine.provider")
    assert answer.value is not None, answer.fault
    assert answer.value["provider"]


@pytest.mark.parametrize("module", [kernel, provider])
def test_a_process_ends_well_with_one_line(module: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert module.main() == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)


def test_a_tagger_that_cannot_be_run_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(tagger: Tagger, images: Any) -> Any:
        assert images.shape == (1, tagger.side, tagger.side, 3)
        raise UserError("It does not run.", "Install it again.")

    monkeypatch.setattr(Tagger, "scores", refuse)
    assert provider.probe() == {"fault": "It does not run.", "change": "Install it again."}


def test_processes_that_do_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No module named" in ask("train.doctor.machine.nowhere").fault
    assert ask("this").value is None  # prints a poem
    assert "did not answer within 0 s" in ask("train.doctor.machine.kernel", 0.01).fault
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    assert "could not be started" in ask("this").fault
