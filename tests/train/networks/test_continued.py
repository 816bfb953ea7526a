"""Runs that begin where a LoRA file ends."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prep.errors import UserError
from tests.train.networks.test_trained import KINDS, NAME, fresh, stirred
from train.lora.file import serialise
from train.lora.start import find_start
from train.networks.build import fresh_network
from train.networks.continued import continue_from
from train.networks.delta import weight_change
from train.networks.ranks import Ranks
from train.networks.saved import save_lora
from train.networks.trainee import Trainee

Made = Callable[..., Path]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(8)


def change(network: Trainee, weight: Tensor) -> Tensor:
    tensors = {key.removeprefix(f"{NAME}."): t for key, t in network.tensors().items()}
    return weight_change(tensors, weight)


def saved(folder: Path, network: Trainee) -> Path:
    path = folder / "before.safetensors"
    save_lora(path, network, {}, "fp32")
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alpha", [3.0, 5.0])
def test_the_change_is_that_of_the_file_whatever_the_alpha(
    tmp_path: Path, kind: str, alpha: float
) -> None:
    layer = nn.Linear(12, 20)
    before = stirred(fresh(layer, kind, 3.0))
    after = fresh(layer, kind, alpha)
    continue_from(after, saved(tmp_path, before))
    weight = layer.weight.detach()
    assert torch.allclose(change(after, weight), change(before, weight), atol=1e-5)
    if alpha == 3.0:
        assert all(map(torch.equal, after.tensors().values(), before.tensors().values()))
    else:
        adapter = after.trained()[NAME]
        whole = kind == "lokr of whole matrices"
        assert adapter.scale == (1.0 if whole else pytest.approx(5 / 3))


def test_matrices_of_a_1x1_convolution_are_taken(tmp_path: Path) -> None:
    linear, layer = nn.Linear(12, 20), nn.Conv2d(12, 20, 1)
    before, after = stirred(fresh(linear, "lora")), fresh(layer, "lora")
    continue_from(after, saved(tmp_path, before))
    theirs, ours = before.tensors(), after.tensors()
    assert all(torch.equal(ours[key].flatten(), t.flatten()) for key, t in theirs.items())


def test_modules_that_the_file_lacks_start_afresh(tmp_path: Path) -> None:
    layers: dict[str, nn.Module] = {NAME: nn.Linear(12, 20), "lora_te_b": nn.Linear(12, 20)}
    before = stirred(fresh(layers[NAME], "lora"))
    after = fresh_network(layers, Ranks(3, 4.5), seed=5)
    other = {k: t.clone() for k, t in after.tensors().items() if k.startswith("lora_te_b")}
    continue_from(after, saved(tmp_path, before))
    assert all(torch.equal(after.tensors()[key], tensor) for key, tensor in other.items())
    key = f"{NAME}.lora_up.weight"
    assert torch.equal(after.tensors()[key], before.tensors()[key])


@pytest.mark.parametrize(
    ("mine", "theirs", "said"),
    [
        ("lora", "dora by input", r"is DoRA in lora_unet_.* trains LoRA"),
        ("dora by input", "lora", r"is LoRA in lora_unet_.* trains DoRA"),
        ("loha", "lokr of factors", r"is LoKr in .* trains LoHa"),
        ("lokr of factors", "lokr of whole matrices", r"lokr_w2\).*trains LoKr .*lokr_w2_a"),
        ("dora by input", "dora by output", r"dora_scale of .* is 20x1 in before.* and 1x12"),
    ],
)
def test_files_of_other_kinds_are_refused_by_name(
    tmp_path: Path, mine: str, theirs: str, said: str
) -> None:
    layer = nn.Linear(12, 20)
    path = saved(tmp_path, stirred(fresh(layer, theirs)))
    after = fresh(layer, mine)
    before = [tensor.clone() for tensor in after.tensors().values()]
    with pytest.raises(UserError, match=said):
        continue_from(after, path)
    assert all(map(torch.equal, before, after.tensors().values()))


def test_other_ranks_and_other_modules_are_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    layers: dict[str, nn.Module] = {f"lora_unet_{n}": nn.Linear(12, 20) for n in "ab"}
    network = stirred(fresh_network(layers, Ranks(4, 3.0, blocks={"lora_unet_b": 8})))
    path = saved(tmp_path, network)
    for same, said in (
        (layers, "lora_down.weight of lora_unet_b is 8x12 in before.* 4x12 in this run"),
        ({"lora_unet_a": layers["lora_unet_a"]}, "changes lora_unet_b, which this run does not"),
    ):
        after = fresh_network(same, Ranks(4, 3.0))
        before = [tensor.clone() for tensor in after.tensors().values()]
        with pytest.raises(UserError, match=said):
            continue_from(after, path)
        assert all(map(torch.equal, before, after.tensors().values()))


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, fresh_network({}, Ranks(1, 1.0)))
    with pytest.raises(UserError, match="holds no LoRA"):
        continue_from(fresh(nn.Linear(12, 20), "lora"), path)


def test_files_are_found_by_path_and_by_name(tmp_path: Path) -> None:
    project, output = tmp_path, tmp_path / "output" / "lora"
    output.mkdir(parents=True)
    for path in (output / "mochi.v2.safetensors", project / "here.safetensors", output / "here"):
        path.write_bytes(serialise({}, {}))

    def found(name: str) -> Any:
        return find_start(name, (project, output))

    assert found("mochi.v2") == found("output/lora/mochi.v2.safetensors") == output / "mochi.v2.safetensors"  # fmt: skip  # noqa: E501
    assert found("here") == project / "here.safetensors", "the project goes before its output"
    assert found(str(output / "here")) == output / "here"
    for name in ("nowhere", "~nobody-of-this-name/a"):
        with pytest.raises(
            UserError, match=f"no LoRA {name} to start from|no home folder for {name}"
        ):
            found(name)
