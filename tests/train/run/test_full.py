"""Whole runs of full fine-tuning: what is saved, what is kept, and going on from a state."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from prep.events import Finished, Sample, Saved, Warned
from prep.project import Project
from tests.train.checkpoints.single import parts, write_folder, write_single_file
from tests.train.run.test_loop import finish, job_in, losses, payload, run_until
from tests.train.tiny import MakeRun, dataset_text, make_images
from train.arithmetic.precision import choose
from train.checkpoints.recognition import UNET
from train.config import RunConfig
from train.families.base_model import BaseModel
from train.families.opening import load_family
from train.lora.file import read_header
from train.run import capacity
from train.run.checkpoint import states
from train.run.loop import train
from train.run.processes import ProcessGroup
from train.sampling import sample
from train.sampling.options import SampleOptions

CPU = ProcessGroup(torch.device("cpu"))
SMALL = (32, 32, 32, 64)
"""Channels of a VAE whose pictures of 64 pixels are latents of 8 x 8."""
FULL: dict[str, Any] = {
    "method": "full",
    "rank": 32,
    "alpha": 16.0,
    "batch_size": 2,
    "epochs": 1,
    "save_precision": "fp32",
}


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bases")
    return {
        "sd15 folder": write_folder(folder / "sd15", parts("sd15", SMALL)),
        "sdxl folder": write_folder(folder / "sdxl", parts("sdxl", SMALL)),
        "sd15 file": write_single_file(folder / "sd15.safetensors", parts("sd15", SMALL)),
        "sdxl file": write_single_file(folder / "sdxl.safetensors", parts("sdxl", SMALL)),
    }


@pytest.fixture
def tiny(base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model that trains quickly, though no program would know its vocabulary."""
    monkeypatch.setattr(capacity, "check_base", lambda _: None)
    return base


def full_run(make_run: MakeRun, base: Path, **settings: Any) -> RunConfig:
    family = BaseModel.open(base).family
    return make_run(base=str(base), **{**FULL, **settings}).model_copy(update={"family": family})


def states_of(base: BaseModel, component: str) -> dict[str, torch.Tensor]:
    """Return the weights of a component as they are loaded, in fp32, whoever named them."""
    vae = base.source.load(component, base.configs[component], torch.float32)
    return {
        name.removeprefix("text_model."): tensor
        for name, tensor in vae.state_dict().items()
        if "position_ids" not in name
    }


@pytest.mark.parametrize("kind", ["sd15 folder", "sdxl folder", "sd15 file", "sdxl file"])
def test_the_checkpoint_has_another_unet_and_nothing_else(
    make_run: MakeRun, tmp_path: Path, bases: dict[str, Path], kind: str
) -> None:
    from diffusers.loaders import single_file_utils as theirs

    run = full_run(make_run, bases[kind], max_steps=2)
    summary, found = finish(run, job_in(tmp_path))
    path = run.project / summary["lora"]
    assert len(losses(found)) == 2
    before, after = BaseModel.open(bases[kind]), BaseModel.open(path)
    assert after.family == before.family
    for component in ("vae", *before.text_encoders):
        old, new = states_of(before, component), states_of(after, component)
        assert old.keys() == new.keys()
        assert all(torch.equal(old[name], new[name]) for name in old), component
    old, new = states_of(before, "unet"), states_of(after, "unet")
    assert old.keys() == new.keys()
    changed = [name for name in old if not torch.equal(old[name], new[name])]
    assert len(changed) == len(old)
    assert all(torch.allclose(old[name], new[name], atol=0.01) for name in old)
    unet: Any = before.source.load("unet", before.configs["unet"], torch.float32)
    converted = theirs.convert_ldm_unet_checkpoint(dict(load_file(path)), dict(unet.config))
    assert converted.keys() == new.keys()
    assert all(torch.equal(converted[name], new[name]) for name in new)


