"""Single-file checkpoints: recognised, read, and equal to the folders that they were made of."""

import os
import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from prep.captions.tokens import clip_tokenizer
from prep.errors import UnreadableError, UserError
from tests.train.checkpoints.single import parts, tensors_of, write_single_file
from train.arithmetic.precision import choose
from train.families.base import Family, Frame
from train.families.base_model import BaseModel
from train.families.opening import load_family

CPU = torch.device("cpu")
FAMILIES = ("sd15", "sdxl")


@pytest.fixture(scope="module")
def components() -> dict[str, dict[str, Any]]:
    return {family: parts(family) for family in FAMILIES}


@pytest.fixture(scope="module")
def files(
    components: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    return {f: write_single_file(folder / f"{f}.safetensors", components[f]) for f in FAMILIES}


def loaded(path: Path, **options: Any) -> Family:
    return load_family(BaseModel.open(path, **options), choose("fp32", CPU))


def weights(module: Any) -> dict[str, Tensor]:
    return {k: v for k, v in module.state_dict().items() if "position_ids" not in k}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_weight_comes_back(
    family: str, components: dict[str, dict[str, Any]], files: dict[str, Path]
) -> None:
    base = BaseModel.open(files[family])
    assert base.family == family
    for name, module in components[family].items():
        again = base.source.load(name, base.configs[name], torch.float32)
        before, after = weights(module), weights(again)
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before)
        assert not any(buffer.is_meta for buffer in again.buffers())


