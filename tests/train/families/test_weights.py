"""Weights of base models are data: a pickle that calls something is refused, not obeyed."""

import shutil
from pathlib import Path

import pytest
import torch

from prep import demo_world
from prep.errors import UserError
from train.arithmetic.precision import choose
from train.families.base_model import BaseModel
from train.families.opening import load_family


class Attack:
    """Touches a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self._file,)


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("unet", "diffusion_pytorch_model"),
        ("vae", "diffusion_pytorch_model"),
        ("text_encoder", "pytorch_model"),
    ],
)
def test_weights_run_no_code(tmp_path: Path, part: str, name: str) -> None:
    folder, hit = tmp_path / "base", tmp_path / "hit"
    shutil.copytree(demo_world.base(), folder)
    for file in (folder / part).glob("*.safetensors"):
        file.unlink()
    torch.save({"weight": Attack(hit)}, folder / part / f"{name}.bin")
    with pytest.raises(UserError, match="cannot be loaded"):
        load_family(BaseModel.open(folder), choose("fp32", torch.device("cpu")))
    assert not hit.exists()
    torch.load(folder / part / f"{name}.bin", weights_only=False)
    assert hit.exists()  # it would have worked
