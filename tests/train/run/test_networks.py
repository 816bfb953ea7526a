"""Each kind of network and each of its settings in the real loop."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from prep.errors import UserError
from prep.events import Finished, Sample
from tests.train.run.test_loop import CPU, finish, job_in, losses, payload, run_until
from tests.train.tiny import MakeRun
from tests.train.toy import lora
from train.arithmetic.noise import NoiseSchedule
from train.config import TrainSettings
from train.lora.contents import by_module, inspect
from train.lora.file import read_header
from train.networks.build import network_of_file
from train.networks.saved import load_lora
from train.networks.trainee import Trainee
from train.run.checkpoint import states
from train.run.loop import train
from train.run.objective import fixed_loss
from train.run.prepare import Training

BRIEF = {
    "batch_size": 2,
    "max_steps": 3,
    "epochs": 9,
    "save_every_epochs": 0,
    "save_every_steps": 1,
    "train_text_encoder": True,
}
NETWORKS: dict[str, dict[str, Any]] = {
    "locon": {"conv_rank": 2},
    "dora": {"network": "dora", "conv_rank": 2},
    "dora by output": {
        **{"network": "dora", "dora_axis": "output"},
        **{"conv_rank": 2, "dropout": 0.1, "precision": "bf16"},
    },
    "loha": {"network": "loha", "conv_rank": 2, "module_dropout": 0.2, "precision": "bf16"},
    "lokr": {
        **{"network": "lokr", "lokr_factor": 2},
        **{"rank": 2, "conv_rank": 1, "precision": "bf16"},
    },
}
OPTIONS: dict[str, dict[str, Any]] = {
    "drops": {"dropout": 0.1, "rank_dropout": 0.2, "module_dropout": 0.2, "precision": "bf16"},
    "blocks": {
        "block_ranks": {"down_blocks.0": 2, "*attn2*": 0},
        "block_learning_rates": {"up_blocks": 0.5, "encoder": 2.0},
        "lora_plus_ratio": 4.0,
        "rank_stabilised": True,
        "save_precision": "fp16",
    },
    "t-lora": {"noisy_rank_share": 0.25, "max_norm": 0.002, "train_feed_forward": False},
    "averaged": {
        **{"ema_decay": 0.5, "network": "dora"},
        **{"gradient_checkpointing": True, "validation_fraction": 0.2},
    },
    "text alone": {"train_unet": False},
}
ACTING = {
    **NETWORKS,
    "averaged": {"ema_decay": 0.5},
    "stabilised": {"rank_stabilised": True},
    "larger factor": {"network": "lokr", "lokr_factor": 4, "conv_rank": 2},
}


@pytest.mark.parametrize("name", [*(name for name in NETWORKS if name != "dora"), *OPTIONS])
def test_a_killed_run_goes_on_as_if_it_had_not_been(
    make_run: MakeRun, tmp_path: Path, name: str
) -> None:
    settings = {**NETWORKS, **OPTIONS}[name]
    run = make_run(**BRIEF | settings)
    whole, found = finish(run, job_in(tmp_path, "whole"))
    path = run.project / whole["lora"]
    expected = payload(path)
    job = job_in(tmp_path, "broken")
    run_until(train(run, job, CPU), 2)
    torch.manual_seed(999)
    resumed, again = finish(run, job)
    assert payload(run.project / resumed["lora"]) == expected
    assert losses(again) == losses(found)[1:]
    assert resumed["val_loss_after"] == whole["val_loss_after"]
    info = inspect(path)
    kind = name.split()[0] if name in NETWORKS else settings.get("network", "lora")
    assert info.algorithm == kind
    assert info.unmatched == ()


def stopped(stream: Any, step: int) -> Training:
    """Go on to a step and return the run as it stands there."""
    run_until(stream, step)
    training: Training = stream.gi_frame.f_locals["training"]
    return training


@pytest.mark.parametrize("name", ACTING)
def test_what_is_saved_acts_as_what_was_validated(
    make_run: MakeRun, tmp_path: Path, name: str
) -> None:
    """The file, read by what draws with files, predicts like the network that was trained."""
    settings = ACTING[name]
    exact = {"precision": "fp32", "save_precision": "fp32", "learning_rate": 1e-2}
    run = make_run(**BRIEF | settings | exact | {"validation_fraction": 0.2})
    stream = train(run, job_in(tmp_path), CPU)
    training = stopped(stream, 3)
    last = list(stream)[-1]
    assert isinstance(last, Finished)
    plain = fixed_loss(training, training.held_out)  # the network has been taken off
    ours = last.summary["val_loss_after"]
    assert ours != pytest.approx(plain, rel=1e-4)
    targets = training.model.modules()
    network_of_file(targets, load_lora(run.project / last.summary["lora"])).attach(targets)
    assert fixed_loss(training, training.held_out) == pytest.approx(ours, rel=1e-4)


def test_samples_validation_and_files_are_of_the_average(make_run: MakeRun, tmp_path: Path) -> None:
    drawing = {"sample_prompts": ("cat --s 1 --w 64 --h 64",), "sample_every_steps": 3}
    settings = {**BRIEF, **drawing, "learning_rate": 1e-2, "save_precision": "fp32"}
    pictures, files = [], []
    for name, decay in (("last", 0.0), ("averaged", 0.5)):
        run = make_run(**settings, ema_decay=decay)
        stream = train(run, job_in(tmp_path, name), CPU)
        training = stopped(stream, 3)
        live = {key: tensor.clone() for key, tensor in lora(training).tensors().items()}
        found = list(stream)
        (sample,) = [event.path for event in found if isinstance(event, Sample)]
        pictures.append((run.project / sample).read_bytes())
        files.append(load_lora(run.output / "mochi.safetensors"))
        same = [torch.equal(files[-1][key], tensor) for key, tensor in live.items()]
        assert all(same) if name == "last" else not all(same)
    assert pictures[0] != pictures[1]
    kept = load_file(states(tmp_path / "averaged" / "state")[-1])
    for key, tensor in files[1].items():
        if not key.endswith(".alpha"):
            assert torch.equal(kept[f"lora.ema.{key}"], tensor)
            assert torch.equal(kept[f"lora.{key}"], live[key])


def test_images_are_masked_by_their_own_timesteps(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Tensor] = []
    drawn: list[Tensor] = []
    begin, draw = Trainee.begin, NoiseSchedule.draw_timesteps

    def noted(self: Trainee, noise: Tensor) -> None:
        told.append(noise)
        begin(self, noise)

    def also_noted(
        self: NoiseSchedule, count: int, rng: torch.Generator, settings: TrainSettings
    ) -> Tensor:
        drawn.append(draw(self, count, rng, settings))
        return drawn[-1]

    monkeypatch.setattr(Trainee, "begin", noted)
    monkeypatch.setattr(NoiseSchedule, "draw_timesteps", also_noted)
    finish(make_run(**BRIEF, noisy_rank_share=0.5, gradient_accumulation=2), job_in(tmp_path))
    assert len(told) == len(drawn) > 3
    assert all(torch.allclose(a, b / 1000) for a, b in zip(told, drawn, strict=True))


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_batches_in_which_everything_is_dropped_change_nothing(
    make_run: MakeRun, tmp_path: Path, precision: str
) -> None:
    """One module, off in half of the batches: steps without a gradient must not end the run."""
    run = make_run(
        **BRIEF | {"max_steps": 6},
        block_ranks={"*": 0, "mid_block.attentions.0.proj_in": 4},
        module_dropout=0.5,
        precision=precision,
        seed=1,
        save_precision="fp32",
    )
    finish(run, job_in(tmp_path))
    files = sorted(run.output.glob("*.safetensors"))
    tensors = [load_lora(file) for file in files]
    assert {len(found) for found in tensors} == {3}
    ups = {
        next(t for key, t in found.items() if "lora_up" in key).numpy().tobytes()
        for found in tensors
    }
    assert 1 < len(ups) < 6, "some steps moved the weights, and some did not"


def test_limits_hold_in_the_file(make_run: MakeRun, tmp_path: Path) -> None:
    lengths = []
    for name, longest in (("free", 0.0), ("limited", 0.001)):
        run = make_run(**BRIEF, max_norm=longest, save_precision="fp32", learning_rate=1e-2)
        summary, _ = finish(run, job_in(tmp_path, name))
        tensors = load_lora(run.project / summary["lora"])
        pairs = by_module(tensors).values()
        lengths.append(
            [
                float((p["lora_up.weight"].flatten(1) @ p["lora_down.weight"].flatten(1)).norm())
                for p in pairs
            ]
        )
    assert max(lengths[0]) > 0.002
    assert max(lengths[1]) == pytest.approx(0.001, rel=1e-3)


@pytest.mark.parametrize("kind", ["lora", "dora", "loha", "lokr"])
def test_a_run_goes_on_from_a_file(make_run: MakeRun, tmp_path: Path, kind: str) -> None:
    usual = {**BRIEF, "network": kind, "validation_fraction": 0.2, "save_precision": "fp32"}
    first = make_run(**usual, learning_rate=1e-2)
    before, _ = finish(first, job_in(tmp_path, "first"))
    file = first.output / "earlier.safetensors"
    (first.project / before["lora"]).rename(file)
    run = make_run(**usual, start_from="earlier", alpha=2.0)
    whole, _ = finish(run, job_in(tmp_path, "whole"))
    assert whole["val_loss_before"] == pytest.approx(before["val_loss_after"], rel=1e-5)
    assert whole["val_loss_before"] != pytest.approx(before["val_loss_before"], rel=1e-5)
    if kind != "dora":  # what a state keeps of the others is shown above
        return
    expected = payload(run.project / whole["lora"])
    job = job_in(tmp_path, "broken")
    run_until(train(run, job, CPU), 2)
    file.unlink()  # a run that has begun does not need it any more
    resumed, _ = finish(run, job)
    assert payload(run.project / resumed["lora"]) == expected
    with pytest.raises(UserError, match="no LoRA earlier to start from"):
        list(train(run, job_in(tmp_path, "again"), CPU))


def test_metadata_names_the_network(make_run: MakeRun, tmp_path: Path) -> None:
    brief = {**BRIEF, "max_steps": 1}
    run = make_run(
        **brief,
        network="lokr",
        lokr_factor=2,
        conv_rank=2,
        module_dropout=0.25,
        max_norm=1.0,
    )
    summary, _ = finish(run, job_in(tmp_path))
    metadata = read_header(run.project / summary["lora"]).metadata
    assert metadata["ss_network_module"] == "lycoris.kohya"
    assert metadata["ss_scale_weight_norms"] == "1.0"
    assert json.loads(metadata["ss_network_args"]) == {
        "algo": "lokr",
        "factor": "2",
        "conv_dim": "2",
        "conv_alpha": "1.0",
        "module_dropout": "0.25",
    }
    run = make_run(**brief, network="dora", rank_dropout=0.5, lora_plus_ratio=2.0)
    summary, _ = finish(run, job_in(tmp_path, "dora"))
    metadata = read_header(run.project / summary["lora"]).metadata
    assert json.loads(metadata["ss_network_args"]) == {
        "algo": "lora",
        "dora_wd": "True",
        "wd_on_output": "False",
        "rank_dropout": "0.5",
        "loraplus_lr_ratio": "2.0",
    }
    assert metadata["ss_scale_weight_norms"] == "None"