@pytest.mark.parametrize("family", FAMILIES)
def test_diffusers_reads_the_same_from_our_names(
    family: str, components: dict[str, dict[str, Any]], files: dict[str, Path]
) -> None:
    """diffusers' own conversion is the oracle of the key maps."""
    from diffusers.loaders import single_file_utils as theirs

    stored: Any = load_file(files[family])
    unet, vae = components[family]["unet"], components[family]["vae"]
    found = theirs.convert_ldm_unet_checkpoint(dict(stored), dict(unet.config))
    expected = weights(unet)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    found = theirs.convert_ldm_vae_checkpoint(dict(stored), dict(vae.config))
    expected = weights(vae)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_diffusers_reads_the_same_second_text_encoder(
    components: dict[str, dict[str, Any]], files: dict[str, Path]
) -> None:
    from diffusers.loaders import single_file_utils as theirs

    encoder = components["sdxl"]["text_encoder_2"]
    found = theirs.convert_open_clip_checkpoint(
        encoder, dict(load_file(files["sdxl"])), prefix="conditioner.embedders.1.model."
    )
    expected = {key.removeprefix("text_model."): value for key, value in weights(encoder).items()}
    plain = {key.removeprefix("text_model."): value for key, value in found.items()}
    assert plain.keys() >= expected.keys()
    assert all(torch.equal(plain[key], expected[key]) for key in expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_folder_and_file_predict_the_same(
    family: str, components: dict[str, dict[str, Any]], files: dict[str, Path]
) -> None:
    model = loaded(files[family])
    tokens = model.tokenize(["1girl, mochi", ""])
    frames = [Frame((700, 900), (0, 8), (64, 64))] * 2
    noisy = torch.randn(2, 4, 8, 8)
    with torch.no_grad():
        context = model.framed(model.encode_tokens(tokens), frames)
        predicted = model.predict(noisy, torch.tensor([3, 900]), context)
        expected = components[family]["unet"](
            noisy,
            torch.tensor([3, 900]),
            context.context,
            added_cond_kwargs={
                "text_embeds": context.extra.get("pooled"),
                "time_ids": context.extra.get("sizes"),
            },
        ).sample
    assert torch.allclose(predicted, expected, atol=1e-6)
    expected_ids = [49406, *clip_tokenizer().encode("1girl, mochi"), 49407]
    assert tokens[0, 0, 0, : len(expected_ids)].tolist() == expected_ids
    assert tokens[1, 0, 0, :3].tolist() == [49406, 49407, 49407]
    if family == "sdxl":
        assert tokens[1, 1, 0, :3].tolist() == [49406, 49407, 0]
        assert context.extra["sizes"][0].tolist() == [900, 700, 8, 0, 64, 64]


def test_a_pickle_is_read_without_running_it(tmp_path: Path, files: dict[str, Path]) -> None:
    path = tmp_path / "model.ckpt"
    torch.save({"state_dict": load_file(files["sd15"]), "epoch": 3}, path)
    assert BaseModel.open(path).family == "sd15"
    expected = loaded(files["sd15"]).modules()
    found = loaded(path).modules()
    for name, module in found.items():
        assert torch.equal(module.weight, expected[name].weight)  # type: ignore[arg-type]


class Attack:
    """Touches a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self._file),)


def test_code_in_a_pickle_is_not_run(tmp_path: Path) -> None:
    hit, path = tmp_path / "hit", tmp_path / "model.ckpt"
    torch.save({"state_dict": {"weight": Attack(hit)}}, path)
    with pytest.raises(UnreadableError, match="perhaps code: it was not opened"):
        BaseModel.open(path)
    path.write_bytes(pickle.dumps(Attack(hit), protocol=4))  # by others than torch
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UnreadableError, match="perhaps code"):
            BaseModel.open(path)
    assert not hit.exists()


@pytest.mark.parametrize(
    ("extra", "options", "metadata", "prediction", "zero"),
    [
        ({}, {}, {}, "epsilon", False),
        ({"v_pred": torch.zeros(0)}, {}, {}, "v_prediction", False),
        ({"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}, {}, {}, "v_prediction", True),
        ({}, {}, {"modelspec.prediction_type": "v"}, "v_prediction", False),
        ({}, {"prediction": "v_prediction"}, {}, "v_prediction", False),
        ({"v_pred": torch.zeros(0)}, {"prediction": "epsilon"}, {}, "epsilon", False),
        ({"ztsnr": torch.zeros(0)}, {}, {}, "epsilon", False),
        (
            {},
            {"prediction": "v_prediction", "zero_terminal_snr": True},
            {},
            "v_prediction",
            True,
        ),
    ],
)
def test_prediction_and_schedule(
    tmp_path: Path,
    components: dict[str, dict[str, Any]],
    extra: dict[str, Tensor],
    options: dict[str, Any],
    metadata: dict[str, str],
    prediction: str,
    zero: bool,
) -> None:
    path = write_single_file(tmp_path / "a.safetensors", components["sd15"], metadata, **extra)
    model = loaded(path, **options)
    assert model.objective.prediction == prediction
    assert model.objective.zero_terminal_snr is zero
    assert model.sampler("euler").config.prediction_type == prediction


def test_epsilon_needs_some_signal_at_every_step(files: dict[str, Path]) -> None:
    with pytest.raises(UserError, match="predicts epsilon, which is not possible"):
        BaseModel.open(files["sd15"], zero_terminal_snr=True)


def test_a_separate_vae(
    tmp_path: Path, components: dict[str, dict[str, Any]], files: dict[str, Path]
) -> None:
    whole = load_file(files["sdxl"])
    without = {k: v for k, v in whole.items() if not k.startswith("first_stage_model.")}
    path, vae = tmp_path / "without.safetensors", tmp_path / "vae.safetensors"
    save_file(without, path)
    with pytest.raises(UserError, match="holds no VAE"):
        BaseModel.open(path)
    prefix = "first_stage_model."
    save_file({k.removeprefix(prefix): v + 1 for k, v in whole.items() if k not in without}, vae)
    model, plain = BaseModel.open(path, vae=vae), BaseModel.open(files["sdxl"])
    again = model.separate_vae
    assert again is not None
    before = weights(components["sdxl"]["vae"])
    assert all(torch.equal(v, before[k] + 1) for k, v in weights(again.load()).items())
    assert model.vae_hash() != plain.vae_hash()
    folder = tmp_path / "folder"
    components["sdxl"]["vae"].save_pretrained(folder)
    other = BaseModel.open(path, vae=folder)
    assert other.separate_vae is not None
    assert all(torch.equal(v, before[k]) for k, v in weights(other.separate_vae.load()).items())
    with pytest.raises(UserError, match="holds no VAE"):
        BaseModel.open(path, vae=path)


def test_early_files_lack_a_level_in_the_text_encoder(
    tmp_path: Path, components: dict[str, dict[str, Any]]
) -> None:
    tensors = tensors_of(components["sd15"])
    level = ".transformer.text_model."
    early = {key.replace(level, ".transformer."): tensor for key, tensor in tensors.items()}
    path = tmp_path / "early.safetensors"
    save_file(early, path)
    base = BaseModel.open(path)
    found = weights(base.source.load("text_encoder", base.configs["text_encoder"], torch.float32))
    expected = weights(components["sd15"]["text_encoder"])
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_half_precision_files_are_cast_once(tmp_path: Path, files: dict[str, Path]) -> None:
    half = {key: tensor.half() for key, tensor in load_file(files["sdxl"]).items()}
    path = tmp_path / "half.safetensors"
    save_file(half, path)
    model = load_family(BaseModel.open(path), choose("bf16", CPU))
    assert {m.weight.dtype for m in model.modules().values()} == {torch.bfloat16}
    assert model.decode(torch.randn(1, 4, 8, 8)).dtype == torch.float32
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.encode_pixels(torch.zeros(1, 3, 64, 64))
