"""Convolutions whose weights are reordered once compute what they did before."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.train.run.test_gate import ready
from tests.train.tiny import MakeRun
from train.arithmetic import convolutions
from train.arithmetic.convolutions import (
    ReorderedConv2d,
    has_kernels,
    large_convolutions,
    reorder,
)
from train.families.base_model import BaseModel
from train.memory_plan.peak import Place, peak_of
from train.networks.base import Adapted
from train.run.loop import optimise, set_rates

needs_kernels = pytest.mark.skipif(not has_kernels(), reason="torch was built without oneDNN")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolutions, "_FROM", 1)


def frozen(channels: int, out: int, kernel: int = 3, **more: Any) -> nn.Conv2d:
    torch.manual_seed(0)
    made = nn.Conv2d(channels, out, kernel, **({"padding": kernel // 2} | more))
    return made.bfloat16().requires_grad_(requires_grad=False)


@needs_kernels
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("kernel", [1, 3, (1, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_outputs_and_gradients_are_those_of_the_convolution(
    dtype: torch.dtype, kernel: Any, bias: bool
) -> None:
    padding = (0, 1) if isinstance(kernel, tuple) else kernel // 2
    torch.manual_seed(0)
    plain = nn.Conv2d(24, 40, kernel, padding=padding, bias=bias).to(dtype).requires_grad_(False)
    fast = ReorderedConv2d(plain)
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    for size in ((1, 24, 8, 6), (3, 24, 5, 9)):  # the first one decides nothing
        x = torch.randn(size).to(dtype).requires_grad_(True)
        expected, found = plain(x), fast(x)
        assert found.dtype == dtype
        assert torch.allclose(found, expected, atol=tolerance, rtol=tolerance)
        gradient = torch.randn(expected.shape).to(dtype).transpose(2, 3).contiguous()
        gradient = gradient.transpose(2, 3)  # of any order in memory
        (wanted,) = torch.autograd.grad(expected, x, gradient)
        (got,) = torch.autograd.grad(found, x, gradient)
        assert torch.allclose(got, wanted, atol=tolerance, rtol=tolerance)
        with torch.no_grad():
            assert torch.equal(fast(x), found)


def test_only_what_gains_and_stays_as_it_is_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolutions, "_FROM", 16 * 16 * 9)
    adapted = frozen(16, 16)
    Adapted.of(adapted)
    model = nn.ModuleDict(
        {
            "large": frozen(16, 16),
            "small": frozen(16, 15),
            "strided": frozen(16, 16, stride=2),
            "wide": frozen(16, 16, dilation=2),
            "grouped": frozen(32, 32, groups=2),
            "mirrored": frozen(16, 16, padding_mode="reflect"),
            "named": frozen(16, 16, padding="same"),
            "exact": frozen(16, 16).float(),
            "trained": frozen(16, 16).requires_grad_(requires_grad=True),
            "adapted": adapted,
            "inner": nn.Sequential(nn.SiLU(), frozen(16, 32)),
        }
    )
    assert large_convolutions(model).keys() == {"large", "inner.1"}


@needs_kernels
def test_a_model_computes_with_them(small: None) -> None:
    model = nn.Sequential(frozen(8, 16), nn.SiLU(), nn.Sequential(frozen(16, 8)))
    x = torch.randn(1, 8, 4, 4).bfloat16()
    expected = model(x)
    assert reorder(model) == 2
    assert [type(m).__name__ for m in model.modules()].count("ReorderedConv2d") == 2
    assert torch.allclose(model(x), expected, atol=2e-2)
    assert reorder(model) == 0


def test_nothing_is_replaced_where_torch_cannot(
    small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: Any) -> Any:
        raise RuntimeError("not built")

    monkeypatch.setattr(torch._C._nn, "mkldnn_reorder_conv2d_weight", cannot)
    model = nn.Sequential(frozen(8, 16))
    for built in (True, False):
        monkeypatch.setattr(convolutions, "has_kernels", lambda built=built: built)
        assert reorder(model) == 0
        assert isinstance(model[0], nn.Conv2d)


@needs_kernels
def test_a_run_reorders_what_no_adapter_changes_and_plans_for_it(
    small: None, make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(validation_fraction=0, precision="bf16", train_text_encoder=False)
    training = ready(run, tmp_path / "job")
    unet: Any = training.model.component("unet")
    fast = [m for m in unet.modules() if isinstance(m, ReorderedConv2d)]
    assert len(fast) > 5
    set_rates(training)
    loss = optimise(training)
    assert torch.isfinite(loss)
    place = Place(torch.bfloat16, is_cpu=True)
    peak = peak_of(run, BaseModel.open(Path(run.train.base)), place, (64, 64))
    assert "unet, reordered" in peak.resident
    kept = sum(p.nbytes for p in unet.parameters())
    assert peak.weights["unet, reordered"] == peak.weights["unet"] - kept
