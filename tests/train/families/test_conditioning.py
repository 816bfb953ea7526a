"""Captions are encoded ahead, each alone, within a budget; their encoders leave in between."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.train.tiny import make_sdxl_base
from train.arithmetic.precision import choose
from train.config import TrainSettings
from train.families.base import Conditioning
from train.families.base_model import BaseModel
from train.families.conditioning import Texts
from train.families.sdxl import StableDiffusionXL

CPU = torch.device("cpu")
STATES = 3 * 2 * 4  # bytes of a caption of one chunk: three tokens, two numbers each, in float32


class Model:
    """Encodes each chunk of up to three letters as their codes; notes what it is asked."""

    def __init__(self) -> None:
        self.encoded: list[list[str]] = []
        self.parked: list[str] = []
        self.base: Any = type("Base", (), {"family": "sd15"})()
        self.policy = choose("fp32", CPU)
        self._texts: list[str] = []

    def tokenize(self, texts: Sequence[str], limit: int = 0, chunking: str = "webui") -> Tensor:
        self._texts = list(texts)
        longest = max(1, *(-(-len(text) // 3) for text in texts)) * 3
        return torch.tensor([[float(ord(c)) for c in text.ljust(longest)] for text in texts])

    def encode_tokens(
        self, tokens: Tensor, clip_skip: int = 1, chunking: str = "webui"
    ) -> Conditioning:
        self.encoded.append(self._texts)
        context = torch.stack([tokens, tokens + clip_skip], dim=-1)
        return Conditioning(context.requires_grad_(torch.is_grad_enabled()))

    def park(self, part: str) -> None:
        self.parked.append(part)


class TextsOnGpu(Texts):
    """Believes that its model is on a GPU."""

    _on_cpu = False


def texts_of(
    model: Model, budget: int = 10**6, *, trained: bool = False, kind: type[Texts] = TextsOnGpu
) -> Texts:
    anything: Any = model
    return kind(anything, TrainSettings(train_text_encoder=trained), budget)


def alone(model: Model) -> list[str]:
    """Return the captions that were encoded, none of them with another."""
    assert all(len(texts) == 1 for texts in model.encoded)
    found = [text for (text,) in model.encoded]
    model.encoded.clear()
    return found


def test_captions_are_encoded_once_and_ahead() -> None:
    model = Model()
    texts = texts_of(model)
    texts.encode(["a", "b", "a"], iter(["b", "c", "a", "d"]))
    assert alone(model) == ["a", "b", "", "c", "d"]
    assert model.parked == ["texts"]
    found = texts.encode(["d", "c"], iter(["e"]))
    assert alone(model) == []
    assert model.parked == ["texts"]
    assert found.context[:, 0, 0].tolist() == [ord("d"), ord("c")]
    assert not found.context.requires_grad


def test_nothing_is_looked_at_ahead_while_all_is_known() -> None:
    texts = texts_of(Model())
    texts.encode(["a"])

    rest = iter(["b"])
    texts.encode(["a", ""], rest)
    assert next(rest) == "b"


def test_memory_is_bounded_and_what_comes_next_stays() -> None:
    model = Model()
    texts = texts_of(model, budget=4 * STATES)
    texts.encode(["a"], iter(["b", "c", "d", "e"]))
    assert alone(model) == ["a", "", "b", "c", "d"]  # d was one too many
    texts.encode(["b"], iter(["c", "d"]))
    texts.encode(["c"], iter(["d"]))
    assert alone(model) == []
    texts.encode(["d"], iter(["c", "f", "g"]))
    assert alone(model) == ["d", "f", "g"]
    texts.encode(["c", "f"])
    assert alone(model) == []
    texts.encode(["a"])
    assert alone(model) == ["a"]


def test_training_does_not_wait_for_all_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.families.conditioning._AT_ONCE", 3)
    model = Model()
    texts = texts_of(model)
    texts.encode(["a"], iter(["b", "c", "d"]))
    assert alone(model) == ["a", "", "b"]
    texts.encode(["c", "d", "e", "f"], iter(["g"]))
    assert alone(model) == ["c", "d", "e", "f"]


def test_a_batch_larger_than_the_budget_is_encoded_all_the_same() -> None:
    model = Model()
    texts = texts_of(model, budget=STATES)
    batch = ["a", "b", "c", "d"]
    for _ in range(2):
        found = texts.encode(batch, iter(["e", "f"]))
        assert found.context[:, 0, 0].tolist() == [ord(text) for text in batch]


def test_results_do_not_depend_on_the_window() -> None:
    captions = ["abcdef", "a", "abc", "xyzxyzxyz", "b"]
    wide, narrow = texts_of(Model()), texts_of(Model(), budget=STATES)
    wide.encode(captions[:1], iter(captions))
    for first, second in zip(captions, [*captions[1:], "a"], strict=True):
        one, two = wide.encode([first, second]), narrow.encode([first, second])
        assert torch.equal(one.context, two.context)


def test_short_captions_are_filled_up_with_empty_chunks() -> None:
    model = Model()
    found = texts_of(model).encode(["abcdef", "x"]).context[:, :, 0]
    assert found.shape == (2, 6)
    assert found[1].tolist() == [ord(c) for c in "x     "]
    # The first chunk of a caption that was met alone before is no obstacle.
    texts = texts_of(model)
    assert texts.encode(["x"]).context.shape[1] == 3
    assert texts.encode(["x", "abcdef"]).context.shape[1] == 6


def test_trained_encoders_stay_and_get_gradients() -> None:
    model = Model()
    texts = texts_of(model, trained=True)
    found = texts.encode(["abc", "a"], iter(["b"]))
    assert found.context.requires_grad
    assert model.encoded == [["abc", "a"]]
    texts.rest()
    assert model.parked == []
    model.encoded.clear()
    with torch.no_grad():
        measured = texts.encode(["abcd", "a"])
    assert not measured.context.requires_grad
    assert measured.context.shape[1] == 6
    assert alone(model) == ["abcd", "a", ""]


@pytest.mark.parametrize("trained", [False, True])
def test_filling_up_is_what_the_model_does_with_a_batch(tmp_path: Path, trained: bool) -> None:
    model = StableDiffusionXL.load(
        BaseModel.open(make_sdxl_base(tmp_path / "sdxl")), choose("fp32", CPU)
    )
    settings = TrainSettings(max_token_length=225, train_text_encoder=trained)
    captions = ["mochi, " * 40, "hat"]
    with torch.no_grad():
        found = Texts(model, settings).encode(captions)
        whole = model.encode_tokens(model.tokenize(captions, 225))
    assert found.context.shape == whole.context.shape
    assert torch.allclose(found.context, whole.context, atol=1e-6)
    assert torch.allclose(found.extra["pooled"], whole.extra["pooled"], atol=1e-6)


def test_a_cpu_is_done_with_its_encoders_when_captions_are_few() -> None:
    model = Model()
    texts = texts_of(model, kind=Texts)
    texts.encode(["a"])
    assert model.parked == [], "more are to come"
    texts.read_ahead(iter(["b", "c", "b"] * 100))
    assert model.parked == ["texts"]
    assert alone(model) == ["a", "", "b", "c"]
    texts.encode(["c", "b"], iter(["a"]))
    assert alone(model) == []


def test_a_cpu_does_not_wait_for_many_captions() -> None:
    model = Model()
    texts = texts_of(model, kind=Texts)
    texts.read_ahead(chr(97 + n % 26) * (1 + n // 26) for n in range(300))
    texts.rest()
    assert (model.parked, alone(model)) == ([], [])


def test_a_gpu_reads_ahead_what_there_is_room_for() -> None:
    model = Model()
    texts = texts_of(model, budget=STATES * 4)
    texts.read_ahead(iter("abcdefgh"))
    assert alone(model) == ["", "a", "b", "c", "d"]
    assert model.parked == ["texts", "texts"]
    trained = texts_of(model, trained=True)
    trained.read_ahead(iter("ab"))
    assert alone(model) == []


def test_what_a_cpu_parks_is_freed_and_comes_back_as_it_was(tmp_path: Path) -> None:
    base = BaseModel.open(make_sdxl_base(tmp_path / "sdxl"))
    model = StableDiffusionXL.open(base, choose("fp32", CPU))
    model.tokenize(["a"], 75)
    model.is_cut("a", 75)
    model.scaled(torch.zeros(1, 4, 8, 8))
    model.checkpoint_gradients()
    assert [name for name in base.components if name in model.held] == [], "nothing is needed yet"
    first = model.encode_pixels(torch.zeros(1, 3, 64, 64))
    context = model.encode_tokens(model.tokenize(["a"])).context
    assert [n for n in base.components if n in model.held] == [*base.text_encoders, "vae"]
    model.park("vae")
    model.park("texts")
    assert [name for name in base.components if name in model.held] == []
    assert torch.equal(model.encode_pixels(torch.zeros(1, 3, 64, 64)), first)
    assert torch.equal(model.encode_tokens(model.tokenize(["a"])).context, context)
    assert all(text.encoder.training for text in model.texts), "as gradient checkpointing wants it"


def test_parked_parts_come_back_when_they_are_used(tmp_path: Path) -> None:
    """The meta device stands for a GPU: things move there, though not all can be computed there."""
    model = StableDiffusionXL.load(
        BaseModel.open(make_sdxl_base(tmp_path / "sdxl")), choose("fp32", CPU)
    )
    model.park("vae")
    model.park("texts")
    meta = replace(model, policy=choose("fp32", torch.device("meta")))
    meta.encode_tokens(meta.tokenize(["a"]))
    places = [next(text.encoder.parameters()).device.type for text in meta.texts]
    assert (places, next(meta.vae.parameters()).device.type) == (["meta", "meta"], "cpu")
    meta.decode(torch.zeros(1, 4, 8, 8, device="meta"))
    assert next(meta.vae.parameters()).device.type == "meta"
    for part in ("texts", "vae"):
        with pytest.raises(NotImplementedError, match="meta tensor"):  # it has no data to move
            meta.park(part)


@pytest.mark.parametrize("trained", [False, True])
def test_some_captions_of_a_batch_are_encoded_as_among_all(trained: bool) -> None:
    model = Model()
    texts = texts_of(model, trained=trained)
    batch = ["abcdefg", "a", "bc"]
    whole = texts.encode(batch).context
    model.encoded.clear()
    assert torch.equal(texts.encode(batch, rows=slice(1, 3)).context, whole[1:3])
    with torch.no_grad():
        assert torch.equal(texts.encode(batch, rows=slice(1, 2)).context, whole[1:2])
