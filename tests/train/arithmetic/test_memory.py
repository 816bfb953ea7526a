"""Too little memory, too few GPUs: told as such, wherever it happens."""

from pathlib import Path

import pytest
import torch

from tests.train.tiny import make_base
from train.arithmetic.memory import MemoryRanOutError, catch_out_of_memory, free_memory
from train.arithmetic.precision import PrecisionPolicy
from train.families import latent_diffusion
from train.families.base_model import BaseModel
from train.families.sd15 import StableDiffusion15
from train.memory_plan.fit import computer_memory
from train.sampling.draw import ImageGenerator, ImageSpec

PICTURE = ImageSpec("mochi", "", 64, 64, 1, 2, 1.0, "ddim")


def no_memory(*_: object, **__: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: not enough memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
    ],
)
def test_all_kinds_of_missing_memory_are_one_error(error: Exception) -> None:
    with (
        pytest.raises(MemoryRanOutError, match="drawing") as caught,
        catch_out_of_memory("drawing", "Wait"),
    ):
        raise error
    assert caught.value.hint == "Wait"
    assert caught.value.__cause__ is error


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes"), catch_out_of_memory("drawing", "Wait"):
        raise RuntimeError("shapes do not match")


def test_a_full_gpu_is_not_a_broken_base_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = make_base(tmp_path / "base")
    policy = PrecisionPolicy(torch.device("cpu"), torch.float32, "")
    model = StableDiffusion15.load(BaseModel.open(base), policy)
    monkeypatch.setattr(model.vae, "encode", no_memory)
    with pytest.raises(MemoryRanOutError, match="encoding 64x32 pixels"):
        model.encode_pixels(torch.zeros(1, 3, 32, 64))
    monkeypatch.setattr(model.unet, "forward", no_memory)
    with pytest.raises(MemoryRanOutError, match="drawing 64x64 pixels") as caught:
        ImageGenerator(model).draw(PICTURE)
    assert "nvidia-smi" in caught.value.hint
    monkeypatch.setattr(latent_diffusion, "_load_unet", no_memory)
    with pytest.raises(MemoryRanOutError, match="base model base does not fit"):
        StableDiffusion15.load(BaseModel.open(base), policy)


def test_the_free_memory_of_this_computer_is_asked_for_in_bytes() -> None:
    free = free_memory(torch.device("cpu"))
    assert free is None or 2**26 < free <= computer_memory()
