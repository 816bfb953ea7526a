from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from prep.errors import UserError
from prep.events import Event, Finished, Metric, Sample, Saved, Skipped, Stage, Warned
from prep.system import jobs
from tests.train.tiny import MakeRun, dataset_text
from tests.train.toy import batch_losses
from train.arithmetic.memory import MemoryRanOutError
from train.config import RunConfig
from train.lora.contents import inspect
from train.networks.build import fresh_network
from train.networks.lora import LoraModule
from train.networks.saved import load_lora
from train.run import gradients
from train.run.checkpoint import states
from train.run.loop import train
from train.run.monitor import TrainingError
from train.run.processes import ProcessGroup

CPU = ProcessGroup(torch.device("cpu"))


def job_in(folder: Path, name: str = "job") -> jobs.Job:
    (folder / name).mkdir()
    return jobs.Job(folder / name)


def finish(run: RunConfig, job: jobs.Job) -> tuple[dict[str, Any], list[Event]]:
    found = list(train(run, job, CPU))
    last = found[-1]
    assert isinstance(last, Finished)
    return last.summary, found


def losses(found: list[Event]) -> list[float]:
    return [e.loss for e in found if isinstance(e, Metric) and e.loss is not None]


def run_until(stream: Iterator[Event], step: int) -> None:
    """Iterate until a step, then drop the run, as a kill would."""
    for event in stream:
        if isinstance(event, Metric) and event.loss is not None and event.step == step:
            return


def payload(path: Path) -> bytes:
    data = path.read_bytes()
    return data[8 + int.from_bytes(data[:8], "little") :]


