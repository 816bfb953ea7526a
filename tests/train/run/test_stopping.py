"""A stop is heard between forwards: of the caches, before the first step, and after others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from prep.events import Event, Finished, Metric, Progress, Sample, Saved, Throttle
from prep.system import jobs
from tests.train.tiny import MakeRun
from tests.train.toy import toy_image, toy_training, trained
from train.data import latents
from train.families.conditioning import Texts
from train.families.latent_diffusion import LatentDiffusion
from train.families.sd15 import StableDiffusion15
from train.run import gate, monitor
from train.run.checkpoint import states
from train.run.loop import train
from train.run.processes import ProcessGroup

CPU = ProcessGroup(torch.device("cpu"))
IMAGES = [toy_image(number) for number in range(3)]
HELD = [toy_image(number) for number in (7, 8, 9)]
WORK = (
    (LatentDiffusion, "encode_pixels"),
    (Texts, "_encode_one"),
    (StableDiffusion15, "predict"),
)  # fmt: skip
SETTINGS: dict[str, Any] = {
    "epochs": 1,
    "batch_size": 2,
    "train_text_encoder": False,
    "gradient_accumulation": 3,
    "watched_images": 1,
    "sample_at_start": True,
    "sample_prompts": ("mochi --s 3 --w 64 --h 64",),
}


class Watched:
    """Notes each forward of a run by its kind, and asks the run to stop at one of them."""

    def __init__(
        self, patch: pytest.MonkeyPatch, job: jobs.Job, at: tuple[str, int] | None
    ) -> None:
        self.calls: list[str] = []
        self._job, self._at = job, at
        for owner, name in WORK:
            patch.setattr(owner, name, self._noted(name, getattr(owner, name)))

    def _noted(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **options: Any) -> Any:
            found = work(*args, **options)
            self.calls.append(name)
            if (name, self.calls.count(name)) == self._at:
                jobs.send(self._job, "stop")
            return found

        return noted


def sitting(
    make_run: MakeRun, folder: Path, at: tuple[str, int] | None, **settings: Any
) -> tuple[list[Event], list[str], Path]:
    """Run until it ends; return its events, its forwards, and where it saved."""
    run, job = make_run(**SETTINGS | settings), jobs.Job(folder)
    folder.mkdir(exist_ok=True)
    job.commands_file.unlink(missing_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gate, "LEAST_STEPS", 1)
        patch.setattr(latents, "Throttle", lambda: Throttle(0.0))
        watched = Watched(patch, job, at)
        found = list(train(run, job, CPU))
    return found, watched.calls, run.output


PREDICTED = {"probe": 2, "trial": 7, "validation": 16, "drawing": 18}
"""Number of a prediction that is the first of its kind, but of the trial: the loss probe asks about
two images at three times, each of three trial steps about three batches, the validation about one
image."""


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("encode_pixels", 2),
        ("_encode_one", 2),
        *(("predict", number) for number in PREDICTED.values()),
    ],
)
def test_a_stop_before_the_first_step_is_heard_at_once(
    make_run: MakeRun, tmp_path: Path, name: str, number: int
) -> None:
    """No other forward begins, nothing is saved, and the run can be begun again."""
    found, calls, output = sitting(make_run, tmp_path / "job", (name, number))
    assert calls[-1] == name
    assert calls.count(name) == number
    assert found[-1] == Finished({}, "stopped")
    assert not any(isinstance(event, Metric) and event.loss is not None for event in found)
    assert not output.exists()
    assert not states(tmp_path / "job" / "state")


def test_what_a_stop_broke_off_is_made_up_for(make_run: MakeRun, tmp_path: Path) -> None:
    """The run that is begun again is the one that nobody stopped; caches that are there stay."""
    whole, calls, output = sitting(make_run, tmp_path / "whole", None)
    expected = (output / "mochi.safetensors").read_bytes()
    kinds = [event for event in whole if isinstance(event, Sample | Saved)]
    (output / "mochi.safetensors").unlink()
    for file in (make_run().cache).iterdir():
        file.unlink()
    for place in (("encode_pixels", 2), ("predict", PREDICTED["trial"])):
        sitting(make_run, tmp_path / "job", place)
    found, again, _ = sitting(make_run, tmp_path / "job", None)
    assert calls.count("encode_pixels") == 5
    assert "encode_pixels" not in again
    assert [event for event in found if isinstance(event, Sample | Saved)] == kinds
    assert _weights((output / "mochi.safetensors").read_bytes()) == _weights(expected)


def _weights(data: bytes) -> bytes:
    return data[8 + int.from_bytes(data[:8], "little") :]


@pytest.mark.parametrize("during", ["validation", "drawing"])
@pytest.mark.parametrize("saves", [0, 2])
def test_a_stop_while_a_run_looks_at_itself_keeps_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, during: str, saves: int
) -> None:
    """It is saved, once, before the run ends; what was not looked at yet is left."""
    training, _ = toy_training(
        tmp_path,
        IMAGES,
        held_out=HELD,
        pictures=2,
        batch_size=3,
        epochs=4,
        save_every_epochs=0,
        save_every_steps=saves,
        sample_every_epochs=2,
        validate_every_epochs=2,
    )
    cache: Any = training.cache
    load, draw = cache.load, training.generator.draw

    def asked() -> None:
        if training.counters.step == 2:
            jobs.send(training.job, "stop")

    def loaded(image: Any, **options: Any) -> Any:
        if image in HELD and during == "validation":
            asked()
            assert image != HELD[1] or training.counters.step != 2
        return load(image, **options)

    def drawn(*args: Any) -> Any:
        if during == "drawing":
            asked()
        return draw(*args)

    cache.load = loaded
    monkeypatch.setattr(training.generator, "draw", drawn)
    found = list(trained(training, monkeypatch))
    last = found[-1]
    assert isinstance(last, Finished)
    assert (last.reason, last.summary["steps"]) == ("stopped", 2)
    assert [event.step for event in found if isinstance(event, Saved)] == [2]
    assert len(states(training.states)) == 1
    assert not [event for event in found if isinstance(event, Sample)]


def test_a_run_that_is_paused_while_it_caches_goes_on_later(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = jobs.Job(tmp_path / "job")
    job.directory.mkdir()
    waited: list[int] = []

    def slept(_: float) -> None:
        waited.append(len(seen))
        if len(waited) == 3:
            jobs.send(job, "resume")

    monkeypatch.setattr("train.run.monitor.time.sleep", slept)
    seen: list[Event] = []
    restarts: list[int] = []
    restart = monitor.StepLog.restart

    def counted(log: monitor.StepLog) -> None:
        restarts.append(len(seen))
        restart(log)

    monkeypatch.setattr(monitor.StepLog, "restart", counted)
    for event in train(make_run(epochs=1, max_steps=2, watched_images=0), job, CPU):
        seen.append(event)
        if isinstance(event, Progress) and event.what == "encode" and not waited:
            jobs.send(job, "pause")
    last = seen[-1]
    assert isinstance(last, Finished)
    assert last.reason == "done"
    assert len(waited) == 3
    assert len(set(waited)) == 1
    # One for each step: the pause was over before the first of them.
    assert len(restarts) == 2
