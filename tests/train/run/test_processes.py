"""Two processes that train together, over the real exchange between them."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from tests.train.toy import CPU, steps, toy_image, toy_training, weights
from train.run.prepare import Training
from train.run.processes import ProcessGroup

ROOT = Path(__file__).parents[3]
IMAGES = [toy_image(number) for number in range(3)]
STEPS = 4
SETTINGS: dict[str, Any] = {"batch_size": 1, "epochs": 2, "max_grad_norm": 0.5, "dropout": 0.2}


def noted_step(training: Training) -> float:
    """Do a step and read what it noted, as the loop of several processes does."""
    (loss,) = steps(training, 1)
    training.ledger.settle(training.group, 1)
    return loss


def train_together(rank: int, folder: str) -> None:
    """Train in one of two processes and write down what came of it."""
    torch.set_num_threads(1)
    meeting = f"file://{folder}/meeting"
    patience = timedelta(minutes=5)  # if the other one ends before they meet
    distributed.init_process_group(
        "gloo", init_method=meeting, rank=rank, world_size=2, timeout=patience
    )
    place = Path(folder) / str(rank)
    place.mkdir()
    group = ProcessGroup(CPU, rank, 2)
    training, recorded = toy_training(place, IMAGES, group=group, **SETTINGS)
    found = {
        "losses": [noted_step(training) for _ in range(STEPS)],
        "weights": weights(training),
        "batches": len(recorded.noise),
        "ledger": training.ledger.tensors(),
        "flags": group.broadcast({"save": rank == 0, "stop": rank == 1}),
    }
    torch.save(found, place / "found")
    group.leave()


def test_two_processes_learn_what_one_learns_from_accumulated_batches(tmp_path: Path) -> None:
    """Three batches an epoch: in every second step the second process has none."""
    argv = [sys.executable, "-m", train_together.__module__]
    started = [subprocess.Popen([*argv, str(rank), str(tmp_path)], cwd=ROOT) for rank in range(2)]
    assert [process.wait() for process in started] == [0, 0]
    first, second = (torch.load(tmp_path / str(rank) / "found") for rank in range(2))
    alone, recorded = toy_training(tmp_path, IMAGES, gradient_accumulation=2, **SETTINGS)
    losses = steps(alone, STEPS)
    assert (first["batches"], second["batches"], len(recorded.noise)) == (4, 2, 6)
    assert torch.equal(first["weights"], second["weights"])
    assert torch.allclose(first["weights"], weights(alone), atol=1e-6)
    assert first["losses"] == second["losses"]
    # Both know the losses of all images, and each exposure once.
    assert all(torch.equal(first["ledger"][name], t) for name, t in second["ledger"].items())
    assert first["ledger"]["ledger.rows"][:, 0].tolist() == [2.0, 2.0, 2.0]
    assert torch.allclose(torch.tensor(first["losses"]), torch.tensor(losses), rtol=1e-5)
    # What follows a step is decided by the first process.
    assert first["flags"] == second["flags"] == {"save": True, "stop": False}


if __name__ == "__main__":
    train_together(int(sys.argv[1]), sys.argv[2])
