"""Everything that can be refused is refused before anything is written."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from prep.errors import UserError
from prep.events import Event
from prep.project import Project
from prep.system import jobs
from tests.train.projects import small_project
from tests.train.tiny import make_sdxl_base
from train.config import RunConfig, TrainSettings
from train.data.reading import read_dataset
from train.job import begin as beginning
from train.job.begin import begin, find_training
from train.job.names import KIND


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return small_project(tmp_path / "project")


def listed(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[RunConfig]:
    """Collect the runs that would have been started."""
    found: list[RunConfig] = []

    def start(_: Project, run: RunConfig, *, keep: bool) -> tuple[jobs.Job, RunConfig]:
        assert keep == run.dataset.is_relative_to(run.project)
        found.append(run)
        return jobs.Job(Path("job")), run

    monkeypatch.setattr(beginning, "start_run", start)
    return found


def begun(
    project: Project, settings: TrainSettings, dataset: Path | None = None
) -> tuple[jobs.Job, list[Event]]:
    stream, found = begin(project, settings, dataset), []
    while True:
        try:
            found.append(next(stream))
        except StopIteration as end:
            return end.value, found


def no_base(_: Path, settings: TrainSettings) -> TrainSettings:
    return settings.model_copy(update={"base": ""})


def missing_base(_: Path, settings: TrainSettings) -> TrainSettings:
    return settings.model_copy(update={"base": "model/nowhere"})


def other_family(base: Path, settings: TrainSettings) -> TrainSettings:
    other = make_sdxl_base(base.parent / "sdxl")
    return settings.model_copy(update={"base": str(other)})


def inpainting(base: Path, settings: TrainSettings) -> TrainSettings:
    return _with_config(base, settings, in_channels=9)


def stable_diffusion_2(base: Path, settings: TrainSettings) -> TrainSettings:
    return _with_config(base, settings, cross_attention_dim=1024)


def incomplete_config(base: Path, settings: TrainSettings) -> TrainSettings:
    return _with_config(base, settings, block_out_channels=None)


def _with_config(base: Path, settings: TrainSettings, **changes: object) -> TrainSettings:
    file = base / "unet" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    return settings


def prompt_with_lora(_: Path, settings: TrainSettings) -> TrainSettings:
    return settings.model_copy(update={"sample_prompts": ("mochi <lora:other:1>",)})


def impossible_size(_: Path, settings: TrainSettings) -> TrainSettings:
    return settings.model_copy(update={"sample_prompts": ("mochi --w 100 --h 64",)})


def unknown_option(_: Path, settings: TrainSettings) -> TrainSettings:
    return settings.model_copy(update={"sample_prompts": ("mochi --zz 1",)})


def missing_prompts(_: Path, settings: TrainSettings) -> TrainSettings:
    return settings.model_copy(update={"sample_prompts": ("nowhere.txt",)})


def page_to_start_from(base: Path, settings: TrainSettings) -> TrainSettings:
    (page := base / "page.safetensors").write_text("<!DOCTYPE html>")
    return settings.model_copy(update={"start_from": str(page)})


def optimizer_of_nobody(_: Path, settings: TrainSettings) -> TrainSettings:
    return settings.model_copy(update={"optimizer": "no_such_package.Adam"})


def no_tensorboard(_: Path, settings: TrainSettings) -> TrainSettings:
    return settings.model_copy(update={"tensorboard": True})


def weighting_of_velocities(_: Path, settings: TrainSettings) -> TrainSettings:
    return settings.model_copy(update={"scale_v_pred_loss_like_noise_pred": True})


def weighting_of_noise(base: Path, settings: TrainSettings) -> TrainSettings:
    file = base / "scheduler" / "scheduler_config.json"
    changes = {"prediction_type": "v_prediction"}
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    return settings.model_copy(update={"v_pred_like_loss": 0.5})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (no_base, "No base model is set"),
        (missing_base, "no base model at"),
        (other_family, "for sd15, and sdxl is a base model of sdxl"),
        (inpainting, "inpainting"),
        (stable_diffusion_2, "Stable Diffusion 2"),
        (incomplete_config, "not a model in the diffusers layout"),
        (prompt_with_lora, "cannot load other LoRAs"),
        (impossible_size, "100x64 does not fit"),
        (unknown_option, "--zz"),
        (missing_prompts, "nowhere.txt"),
        (page_to_start_from, "a web page"),
        (optimizer_of_nobody, "no_such_package"),
        (no_tensorboard, "tensorboard is not installed"),
        (weighting_of_velocities, "the base model predicts noise"),
        (weighting_of_noise, "the base model has v-prediction"),
    ],
)
def test_what_can_be_refused_is_refused_before_anything_is_written(
    project: Project,
    base: Path,
    tmp_path: Path,
    started: list[RunConfig],
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path, TrainSettings], TrainSettings],
    said: str,
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    copy = shutil.copytree(base, tmp_path / "base")
    settings = spoil(copy, TrainSettings(base=str(copy)))
    before = listed(project.root)
    with pytest.raises(UserError, match=said):
        begun(project, settings)
    assert listed(project.root) == before
    assert started == []


def test_buckets_that_do_not_fit_the_model_are_refused(
    project: Project, base: Path, started: list[RunConfig]
) -> None:
    odd = project.saved({"buckets": {"step": 12}})
    before = listed(odd.root)
    with pytest.raises(UserError, match="12 pixels do not fit") as caught:
        begun(odd, TrainSettings(base=str(base)))
    assert "multiple of 8" in caught.value.hint
    assert listed(odd.root) == before


def test_another_familys_project_is_refused(
    project: Project, base: Path, started: list[RunConfig]
) -> None:
    other = project.saved({"project": {"family": "sdxl"}})
    with pytest.raises(UserError, match="for sdxl, and epsilon is a base model of sd15"):
        begun(other, TrainSettings(base=str(base)))


def test_a_run_trains_on_the_training_set_that_was_just_exported(
    project: Project, base: Path, started: list[RunConfig]
) -> None:
    settings = TrainSettings(base=str(base), sample_prompts=("mochi --w 64",), batch_size=3)
    job, found = begun(project, settings)
    (run,) = started
    assert job == jobs.Job(Path("job"))
    assert run.dataset == project.output / "dataset" / "dataset.toml"
    assert run.dataset.is_file()
    assert "batch_size = 3" in run.dataset.read_text()
    assert "batch_size" not in project.file.read_text()
    assert len(list((project.output / "dataset").rglob("*.webp"))) == 2
    assert {event.kind for event in found} <= {"progress", "started", "skipped", "warned"}


def test_a_given_dataset_file_is_checked_and_not_replaced(
    project: Project, base: Path, tmp_path: Path, started: list[RunConfig]
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[[datasets]]\nnonsense = 1\n")
    settings = TrainSettings(base=str(base))
    with pytest.raises(UserError, match="nonsense"):
        begun(project, settings, file)
    text = (
        "[[datasets]]\nresolution = 64\n[[datasets.subsets]]\n"
        "image_dir = 'project/dataset/10_mochi'\n"
    )
    file.write_text(text)
    with pytest.raises(UserError, match="2 images have no caption"):
        begun(project, settings, file)
    file.write_text(
        text.replace("= 64", "= 64\nvalidation_split = 1") + "caption_extension = '.txt'\n"
    )
    with pytest.raises(UserError, match="all are held out"):
        begun(project, settings, file)
    file.write_text(text + "caption_extension = '.txt'\n")
    begun(project, settings, file)
    (run,) = started
    assert run.dataset == file
    assert not (project.output / "dataset").exists()


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("resolution = 100", "100x100 of the dataset file"),
        ("resolution = [64, 100]", "64x100 of the dataset file"),
        ("resolution = 64\nenable_bucket = true\nbucket_reso_steps = 12", "in steps of 12 pixels"),
    ],
)
def test_sizes_of_a_dataset_file_that_do_not_fit_the_model_are_refused(
    project: Project, base: Path, tmp_path: Path, started: list[RunConfig], part: str, said: str
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f"[[datasets]]\n{part}\n[[datasets.subsets]]\nimage_dir = 'dataset'\n")
    with pytest.raises(UserError, match=said):
        begun(project, TrainSettings(base=str(base)), file)
    assert started == []


@pytest.mark.parametrize("masked", [False, True])
def test_masks_of_the_project_are_trained_with_when_asked_for(
    project: Project, started: list[RunConfig], base: Path, masked: bool
) -> None:
    Image.new("L", (64, 64), 0).save(project.dataset / "10_mochi" / "0-masklabel.png")
    begun(project, TrainSettings(base=str(base), masked_loss=masked))
    images = read_dataset(started[0].dataset, TrainSettings()).images
    assert [image.mask is not None for image in images] == [masked, False]


def test_a_run_is_found_by_its_name_or_the_beginning_of_it(project: Project) -> None:
    for name, kind in (("1-train", KIND), ("1-train-1", KIND), ("2-tag", "tag")):
        made = jobs.create(project.jobs, jobs.JobSettings(kind, ["true"]))
        made.directory.rename(project.jobs / name)
    found = {name: find_training(project, name).name for name in ("1-train", "1-train-", "1")}
    assert found == {"1-train": "1-train", "1-train-": "1-train-1", "1": "1-train-1"}
    with pytest.raises(UserError, match="no training job 2"):
        find_training(project, "2")