@pytest.mark.parametrize("kind", ["sd15 file", "sdxl file"])
def test_other_tensors_are_copied_byte_for_byte_and_metadata_is_that_of_a_model(
    make_run: MakeRun, tmp_path: Path, bases: dict[str, Path], kind: str
) -> None:
    run = full_run(make_run, bases[kind], max_steps=1, save_precision="bf16")
    summary, _ = finish(run, job_in(tmp_path))
    old, new = load_file(bases[kind]), load_file(run.project / summary["lora"])
    assert old.keys() == new.keys()
    for name, tensor in new.items():
        if name.startswith(UNET):
            assert tensor.dtype == torch.bfloat16
        else:
            assert torch.equal(tensor.view(torch.uint8), old[name].view(torch.uint8))
    data = read_header(run.project / summary["lora"]).metadata
    assert data["modelspec.architecture"].endswith(("diffusion-v1", "diffusion-xl-v1-base"))
    assert data["ss_base_model_version"] == BaseModel.open(bases[kind]).version
    assert not [key for key in data if key.startswith("ss_network")]


def test_it_is_drawn_with_as_a_base_model(
    make_run: MakeRun, tmp_path: Path, bases: dict[str, Path]
) -> None:
    run = full_run(make_run, bases["sd15 file"], max_steps=1, save_precision="fp16")
    summary, _ = finish(run, job_in(tmp_path))
    (run.project / "shikomi.toml").write_text("[project]\nresolution = 64\n")
    options = SampleOptions(prompt=("mochi --s 1",), base=summary["lora"])
    found = list(sample.run(Project.open(run.project), options))
    assert sum(isinstance(event, Sample) for event in found) == 1


RESUMED: dict[str, Any] = {
    "max_steps": 3,
    "gradient_accumulation": 2,
    "batch_size": 1,
    "validation_fraction": 0.2,
    "save_every_steps": 1,
    "save_every_epochs": 0,
    "keep_saves": 0,
    "learning_rate": 1e-4,
}


@pytest.mark.parametrize(
    "settings",
    [
        {"precision": "fp32"},
        {"precision": "bf16", "train_text_encoder": True, "ema_decay": 0.9},
        {"precision": "fp16", "optimizer": "adafactor"},
        {"precision": "bf16", "gradient_checkpointing": True, "optimizer": "lion"},
    ],
)
def test_a_resumed_run_is_bit_identical(
    make_run: MakeRun, tmp_path: Path, tiny: Path, settings: dict[str, Any]
) -> None:
    run = full_run(make_run, tiny, **RESUMED, **settings)
    job = job_in(tmp_path, "whole")
    whole, found = finish(run, job)
    expected = payload(run.project / whole["lora"])
    (state,) = states(job.directory / "state")
    expected_state = payload(state)
    job = job_in(tmp_path, "broken")
    run_until(train(run, job, CPU), 2)  # after the state of step 1, before that of step 2
    torch.manual_seed(999)
    resumed, again = finish(run, job)
    assert payload(run.project / resumed["lora"]) == expected
    (state,) = states(job.directory / "state")
    assert payload(state) == expected_state
    assert losses(again) == losses(found)[1:]
    assert resumed["val_loss_after"] == whole["val_loss_after"] != whole["val_loss_before"]


def test_steps_below_the_resolution_of_bf16_are_not_lost(
    make_run: MakeRun, tmp_path: Path, bases: dict[str, Path]
) -> None:
    """A bf16 weight of 1 has no neighbour nearer than 0.004; masters move by 1e-6."""
    base = bases["sd15 file"]
    run = full_run(
        make_run, base, precision="bf16", max_steps=2, learning_rate=1e-6, weight_decay=0.0
    )
    summary, _ = finish(run, job_in(tmp_path))
    old = states_of(BaseModel.open(base), "unet")
    new = states_of(BaseModel.open(run.project / summary["lora"]), "unet")
    moved = {name: (new[name] - old[name]).abs() for name in old}
    assert max(float(change.max()) for change in moved.values()) < 1e-5
    assert sum(bool(change.any()) for change in moved.values()) > 0.9 * len(moved)


def test_the_text_encoder_is_trained_where_it_is_asked_for(
    make_run: MakeRun, tmp_path: Path, bases: dict[str, Path]
) -> None:
    kind = "sdxl file"
    run = full_run(
        make_run,
        bases[kind],
        max_steps=1,
        train_text_encoder=True,
        text_encoder_learning_rate=0,
        text_encoder_2_learning_rate=1e-3,
        train_unet=False,
    )
    summary, _ = finish(run, job_in(tmp_path))
    before, after = BaseModel.open(bases[kind]), BaseModel.open(run.project / summary["lora"])

    def same(component: str) -> list[bool]:
        old, new = states_of(before, component), states_of(after, component)
        return [torch.equal(old[name], new[name]) for name in old]

    assert all(same("unet"))
    assert all(same("text_encoder"))
    assert not any(same("text_encoder_2"))


