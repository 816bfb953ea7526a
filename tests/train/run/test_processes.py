"""Two processes that train together, over the real exchange between them."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, distributed

from prep.events import Event, Skipped
from prep.system import jobs
from tests.train.tiny import dataset_text, make_images
from tests.train.toy import CPU, steps, toy_image, toy_training, weights
from train.config import RunConfig, TrainSettings
from train.data.reading import read_dataset
from train.run import inputs, processes
from train.run.micro_batches import MicroBatches
from train.run.monitor import CommandReader
from train.run.prepare import Training
from train.run.processes import ProcessGroup, StopAskedError

ROOT = Path(__file__).parents[3]
IMAGES = [toy_image(number) for number in range(3)]
STEPS = 4
SETTINGS: dict[str, Any] = {"batch_size": 1, "epochs": 2, "max_grad_norm": 0.5, "dropout": 0.2}

MANY = [toy_image(number) for number in range(8)]
LARGE: dict[str, Any] = {
    "batch_size": 4,
    "epochs": 4,
    "noise_offset": 0.1,
    "max_grad_norm": 0.0,
    "learning_rate": 0.01,
}


def noted_step(training: Training) -> float:
    """Do a step and read what it noted, as the loop of several processes does."""
    (loss,) = steps(training, 1)
    training.ledger.settle(training.group, 1)
    return loss


def join(rank: int, folder: Path) -> ProcessGroup:
    """Meet the other of two processes."""
    meeting = f"file://{folder}/meeting"
    patience = timedelta(minutes=5)  # if the other one ends before they meet
    distributed.init_process_group(
        "gloo", init_method=meeting, rank=rank, world_size=2, timeout=patience
    )
    return ProcessGroup(CPU, rank, 2)


def train_together(rank: int, folder: Path) -> dict[str, Any]:
    """Train in one of two processes; return what came of it."""
    group = join(rank, folder)
    training, recorded = toy_training(folder / str(rank), IMAGES, group=group, **SETTINGS)
    return {
        "losses": [noted_step(training) for _ in range(STEPS)],
        "weights": weights(training),
        "batches": len(recorded.noise),
        "ledger": training.ledger.tensors(),
        "flags": group.broadcast({"save": rank == 0, "stop": rank == 1}),
    }


def run_out(rank: int, folder: Path) -> dict[str, Any]:
    """Train in one of two processes, of which the second has room for two images at once."""
    group = join(rank, folder)
    training, _ = toy_training(folder / str(rank), MANY, group=group, **LARGE)
    model: Any = training.model
    predict = model.predict

    def predicted(noisy: Tensor, *rest: Any) -> Tensor:
        if rank and len(noisy) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        found: Tensor = predict(noisy, *rest)
        return found

    model.predict = predicted
    losses = steps(training, 2)
    table = training.micro.table(group)
    again = MicroBatches(MANY)
    again.restore(table, group)
    return {
        "losses": losses,
        "weights": weights(training),
        "table": table,
        "sizes": [training.micro.size(batch) for _, batch in training.schedule.window_of(2)],
        "restored": [again.size(batch) for _, batch in training.schedule.window_of(2)],
        "warnings": len(list(training.micro.news())),
    }


def encode_together(rank: int, folder: Path) -> dict[str, Any]:
    """Fill one cache in one of two processes; return what was encoded here, and what is known."""
    group = join(rank, folder)
    encoded: list[float] = []

    def encode(pixels: Tensor) -> Tensor:
        encoded.extend(float(picture.mean()) for picture in pixels)
        return torch.nn.functional.avg_pool2d(pixels, 8)[:, :2]

    dataset = folder / "dataset.toml"
    data = read_dataset(dataset, TrainSettings())
    model: Any = SimpleNamespace(
        base=SimpleNamespace(vae_hash=lambda: "vae"), encode_pixels=encode, park=lambda _: None
    )
    run = RunConfig(
        name="a",
        project=folder,
        dataset=dataset,
        output=folder,
        samples=folder,
        cache=folder / "cache",
    )
    found: list[Any] = []
    data, cache = yield_into(found, inputs.encoded(run, data, model, group))
    here = len(encoded)
    loaded = [float(cache.load(image)[0].mean()) for image in data.images]
    assert len(encoded) == here, "all was in the cache"
    return {
        "stopped": stopped(rank, group, folder),
        "encoded": encoded,
        "loaded": loaded,
        "skipped": [Path(event.path).name for event in found if isinstance(event, Skipped)],
    }


def stopped(rank: int, group: ProcessGroup, folder: Path) -> bool:
    """Return whether a stop ends the work of this process; only the second one hears it itself."""
    job = jobs.Job(folder / str(rank))
    if rank:
        jobs.send(job, "stop")
    group.meet()
    try:
        CommandReader(job).heed(group)
        group.meet()
    except StopAskedError:
        group.meet()  # nobody is still waiting at the meeting before
        return True
    return False


def yield_into(found: list[Any], stream: Generator[Event, None, Any]) -> Any:
    """Append the events of a stream to a list; return what it returns."""
    while True:
        try:
            found.append(next(stream))
        except StopIteration as end:
            return end.value


def lose_patience(rank: int, folder: Path) -> dict[str, Any]:
    """Join as a run does, with the least patience; the first process comes when the other left."""
    setattr(processes, "PATIENCE", timedelta(seconds=1))  # noqa: B010
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "localhost"}
    os.environ["MASTER_PORT"] = (folder / "port").read_text()
    group, left = ProcessGroup.join(), folder / "left"
    if rank == 0:
        while not left.exists():
            time.sleep(0.05)
        return {"left": left.read_text()}
    try:
        group.meet()
    except RuntimeError as error:
        left.write_text(str(error))
    return {}


SCENARIOS = {f.__name__: f for f in (train_together, run_out, encode_together, lose_patience)}
Outcome = dict[str, Any]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Outcome]]:
    """Run the scenarios one after another in two processes; return what came of them in each."""
    folder = tmp_path_factory.mktemp("processes")
    for name in SCENARIOS:
        for rank in range(2):
            (folder / name / str(rank)).mkdir(parents=True)
    spoilt_images(folder / "encode_together")
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        (folder / "lose_patience" / "port").write_text(str(probe.getsockname()[1]))
    argv = [sys.executable, "-m", __name__]
    started = [subprocess.Popen([*argv, str(rank), str(folder)], cwd=ROOT) for rank in range(2)]
    assert [process.wait() for process in started] == [0, 0]
    return {
        name: [torch.load(folder / name / str(rank) / "found") for rank in range(2)]
        for name in SCENARIOS
    }


def spoilt_images(folder: Path) -> None:
    """Write a dataset of nine images, two of which cannot be read."""
    make_images(folder / "images", 9)
    (folder / "images" / "03.png").write_bytes(b"no picture")
    whole = (folder / "images" / "05.png").read_bytes()
    (folder / "images" / "05.png").write_bytes(whole[: len(whole) // 2])
    (folder / "dataset.toml").write_text(dataset_text())


def test_two_processes_learn_what_one_learns_from_accumulated_batches(
    outcomes: dict[str, list[Outcome]], tmp_path: Path
) -> None:
    """Three batches an epoch: in every second step the second process has none."""
    first, second = outcomes["train_together"]
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


def test_memory_that_runs_out_in_one_process_is_nothing_to_the_other(
    outcomes: dict[str, list[Outcome]], tmp_path: Path
) -> None:
    first, second = outcomes["run_out"]
    alone, _ = toy_training(tmp_path, MANY, gradient_accumulation=2, **LARGE)
    assert first["losses"] == second["losses"] == pytest.approx(steps(alone, 2), rel=1e-5)
    assert torch.equal(first["weights"], second["weights"])
    assert torch.allclose(first["weights"], weights(alone), atol=1e-6)
    assert (first["sizes"], second["sizes"]) == ([4, 4], [2, 2])
    assert (first["restored"], second["restored"]) == ([4, 4], [2, 2])
    # The first process, which saves and speaks for all, knows of it.
    assert first["table"] == second["table"] == {"4": [0, 2]}
    assert first["warnings"] == 1


def test_two_processes_encode_each_image_once_and_stop_together(
    outcomes: dict[str, list[Outcome]],
) -> None:
    first, second = outcomes["encode_together"]
    assert len(set(first["encoded"] + second["encoded"])) == 7
    assert sorted((len(first["encoded"]), len(second["encoded"]))) in ([3, 4], [2, 5])
    assert len(first["loaded"]) == 7
    assert first["loaded"] == second["loaded"]
    assert (first["stopped"], second["stopped"]) == (True, True)
    assert first["skipped"] == second["skipped"] == ["03.png", "05.png"]


def test_processes_wait_as_long_as_their_patience(outcomes: dict[str, list[Outcome]]) -> None:
    """The first one may draw for hours; with a patience of a second, the other gives up."""
    assert timedelta(days=7) < processes.PATIENCE
    first, _ = outcomes["lose_patience"]
    assert "imed out" in first["left"]


if __name__ == "__main__":
    torch.set_num_threads(1)
    number, place = int(sys.argv[1]), Path(sys.argv[2])
    for name, scenario in SCENARIOS.items():
        torch.save(scenario(number, place / name), place / name / str(number) / "found")
        distributed.destroy_process_group()