def test_a_whole_run(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(
        batch_size=2,
        gradient_accumulation=2,
        conv_rank=2,
        validation_fraction=0.2,
        sample_every_epochs=1,
        sample_at_start=True,
        sample_prompts=("mochi --s 2 --w 64 --h 64",),
    )
    summary, found = finish(run, job_in(tmp_path))
    steps = [e.step for e in found if isinstance(e, Metric) and e.loss is not None]
    assert steps == list(range(1, summary["steps"] + 1))
    validations = [e.val_loss for e in found if isinstance(e, Metric) and e.val_loss is not None]
    assert (summary["val_loss_before"], summary["val_loss_after"]) == (
        validations[0],
        validations[-1],
    )
    assert len(validations) == 3
    saved = [e.path for e in found if isinstance(e, Saved)]
    assert saved == ["output/lora/mochi-000001.safetensors", "output/lora/mochi.safetensors"]
    samples = [run.project / e.path for e in found if isinstance(e, Sample)]
    assert len(samples) == 3
    assert samples == sorted(samples)
    for path in samples:
        with Image.open(path) as image:
            assert image.size == (64, 64)
    assert summary["lora"] == saved[-1]
    assert summary["it_per_s"] > 0
    assert summary["peak_memory_bytes"] > 0
    info = inspect(run.project / summary["lora"])
    assert (info.algorithm, info.ranks[0], info.alpha) == ("locon", 4, 4.0)
    assert info.unmatched == ()


def test_one_image_is_learnt(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(
        max_steps=40,
        epochs=1000,
        learning_rate=1e-2,
        rank=8,
        alpha=8.0,
        conv_rank=8,
        conv_alpha=8.0,
        save_every_epochs=0,
        scheduler="constant",
        min_snr_gamma=0.0,
    )
    for path in (run.project / "images").glob("[!0]*"):
        path.unlink()
    for path in (run.project / "images").glob("0[!0]*"):
        path.unlink()
    _, found = finish(run, job_in(tmp_path))
    history = losses(found)
    assert sum(history[-10:]) < 0.9 * sum(history[:10])


RESUMED = {
    "batch_size": 2,
    "epochs": 2,
    "dropout": 0.1,
    "conv_rank": 2,
    "gradient_accumulation": 2,
    "validation_fraction": 0.2,
    "noise_offset": 0.05,
    "save_every_steps": 1,
    "save_every_epochs": 0,
    "warmup_steps": 2,
}


@pytest.mark.parametrize(("precision", "text"), [("fp32", True), ("bf16", True), ("fp16", False)])
def test_a_resumed_run_is_bit_identical(
    make_run: MakeRun, tmp_path: Path, precision: str, text: bool
) -> None:
    run = make_run(**RESUMED, precision=precision, train_text_encoder=text)
    whole, found = finish(run, job_in(tmp_path, "whole"))
    expected = payload(run.project / whole["lora"])
    job = job_in(tmp_path, "broken")
    run_until(train(run, job, CPU), 2)  # after the state of step 1, before that of step 2
    torch.manual_seed(999)
    resumed, again = finish(run, job)
    assert any(isinstance(e, Stage) and e.note == "from step 1" for e in again)
    assert payload(run.project / resumed["lora"]) == expected
    assert losses(again) == losses(found)[1:]
    for key in ("average_loss", "val_loss_before", "val_loss_after", "steps"):
        assert resumed[key] == whole[key]
    noted = [(tmp_path / name / "images.json").read_text("utf-8") for name in ("whole", "broken")]
    assert noted[0] == noted[1]


def test_stop_saves_and_resuming_goes_on(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(epochs=2, save_every_epochs=0)
    whole, _ = finish(run, job_in(tmp_path, "whole"))
    expected = payload(run.project / whole["lora"])
    job = job_in(tmp_path, "stopped")
    found = []
    for event in train(run, job, CPU):
        found.append(event)
        if isinstance(event, Metric) and event.step == 3:
            jobs.send(job, "stop")
    last = found[-1]
    assert isinstance(last, Finished)
    assert (last.reason, last.summary["steps"]) == ("stopped", 3)
    assert last.summary["lora"].endswith("mochi-step00000003.safetensors")
    job.commands_file.unlink()
    resumed, _ = finish(run, job)
    assert payload(run.project / resumed["lora"]) == expected


def test_save_and_sample_on_demand(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(epochs=1, save_every_epochs=0, sample_prompts=("cat --s 1",))
    job = job_in(tmp_path)
    found = []
    for event in train(run, job, CPU):
        found.append(event)
        if isinstance(event, Metric) and event.step == 1:
            jobs.send(job, "save")
            jobs.send(job, "sample")
    assert [e.step for e in found if isinstance(e, Sample)] == [1]
    saved = [e.path for e in found if isinstance(e, Saved)]
    assert saved[0] == "output/lora/mochi-step00000001.safetensors"
    assert len(states(job.directory / "state")) <= 2


def test_accumulation_and_devices_change_nothing_but_speed(
    make_run: MakeRun, tmp_path: Path
) -> None:
    """The gradient is that of the mean over the images of the step."""
    run = make_run(batch_size=2, gradient_accumulation=2, epochs=1)
    job = job_in(tmp_path)
    stream = train(run, job, CPU)
    run_until(stream, 1)
    frame = stream.gi_frame  # type: ignore[attr-defined]
    training = frame.f_locals["training"]
    training.network.eval()
    window = training.schedule.window_of(0)
    parameters = list(training.network.parameters())

    def gradient(pieces: list[list[int]]) -> torch.Tensor:
        """Sum the gradients of processes that hold these batches of the window."""
        images = sum(len(batch) for _, batch in window)
        total = torch.zeros(sum(p.numel() for p in parameters))
        for piece in pieces:
            for index in piece:
                _, batch = window[index]
                value = batch_losses(training, batch, 0, 0, index).sum() / images
                grads = torch.autograd.grad(value, parameters, allow_unused=True)
                flat = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, grads, strict=True)]  # fmt: skip  # noqa: E501
                total += torch.cat([g.reshape(-1) for g in flat])
        return total

    assert torch.allclose(gradient([[0, 1]]), gradient([[0], [1]]), atol=1e-7)
    stream.close()  # type: ignore[attr-defined]


def test_checkpointing_computes_again_and_gives_the_same_weights(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    forward = LoraModule.forward

    def counted(self: LoraModule, x: torch.Tensor) -> torch.Tensor:
        calls.append(self)
        return forward(self, x)

    monkeypatch.setattr(LoraModule, "forward", counted)
    monkeypatch.setattr("train.run.prepare._probe", lambda *_: iter(()))  # calls it, too
    weights, counts = [], []
    for name, checkpointing in (("plain", False), ("saving", True)):
        calls.clear()
        run = make_run(
            epochs=1, max_steps=2, gradient_checkpointing=checkpointing, watched_images=0
        )
        summary, _ = finish(run, job_in(tmp_path, name))
        counts.append(len(calls))
        weights.append(load_lora(run.project / summary["lora"]))
    assert counts[1] > 1.7 * counts[0]
    for key, tensor in weights[0].items():
        assert torch.allclose(tensor, weights[1][key], atol=1e-5), key


def test_the_latent_cache_is_used_and_never_stale(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(max_steps=1)
    finish(run, job_in(tmp_path, "first"))
    files = set(run.cache.iterdir())
    assert len(files) == 5
    finish(run, job_in(tmp_path, "second"))
    assert set(run.cache.iterdir()) == files
    Image.new("RGB", (64, 64), "red").save(run.project / "images" / "00.png")
    finish(run, job_in(tmp_path, "third"))
    assert len(set(run.cache.iterdir())) == 6


def test_broken_pixels_are_left_out(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(max_steps=1)
    path = run.project / "images" / "01.png"
    path.write_bytes(path.read_bytes()[:60])  # the header is whole, the pixels are not
    _, found = finish(run, job_in(tmp_path))
    assert [Path(e.path).name for e in found if isinstance(e, Skipped)] == ["01.png"]


def test_changed_data_and_long_captions_are_warned_about(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(max_steps=3, save_every_steps=1)
    job = job_in(tmp_path)
    run_until(train(run, job, CPU), 2)
    (run.project / "images" / "00.txt").write_text("mochi, " + "z" * 90)
    _, found = finish(run, job)
    text = " ".join(e.message for e in found if isinstance(e, Warned))
    assert "longer than 75 tokens" in text
    assert "dataset has changed" in text


def test_batch_size_of_the_dataset_file_is_not_overruled_silently(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(max_steps=1, batch_size=2)
    run.dataset.write_text(dataset_text().replace("resolution", "batch_size = 4\nresolution", 1))
    _, found = finish(run, job_in(tmp_path))
    assert any(isinstance(e, Warned) and "batch_size 4" in e.message for e in found)


def test_a_loss_that_is_nan_ends_the_run(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: Any) -> list[torch.Tensor]:
        return [torch.full((1,), float("nan"), requires_grad=True)]

    monkeypatch.setattr(gradients, "micro_losses", nothing)
    with pytest.raises(TrainingError, match="NaN or infinite at step 1") as caught:
        list(train(make_run(), job_in(tmp_path), CPU))
    assert "learning_rate" in caught.value.hint


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"batch_size": 8}, "gradient_checkpointing"),
        ({"batch_size": 1, "gradient_checkpointing": True}, "rank"),
    ],
)
def test_running_out_of_memory_says_what_to_do(
    make_run: MakeRun,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    hint: str,
) -> None:
    def full(*_: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(gradients, "micro_losses", full)
    with pytest.raises(MemoryRanOutError) as caught:
        list(train(make_run(**settings), job_in(tmp_path), CPU))
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"base": ""}, "No base model"),
        ({"base": "nowhere"}, "no base model at"),
        ({"sample_prompts": ("a <lora:x:1>",)}, "other LoRAs"),
    ],
)
def test_faults_are_found_before_training(
    make_run: MakeRun, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        list(train(make_run(**settings), job_in(tmp_path), CPU))


def test_buckets_must_fit_the_model(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    run.dataset.write_text(dataset_text().replace("steps = 16", "steps = 12"))
    with pytest.raises(UserError, match="does not fit"):
        list(train(run, job_in(tmp_path), CPU))


def test_states_of_other_settings_are_refused(make_run: MakeRun, tmp_path: Path) -> None:
    job = job_in(tmp_path)
    run_until(train(make_run(save_every_steps=1), job, CPU), 2)
    with pytest.raises(UserError, match="other settings"):
        list(train(make_run(rank=7), job, CPU))


def test_networks_start_alike_whatever_else_is_trained(base: Path) -> None:
    from train.networks.ranks import Ranks

    layers = {name: torch.nn.Linear(4, 4) for name in ("lora_unet_a", "lora_unet_b")}
    both = fresh_network(layers, Ranks(2, 1.0), seed=3).tensors()
    one = fresh_network({"lora_unet_b": layers["lora_unet_b"]}, Ranks(2, 1.0), seed=3).tensors()
    assert all(torch.equal(both[key], tensor) for key, tensor in one.items())
