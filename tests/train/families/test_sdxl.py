"""SDXL as its pipeline in diffusers computes it: texts, sizes, drawing, LoRA files."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.utils import USE_PEFT_BACKEND
from torch import Tensor

from tests.train.tiny import make_sdxl_base
from train.arithmetic.precision import choose
from train.families.base import Conditioning, Frame
from train.families.base_model import BaseModel
from train.families.sdxl import StableDiffusionXL
from train.networks.build import fresh_network, network_of_file
from train.networks.ranks import Ranks
from train.networks.saved import load_lora, save_lora

CPU = torch.device("cpu")
PROMPTS = ["mochi, hat", "a cat"]
TIMES = torch.tensor([10, 900])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sdxl_base(tmp_path_factory.mktemp("models") / "sdxl")


def load(base: Path) -> StableDiffusionXL:
    return StableDiffusionXL.load(BaseModel.open(base), choose("fp32", CPU))


def pipeline(base: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from diffusers import StableDiffusionXLPipeline

        pipe = StableDiffusionXLPipeline.from_pretrained(base, add_watermarker=False)
        pipe.set_progress_bar_config(disable=True)
        return pipe


def conditioning(model: StableDiffusionXL, prompts: list[str] = PROMPTS) -> Conditioning:
    frames = [Frame((700, 900), (0, 8), (64, 96)), Frame((64, 64), (0, 0), (64, 64))]
    return model.framed(model.encode_tokens(model.tokenize(prompts)), frames[: len(prompts)])


def prediction(model: StableDiffusionXL) -> Tensor:
    torch.manual_seed(5)
    noisy = torch.randn(2, 4, 8, 8)
    with torch.no_grad():
        return model.predict(noisy, TIMES, conditioning(model))


def test_texts_are_encoded_as_by_diffusers(base: Path) -> None:
    model, pipe = load(base), pipeline(base)
    with torch.no_grad():
        ours = model.encode_tokens(model.tokenize(PROMPTS))
        context, _, pooled, _ = pipe.encode_prompt(PROMPTS, do_classifier_free_guidance=False)
    assert ours.context.shape == (2, 77, 40)
    assert torch.allclose(ours.context, context, atol=1e-6)
    assert torch.allclose(ours.extra["pooled"], pooled, atol=1e-6)


def test_clip_skip_changes_nothing(base: Path) -> None:
    model = load(base)
    tokens = model.tokenize(PROMPTS)
    with torch.no_grad():
        one, two = model.encode_tokens(tokens, 1), model.encode_tokens(tokens, 2)
    assert torch.equal(one.context, two.context)


def test_long_prompts_are_pooled_from_their_first_chunk(base: Path) -> None:
    model = load(base)
    first, second = "a " * 75, "b " * 20
    with torch.no_grad():
        long = model.encode_tokens(model.tokenize([first + second]))
        short = model.encode_tokens(model.tokenize([first]))
    assert long.context.shape == (1, 154, 40)
    assert torch.allclose(long.context[:, :77], short.context, atol=1e-6)
    assert torch.allclose(long.extra["pooled"], short.extra["pooled"], atol=1e-6)


def test_sizes_are_height_first(base: Path) -> None:
    sizes = conditioning(load(base)).extra["sizes"]
    assert sizes.tolist() == [[900, 700, 8, 0, 96, 64], [64, 64, 0, 0, 64, 64]]


def test_the_denoiser_reads_all_of_it(base: Path) -> None:
    model, pipe = load(base), pipeline(base)
    known = conditioning(model)
    torch.manual_seed(5)
    noisy = torch.randn(2, 4, 8, 8)
    added = {"text_embeds": known.extra["pooled"], "time_ids": known.extra["sizes"]}
    with torch.no_grad():
        theirs = pipe.unet(noisy, TIMES, known.context, added_cond_kwargs=added).sample
    assert torch.allclose(prediction(model), theirs, atol=1e-6)
    swapped = {**known.extra, "sizes": known.extra["sizes"].flip(0)}
    with torch.no_grad():
        other = model.predict(noisy, TIMES, Conditioning(known.context, swapped))
    assert not torch.allclose(other, theirs, atol=1e-6)


@pytest.mark.parametrize("conv", [False, True])
def test_diffusers_applies_our_files(base: Path, tmp_path: Path, conv: bool) -> None:
    model = load(base)
    before = prediction(model)
    targets = model.targets(parts=model.parts, conv=conv)
    network = fresh_network(targets, Ranks(4, 2.0, 4 if conv else 0, 2.0)).attach(targets)
    torch.manual_seed(1)
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    ours, texts = prediction(model), conditioning(model)
    save_lora(tmp_path / "a.safetensors", network, {}, "fp32")
    network.detach()
    again = network_of_file(model.modules(), load_lora(tmp_path / "a.safetensors"))
    again.attach(model.modules())
    assert torch.equal(prediction(model), ours)
    again.detach()
    pipe = pipeline(base)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert USE_PEFT_BACKEND
        pipe.load_lora_weights(tmp_path, weight_name="a.safetensors")
    with torch.no_grad():
        context, _, pooled, _ = pipe.encode_prompt(PROMPTS, do_classifier_free_guidance=False)
        torch.manual_seed(5)
        noisy = torch.randn(2, 4, 8, 8)
        added = {"text_embeds": pooled, "time_ids": texts.extra["sizes"]}
        theirs = pipe.unet(noisy, TIMES, context, added_cond_kwargs=added).sample
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert not torch.allclose(ours, before, atol=1e-3)
