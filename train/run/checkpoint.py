"""States to resume from, exactly.

A state is one safetensors file, so that it is there whole or not at all: the network in fp32, the
optimiser's whole state in its own types, and the counters as metadata. No random state is in it,
since all randomness is a function of the step (``prep.seeding``). A checksum over everything tells
a damaged state; the run then continues from the one before.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from prep.errors import UnreadableError, UserError, reason_of
from prep.texts import parse_json
from train.lora.file import header_of, read_header
from train.lora.streaming import write_tensors
from train.networks.saved import stored
from train.networks.trainable import TrainedWeights
from train.optim.stepper import Stepper
from train.run.ledger import Ledger

_AVERAGED = 50
"""Steps that the shown average of the loss is taken over."""
_NETWORK = "lora."
_CHECKSUM = "checksum"
_CHUNK = 1 << 24


@dataclass
class Counters:
    """Where a run stands.

    Attributes:
        step: Optimiser steps done.
        average_loss: Mean of the recent losses.
        seconds: Time spent in steps, over all sittings.
        val_loss_before: Validation loss of the base model.
        val_loss: The newest validation loss.
        validated: The step after which it was measured; -1 for never.
        dataset: ``Dataset.fingerprint`` that the state belongs to.
        started: Unix time of the first start, seconds.
        scaler: State of the fp16 loss scaler; empty in other formats.
        files: Names of the files that the run has saved and not removed, oldest first.
        before: Losses on fixed noise before the first step, by noise level: of the images held out
            and of those trained on.
        micro_batches: ``MicroBatches.table``.
        graphs: Steps are replayed as CUDA graphs; ``None`` where that was not decided.
    """

    step: int = 0
    average_loss: float | None = None
    seconds: float = 0.0
    val_loss_before: float | None = None
    val_loss: float | None = None
    validated: int = -1
    dataset: str = ""
    started: float = 0.0
    scaler: dict[str, float] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    before: dict[str, list[float]] = field(default_factory=dict)
    micro_batches: dict[str, list[int]] = field(default_factory=dict)
    graphs: bool | None = None

    def add_loss(self, step: int, loss: float) -> None:
        """Take in the loss of a step, counted from 1: a plain mean at first, a moving one later."""
        before = loss if self.average_loss is None else self.average_loss
        self.average_loss = before + (loss - before) / min(step, _AVERAGED)


def save_state(
    folder: Path,
    network: TrainedWeights,
    stepper: Stepper,
    counters: Counters,
    kept: int = 2,
    ledger: Ledger | None = None,
) -> Path:
    """Write the state of this step and remove the oldest ones.

    Args:
        folder: Of the states.
        network: What is trained.
        stepper: What moves it.
        counters: Where the run stands.
        kept: States that stay, the new one included.
        ledger: Losses of the images.

    Returns:
        The new state file.
    """
    moments, values = stepper.state()
    tensors = {f"{_NETWORK}{k}": stored(t, torch.float32) for k, t in network.state().items()}
    moments |= ledger.tensors() if ledger else {}
    tensors |= {name: stored(tensor) for name, tensor in moments.items()}
    metadata = {"counters": json.dumps(asdict(counters)), "optimizer": values}
    path = folder / f"step{counters.step:08d}.safetensors"
    begun = _digestible(header_of(tensors, metadata))
    write_tensors(path, tensors, metadata, {_CHECKSUM: ""}, begun)
    for old in states(folder)[:-kept]:
        old.unlink(missing_ok=True)
    return path


def checksum(path: Path) -> str:
    """Return the SHA-256 of a safetensors file, of all but the checksum in its own metadata."""
    with path.open("rb") as file:
        header = parse_json(file.read(int.from_bytes(file.read(8), "little")))
        header["__metadata__"].pop(_CHECKSUM, None)
        digest = hashlib.sha256(_digestible(header))
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _digestible(header: Mapping[str, Any]) -> bytes:
    return json.dumps(header, sort_keys=True).encode()


def newest_step(folder: Path) -> int:
    """Return the step that a run will go on from, damaged states aside; 0 without states."""
    found = states(folder)
    digits = found[-1].stem.removeprefix("step") if found else ""
    return int(digits) if digits.isdigit() else 0


def states(folder: Path) -> list[Path]:
    """Return the states in a folder, oldest first."""
    return sorted(folder.glob("step*.safetensors"))


def load_newest(
    folder: Path, network: TrainedWeights, stepper: Stepper, ledger: Ledger | None = None
) -> tuple[Counters, list[Path]] | None:
    """Put network, optimiser and ledger back to where the newest undamaged state left them.

    Returns:
        The counters, and the damaged states that were passed over; ``None`` without any state.

    Raises:
        UserError: All states are damaged, or they belong to other settings.
    """
    saved = states(folder)
    damaged: list[Path] = []
    for path in reversed(saved):
        try:
            return load_state(path, network, stepper, ledger), damaged
        except UnreadableError:
            damaged.append(path)
    if saved:
        raise UserError(
            f"All states in {folder} are damaged.",
            "Start a new run. The LoRA files that were saved before are still there.",
        )
    return None


def set_aside(state: Path) -> Path:
    """Rename a damaged state, so that it is neither read nor in the way of a new one."""
    target = state.with_name(f"{state.name}.damaged")
    number = 1
    while target.exists():
        number += 1
        target = state.with_name(f"{state.name}.damaged{number}")
    return state.rename(target)


def load_state(
    path: Path, network: TrainedWeights, stepper: Stepper, ledger: Ledger | None = None
) -> Counters:
    """Put network, optimiser and ledger back to where a state left them, bit for bit.

    Raises:
        UnreadableError: The file is damaged; nothing is changed.
        UserError: The state belongs to other settings.
    """
    tensors, metadata, counters = _read(path)
    own = {k.removeprefix(_NETWORK): t for k, t in tensors.items() if k.startswith(_NETWORK)}
    try:
        network.load_state(own)
        stepper.restore(tensors, metadata.get("optimizer", ""))
        if ledger:
            ledger.restore(tensors)
    except (KeyError, RuntimeError, ValueError) as error:
        raise UserError(
            f"The state {path.name} was saved with other settings.", "Start a new run."
        ) from error
    return counters


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str], Counters]:
    """Read a state and check that it is undamaged; states of earlier versions have no checksum."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    metadata = read_header(path).metadata
    try:
        known = metadata.keys() <= {"counters", "optimizer", _CHECKSUM}
        if not known or metadata.get(_CHECKSUM) not in (None, checksum(path)):
            raise UnreadableError(f"{path} is damaged: its checksum is another.")
        return load_file(path), metadata, Counters(**parse_json(metadata["counters"]))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise UnreadableError(f"{path} is damaged: {reason_of(error)}.") from error
