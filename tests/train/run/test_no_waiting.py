"""A step never asks the device for a value: whoever reads one waits for all work before it."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.train.run.test_gate import ready
from tests.train.tiny import MakeRun, make_sdxl_base
from train.run.loop import optimise, set_rates


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operations by name, those within autocast, and casts of some weights."""

    def __init__(self, weights: set[int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: Counter[str] = Counter()
        self.in_autocast = self.casts = 0
        self._weights = weights

    def __torch_dispatch__(
        self, function: Callable[..., Any], _types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = function.__name__.split(".")[0]
        self.names[name] += 1
        self.in_autocast += torch.is_autocast_enabled("cpu")
        self.casts += name == "_to_copy" and args[0].data_ptr() in self._weights
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_a_step_reads_no_value_and_casts_no_weight(
    make_run: MakeRun, tmp_path: Path, family: str
) -> None:
    more: dict[str, Any] = {"noisy_rank_share": 0.5, "precision": "bf16", "max_norm": 1.0}
    if family == "sdxl":
        more["base"] = str(make_sdxl_base(tmp_path / "sdxl"))
    run = make_run(validation_fraction=0, **more)
    training = ready(run.model_copy(update={"family": family}), tmp_path / "job")
    set_rates(training)
    optimise(training)  # the optimiser makes its state
    training.counters.step += 1
    unet: Any = training.model.component("unet")
    frozen = {p.data_ptr() for p in unet.parameters()}
    with Operations(frozen) as seen:
        optimise(training)
    read = {"_local_scalar_dense", "nonzero", "equal", "is_nonzero", "item"} & seen.names.keys()
    assert not read
    assert sum(seen.names.values()) > 500, "the step was watched"
    assert (seen.in_autocast, seen.casts) == (0, 0)
