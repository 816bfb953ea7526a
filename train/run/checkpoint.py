"""Saving and loading: LoRA files for people, states for resuming exactly.

A state is one safetensors file, so that it is there whole or not at all: the LoRA in fp32, the
optimiser's moments, and the counters as metadata. No random state is in it, since all randomness
is a function of the step (``prep.seeding``).
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from prep.errors import UserError
from prep.system.files import write_bytes
from train.lora.file import read_header, serialise
from train.networks.lora import LoraNetwork
from train.networks.saved import raw

_KEPT_STATES = 2
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass
class Counters:
    """Where a run stands.

    Attributes:
        step: Optimiser steps done.
        average_loss: Mean of the recent losses.
        seconds: Time spent in steps, over all sittings.
        val_loss_before: Validation loss of the base model.
        val_loss: The newest validation loss.
        dataset: ``Dataset.fingerprint`` that the state belongs to.
        started: Unix time of the first start, seconds.
        scaler: State of the fp16 loss scaler; empty in other formats.
    """

    step: int = 0
    average_loss: float | None = None
    seconds: float = 0.0
    val_loss_before: float | None = None
    val_loss: float | None = None
    dataset: str = ""
    started: float = 0.0
    scaler: dict[str, float] = field(default_factory=dict)

    def add_loss(self, loss: float) -> None:
        """Count a step: a plain mean over the first 50 steps, a moving one after that."""
        self.step += 1
        before = loss if self.average_loss is None else self.average_loss
        self.average_loss = before + (loss - before) / min(self.step, 50)


def save_state(
    folder: Path, network: LoraNetwork, optimizer: torch.optim.Optimizer, counters: Counters
) -> Path:
    """Write the state of this step and remove the oldest ones.

    Returns:
        The new state file.
    """
    tensors = {f"lora.{k}": raw(t, torch.float32) for k, t in network.tensors().items()}
    for index, parameter in enumerate(_parameters(optimizer)):
        for name in _MOMENTS:
            moment = optimizer.state.get(parameter, {}).get(name)
            if moment is not None:
                tensors[f"optimizer.{index}.{name}"] = raw(torch.as_tensor(moment), torch.float32)
    path = folder / f"step{counters.step:08d}.safetensors"
    write_bytes(path, serialise(tensors, {"counters": json.dumps(asdict(counters))}))
    for old in states(folder)[:-_KEPT_STATES]:
        old.unlink(missing_ok=True)
    return path


def states(folder: Path) -> list[Path]:
    """Return the states in a folder, oldest first."""
    return sorted(folder.glob("step*.safetensors"))


def load_state(path: Path, network: LoraNetwork, optimizer: torch.optim.Optimizer) -> Counters:
    """Put network and optimiser back to where a state left them, bit for bit.

    Raises:
        UserError: The state belongs to other settings.
    """
    from safetensors.torch import load

    tensors = load(path.read_bytes())
    try:
        network.load({k[5:]: t for k, t in tensors.items() if k.startswith("lora.")})
    except (KeyError, RuntimeError) as error:
        raise UserError(
            f"The state {path.name} was saved with other settings.", "Start a new run."
        ) from error
    for index, parameter in enumerate(_parameters(optimizer)):
        moments = {n: tensors.get(f"optimizer.{index}.{n}") for n in _MOMENTS}
        homes = {"step": _step_device(optimizer, parameter)}
        optimizer.state[parameter] = {
            name: tensor.to(homes.get(name, parameter.device), copy=True)
            for name, tensor in moments.items()
            if tensor is not None
        }
    return Counters(**json.loads(read_header(path).metadata["counters"]))


def _step_device(optimizer: torch.optim.Optimizer, parameter: Any) -> torch.device:
    """Return where AdamW counts steps: beside the weights when fused, else on the CPU."""
    return parameter.device if optimizer.defaults.get("fused") else torch.device("cpu")


def _parameters(optimizer: torch.optim.Optimizer) -> list[Any]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