def test_only_the_newest_file_stays_unless_more_are_asked_for(
    make_run: MakeRun, tmp_path: Path, tiny: Path
) -> None:
    settings = {"max_steps": 3, "save_every_steps": 1, "save_every_epochs": 0}
    for kept, count in ((None, 1), (2, 2), (0, 3)):
        run = full_run(make_run, tiny, **settings, keep_saves=kept)
        run = run.model_copy(update={"output": run.project / f"kept-{kept}"})
        other = run.output / "mochi-step00000009.safetensors"
        run.output.mkdir()
        other.write_bytes(b"somebody else's")
        job = job_in(tmp_path, f"job-{kept}")
        run_until(train(run, job, CPU), 2)
        _, found = finish(run, job)
        assert other.is_file()
        names = sorted(path.name for path in run.output.iterdir() if path != other)
        wanted = ["mochi-step00000001", "mochi-step00000002", "mochi"][-count:]
        assert names == sorted(f"{name}.safetensors" for name in wanted)
        assert len(states(job.directory / "state")) == 1
        assert sum(isinstance(event, Saved) for event in found) == 2


def test_a_state_names_no_files_that_are_not_the_runs(
    make_run: MakeRun, tmp_path: Path, tiny: Path
) -> None:
    run = full_run(make_run, tiny, max_steps=2)
    (run.project / "notes.safetensors").write_bytes(b"")
    job = job_in(tmp_path)
    stream = train(run, job, CPU)
    run_until(stream, 1)
    training = stream.gi_frame.f_locals["training"]  # type: ignore[attr-defined]
    training.counters.files[:] = ["../../notes.safetensors", "notes.safetensors"]
    assert isinstance(list(stream)[-1], Finished)
    assert (run.project / "notes.safetensors").is_file()


@pytest.mark.parametrize(("weight", "matters"), [(0.0, False), (1.0, True)])
def test_regularisation_images_count_as_much_as_they_are_to(
    make_run: MakeRun, tmp_path: Path, tiny: Path, weight: float, *, matters: bool
) -> None:
    """DreamBooth: pictures of the class keep the model's knowledge of it, by prior_loss_weight."""
    from PIL import Image

    run = full_run(make_run, tiny, prior_loss_weight=weight, max_steps=2)
    make_images(run.project / "class", 3)
    subset = 'image_dir = "class"\nis_reg = true\ncaption_extension = ".txt"\n'
    run.dataset.write_text(dataset_text() + "\n[[datasets.subsets]]\n" + subset)
    files = []
    for name in ("one", "other"):
        summary, _ = finish(run, job_in(tmp_path, name))
        files.append(payload(run.project / summary["lora"]))
        for path in (run.project / "class").glob("*.png"):
            Image.new("RGB", (64, 64), "red").save(path)
    assert (files[0] != files[1]) is matters


def test_the_loop_leaves_a_frozen_model_that_has_learned(
    make_run: MakeRun, tmp_path: Path, bases: dict[str, Path]
) -> None:
    run = full_run(make_run, bases["sd15 file"], precision="bf16", max_steps=1, learning_rate=1e-2)
    stream = train(run, job_in(tmp_path), CPU)
    run_until(stream, 1)
    model = stream.gi_frame.f_locals["training"].model  # type: ignore[attr-defined]
    last = list(stream)[-1]
    assert isinstance(last, Finished)
    assert not any(weight.requires_grad for weight in model.unet.parameters())
    saved = BaseModel.open(run.project / last.summary["lora"])
    expected = load_family(saved, choose("bf16", CPU.device)).modules()
    for name, module in model.modules().items():
        assert torch.equal(module.weight, expected[name].weight)  # type: ignore[arg-type]


def test_a_loras_learning_rate_is_warned_about(
    make_run: MakeRun, tmp_path: Path, tiny: Path
) -> None:
    def warned(rate: float) -> bool:
        run = full_run(make_run, tiny, max_steps=1, learning_rate=rate)
        _, found = finish(run, job_in(tmp_path, f"{rate:g}"))
        return any(isinstance(e, Warned) and "is a LoRA's" in e.message for e in found)

    assert warned(1e-4)
    assert not warned(1e-5)
