"""Runs with reordered convolutions learn what other runs do, and save the same files.

Kernels for other orders sum up otherwise: in bf16, losses agree to some thousandths, not in bits.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from prep.events import Event, Stage
from tests.train.run.test_loop import finish, job_in, losses, run_until
from tests.train.tiny import MakeRun
from train.arithmetic import convolutions
from train.arithmetic.convolutions import ReorderedConv2d, has_kernels
from train.config import RunConfig
from train.run import capacity
from train.run.loop import train
from train.run.processes import ProcessGroup

pytestmark = pytest.mark.skipif(not has_kernels(), reason="torch was built without oneDNN")

CPU = ProcessGroup(torch.device("cpu"))
USUAL: dict[str, Any] = {
    "epochs": 1,
    "max_steps": 4,
    "precision": "bf16",
    "save_precision": "fp32",
    "batch_size": 2,
    "watched_images": 1,
}
FULL: dict[str, Any] = {"method": "full", "rank": 32, "alpha": 16.0}
TEXTS = FULL | {"train_unet": False, "train_text_encoder": True, "text_encoder_learning_rate": 1e-3}
SAMPLES = {"sample_every_epochs": 1, "sample_prompts": ("mochi --s 2 --w 64 --h 64",)}


def reordered(events: list[Event]) -> bool:
    return any(isinstance(event, Stage) and event.name == "reorder" for event in events)


def learned(
    make_run: MakeRun, folder: Path, *, least: int, **settings: Any
) -> tuple[list[Event], dict[str, Tensor], RunConfig]:
    """Train with convolutions reordered from a size on; return events and what was saved."""
    run = make_run(**USUAL | settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolutions, "_FROM", least)
        patch.setattr(capacity, "check_base", lambda _: None)
        summary, found = finish(run, job_in(folder, f"least {least}"))
    file = run.project / summary["lora"]
    tensors = load_file(file)
    file.unlink()
    return found, tensors, run


def layout(tensors: Mapping[str, Tensor]) -> dict[str, tuple[Any, ...]]:
    return {name: (t.dtype, tuple(t.shape), t.is_contiguous()) for name, t in tensors.items()}


@pytest.mark.parametrize(
    "settings",
    [
        {"ema_decay": 0.9, **SAMPLES},
        {"conv_rank": 2, "block_ranks": {"up_blocks": 0}},
        {"network": "dora", "gradient_checkpointing": True},
        TEXTS,
    ],
    ids=["averaged", "convolutions of some blocks", "dora", "text encoder whole"],
)
def test_what_is_learned_beside_them_is_the_same(
    make_run: MakeRun, tmp_path: Path, settings: dict[str, Any]
) -> None:
    plain, expected, _ = learned(make_run, tmp_path, least=1 << 40, **settings)
    fast, found, _ = learned(make_run, tmp_path, least=1, **settings)
    assert (reordered(plain), reordered(fast)) == (False, True)
    assert losses(fast) == pytest.approx(losses(plain), rel=1e-2)
    assert layout(found) == layout(expected)
    changed = sum(not torch.equal(tensor, found[name]) for name, tensor in expected.items())
    assert changed or settings is TEXTS
    if settings is TEXTS:  # the UNet, which was not trained, is saved as it was
        unet = {name for name in found if name.startswith("model.diffusion_model.")}
        assert unet, sorted({n.split(".")[0] for n in found})
        assert all(torch.equal(found[name], expected[name]) for name in unet)


def test_weights_that_are_trained_are_never_reordered(make_run: MakeRun, tmp_path: Path) -> None:
    """A run with all of them gives the same bits, and each convolution has learned."""
    settings = FULL | {"learning_rate": 1e-3, "ema_decay": 0.5}
    plain, expected, _ = learned(make_run, tmp_path, least=1 << 40, **settings)
    fast, found, _ = learned(make_run, tmp_path, least=1, **settings)
    assert not reordered(fast)
    assert losses(fast) == losses(plain)
    assert layout(found) == layout(expected)
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())
    _, before, _ = learned(make_run, tmp_path, least=2, **settings | {"learning_rate": 1e-30})
    kernels = [name for name, tensor in found.items() if tensor.ndim == 4 and "diffusion" in name]
    assert kernels
    assert not [name for name in kernels if torch.equal(found[name], before[name])]


def test_a_run_goes_on_with_them(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its state to the same bits; from a LoRA file, whose changes are there at once."""
    monkeypatch.setattr(convolutions, "_FROM", 1)
    run = make_run(**USUAL, save_every_steps=2, conv_rank=2, block_ranks={"up_blocks": 0})
    summary, whole = finish(run, job_in(tmp_path, "whole"))
    expected = load_file(run.project / summary["lora"])
    job = job_in(tmp_path, "broken")
    run_until(train(run, job, CPU), 3)
    _, again = finish(run, job)
    assert reordered(again)
    assert losses(again) == losses(whole)[2:]
    found = load_file(run.project / summary["lora"])
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())
    start = (run.project / summary["lora"]).rename(tmp_path / "start.safetensors")
    settings = {"start_from": str(start), "conv_rank": 2, "block_ranks": {"up_blocks": 0}}
    more: list[list[float]] = []
    for least in (1, 1 << 40):
        events, _, _ = learned(make_run, tmp_path, least=least, **settings)
        more.append(losses(events))
    assert more[0] == pytest.approx(more[1], rel=1e-2)
    assert more[0][0] != losses(whole)[0]


def test_they_can_be_neither_moved_nor_saved() -> None:
    """The reordered weights are out of torch's sight, and would be left behind."""
    layer = nn.Conv2d(8, 8, 3, padding=1).bfloat16().requires_grad_(requires_grad=False)
    model = nn.Sequential(ReorderedConv2d(layer))
    for change in (model.float, model.half, lambda: model.to("meta"), model.state_dict):
        with pytest.raises(RuntimeError, match="were reordered"):
            change()
