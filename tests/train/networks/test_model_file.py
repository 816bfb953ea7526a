"""Trained models as checkpoint files: what is taken over from the base, and what is refused."""

import errno
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from prep.errors import UnreadableError, UserError
from tests.train.checkpoints.single import parts, tensors_of, write_folder, write_single_file
from train.checkpoints.recognition import UNET, VAE
from train.families.base_model import BaseModel
from train.lora.file import file_hash, model_hash, read_header, serialise
from train.lora.streaming import StoredTensor, write_tensors
from train.networks.model_file import check_base, save_checkpoint
from train.networks.saved import NotFiniteError, raw, stored


@pytest.fixture(scope="module")
def components() -> dict[str, Any]:
    return parts("sd15")


def moved(components: dict[str, Any]) -> dict[str, Tensor]:
    return {name: t.detach() + 0.5 for name, t in components["unet"].named_parameters()}


def saved(base: BaseModel, path: Path, unet: dict[str, Tensor], precision: str = "fp32") -> Any:
    save_checkpoint(path, base, {"unet": unet}, {"modelspec.title": "mochi"}, precision)
    return load_file(path)


def test_what_is_not_trained_is_taken_over_in_its_own_type(
    tmp_path: Path, components: dict[str, Any]
) -> None:
    extra = {
        "cond_stage_model.transformer.text_model.embeddings.position_ids": torch.arange(77)[None],
        "model_ema.decay": torch.tensor(0.5),
        "alphas_cumprod": torch.rand(1000, dtype=torch.float64),
    }
    stored_parts = {k: t.half() for k, t in tensors_of(components).items()}
    save_file(stored_parts | extra, tmp_path / "base.safetensors")
    torch.save({"state_dict": stored_parts | extra}, tmp_path / "base.ckpt")
    unet = moved(components)
    for name in ("base.safetensors", "base.ckpt"):
        found = saved(BaseModel.open(tmp_path / name), tmp_path / "new.safetensors", unet, "bf16")
        assert found.keys() == (stored_parts | extra).keys() - {"model_ema.decay"}
        for key, tensor in found.items():
            old = (stored_parts | extra)[key]
            if key.startswith(UNET):
                assert tensor.dtype == torch.bfloat16
                assert torch.allclose(tensor.float(), old.float() + 0.5, atol=0.02)
            else:
                assert tensor.dtype == old.dtype
                assert torch.equal(tensor, old)
    data = (tmp_path / "new.safetensors").read_bytes()
    metadata = read_header(tmp_path / "new.safetensors").metadata
    assert metadata["modelspec.title"] == "mochi"
    assert metadata["modelspec.hash_sha256"] == f"0x{model_hash(data)}"


@pytest.mark.parametrize(
    ("prediction", "zero", "marks"),
    [
        ("epsilon", False, set()),
        ("v_prediction", False, {"v_pred"}),
        ("v_prediction", True, {"v_pred", "ztsnr"}),
    ],
)
def test_files_say_what_the_model_predicts(
    tmp_path: Path, components: dict[str, Any], prediction: Any, marks: set[str], *, zero: bool
) -> None:
    folder = BaseModel.open(write_folder(tmp_path / "a", components, prediction, zero_snr=zero))
    found = saved(folder, tmp_path / "a.safetensors", moved(components))
    assert found.keys() == tensors_of(components).keys() | marks
    wrong = write_single_file(
        tmp_path / "b.safetensors", components, v_pred=torch.zeros(0), ztsnr=torch.zeros(0)
    )
    file = BaseModel.open(wrong, prediction=prediction, zero_terminal_snr=zero)
    found = saved(file, tmp_path / "c.safetensors", moved(components))
    assert found.keys() - tensors_of(components).keys() == marks
    again = BaseModel.open(tmp_path / "c.safetensors").configs["scheduler"]
    assert (again["prediction_type"], again["rescale_betas_zero_snr"]) == (prediction, zero)


def test_a_folders_parts_keep_their_values_in_the_smallest_type(
    tmp_path: Path, components: dict[str, Any]
) -> None:
    half = parts("sd15")
    half["text_encoder"].half()
    base = BaseModel.open(write_folder(tmp_path / "a", half))
    found = saved(base, tmp_path / "a.safetensors", moved(components))
    for key, tensor in tensors_of(half).items():
        if not key.startswith(UNET):
            assert torch.equal(found[key], tensor)
            assert found[key].dtype == (torch.float32 if key.startswith(VAE) else torch.float16)


def test_a_separate_vae_becomes_the_models_own(tmp_path: Path, components: dict[str, Any]) -> None:
    other = parts("sd15")["vae"]
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(0.25)
    other.save_pretrained(tmp_path / "vae")
    path = write_single_file(tmp_path / "base.safetensors", components)
    base = BaseModel.open(path, vae=tmp_path / "vae")
    found = saved(base, tmp_path / "new.safetensors", moved(components))
    wanted = tensors_of({**components, "vae": other})
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[k], t) for k, t in wanted.items() if not k.startswith(UNET))


def test_nothing_is_written_over_when_it_cannot_be(
    tmp_path: Path, components: dict[str, Any]
) -> None:
    path = write_single_file(tmp_path / "base.safetensors", components)
    base, unet = BaseModel.open(path), moved(components)
    new = tmp_path / "out" / "new.safetensors"
    saved(base, new, unet)
    before = file_hash(new)
    unet["conv_out.bias"] = torch.full_like(unet["conv_out.bias"], 70000.0)
    with pytest.raises(NotFiniteError, match="too large for fp16"):
        saved(base, new, unet, "fp16")
    save_file({"a": torch.zeros(1), **tensors_of(components)}, path)
    with pytest.raises(UnreadableError, match="has changed since the run began"):
        saved(base, new, unet)
    assert file_hash(new) == before
    assert list(new.parent.iterdir()) == [new]


def test_a_full_disk_leaves_the_old_file_and_no_half_of_a_new_one(tmp_path: Path) -> None:
    def full() -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "a.safetensors"
    path.write_bytes(b"old")
    tensors = {"a": stored(torch.zeros(4)), "b": StoredTensor("F32", (4,), full)}
    with pytest.raises(UserError, match="The disk is full"):
        write_tensors(path, tensors, {}, {})
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_streamed_files_are_those_that_are_serialised_at_once(tmp_path: Path) -> None:
    tensors = {
        "b": torch.randn(3, 5).t(),
        "a": torch.randn(2, 2).bfloat16(),
        "c": torch.zeros(0),
        "d": torch.tensor(7),
    }
    path = tmp_path / "new" / "a.safetensors"
    write_tensors(path, {k: stored(t) for k, t in tensors.items()}, {"k": "ü"}, {"hash": "0x"})
    plain = serialise({k: raw(t) for k, t in tensors.items()}, {})
    metadata = {"k": "ü", "hash": f"0x{model_hash(plain)}"}
    assert path.read_bytes() == serialise({k: raw(t) for k, t in tensors.items()}, metadata)


def test_a_folder_that_no_single_file_can_stand_for_is_refused(
    tmp_path: Path, components: dict[str, Any], base: Path
) -> None:
    check_base(BaseModel.open(write_folder(tmp_path / "sd15", components)))
    check_base(BaseModel.open(write_folder(tmp_path / "sdxl", parts("sdxl"))))
    with pytest.raises(UserError, match=r"would be a single file.*, not "):
        check_base(BaseModel.open(base))
