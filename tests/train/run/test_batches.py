"""Masks, weights, crops and lost images, driven through the loop's own functions."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from prep.errors import UnreadableError, UserError
from prep.events import Finished, Metric, Skipped
from prep.ops import export, scan
from prep.ops.export import ExportOptions
from prep.project import Project
from tests.conftest import MakeImage
from tests.train.toy import (
    Recorded,
    ToyCache,
    batch_losses,
    sgd,
    steps,
    toy_image,
    toy_training,
    trained,
    weights,
)
from train.config import TrainSettings
from train.data.dataset import TrainImage
from train.data.latents import LatentCache
from train.data.reading import read_dataset
from train.run.objective import fixed_loss
from train.run.prepare import Training

IMAGES = [toy_image(number) for number in range(3)]
LEFT = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])


class Cache(ToyCache):
    """Has masks and extra brightness by image, and images that can no longer be read."""

    def __init__(self, recorded: Recorded, *, lost: tuple[str, ...] = ()) -> None:
        super().__init__(recorded)
        self.masks: dict[str, Tensor] = {}
        self.added: dict[str, Tensor] = {}
        self.lost = set(lost)

    def load(self, image: TrainImage, *, flipped: bool = False) -> tuple[Tensor, Tensor]:
        if image.content in self.lost:
            raise UnreadableError(f"{image.path.name}: the file no longer exists")
        mean, deviation = super().load(image, flipped=flipped)
        return mean + self.added.get(image.content, torch.zeros(())), deviation

    def mask(self, image: TrainImage, *, flipped: bool = False) -> Tensor | None:
        return self.masks.get(image.content)


def masked_training(folder: Path, images: list[TrainImage], **options: Any) -> tuple[Training, Any]:
    lost = options.pop("lost", ())
    training, recorded = toy_training(folder, images, made_by=sgd, **options)
    cache: Any = Cache(recorded, lost=lost)
    training.cache = cache
    return training, cache


def first_losses(training: Training) -> dict[str, float]:
    """Return the losses of the first batch by image."""
    ((index, batch),) = training.schedule.window_of(0)
    losses = batch_losses(training, batch, 0, 0, index).tolist()
    return dict(zip((e.image.content for e in batch), losses, strict=True))


def test_a_masked_region_has_no_influence_on_what_is_learned(tmp_path: Path) -> None:
    def after_a_step(masked: bool, brighter: float) -> Tensor:
        training, cache = masked_training(tmp_path, IMAGES, batch_size=3)
        cache.masks = {image.content: LEFT for image in IMAGES} if masked else {}
        cache.added = {image.content: brighter * (1.0 - LEFT) for image in IMAGES}
        steps(training, 2)
        return weights(training)

    assert torch.equal(after_a_step(True, 0.0), after_a_step(True, 50.0))
    assert not torch.equal(after_a_step(False, 0.0), after_a_step(False, 50.0))
    assert not torch.equal(after_a_step(True, 0.0), after_a_step(False, 0.0))


def test_masks_weigh_pixel_by_pixel_and_images_without_one_count_everywhere(tmp_path: Path) -> None:
    training, cache = masked_training(tmp_path, IMAGES, batch_size=3)
    plain = first_losses(training)
    cache.masks = {"1": torch.full((1, 2, 2), 0.25)}
    found = first_losses(training)
    assert found["1"] == pytest.approx(0.25 * plain["1"], rel=1e-5)
    assert (found["0"], found["2"]) == (plain["0"], plain["2"])


def test_subsets_have_weights(tmp_path: Path) -> None:
    plain = first_losses(masked_training(tmp_path, IMAGES, batch_size=3)[0])
    images = [IMAGES[0], replace(IMAGES[1], weight=0.5), replace(IMAGES[2], weight=0.5)]
    images[2] = replace(images[2], regularization=True)
    found = first_losses(masked_training(tmp_path, images, batch_size=3, prior_loss_weight=0.5)[0])
    factors = {name: found[name] / plain[name] for name in found}
    assert factors == pytest.approx({"0": 1.0, "1": 0.5, "2": 0.25})


def test_validation_looks_at_what_training_looks_at(tmp_path: Path) -> None:
    def measured(brighter: float) -> float | None:
        training, cache = masked_training(tmp_path, IMAGES[:2], held_out=IMAGES[2:])
        cache.masks, cache.added = {"2": LEFT}, {"2": brighter * (1.0 - LEFT)}
        return fixed_loss(training, training.held_out)

    assert measured(0.0) == measured(50.0)


def test_random_crops_tell_the_model_where_they_were_cut(tmp_path: Path) -> None:
    image = replace(toy_image(0), random_crop=True)
    training, recorded = toy_training(tmp_path, [image], batch_size=1, epochs=30)
    steps(training, 30)
    corners = {frame.corner for frames in recorded.frames for frame in frames}
    assert corners == {(0, 0), (1, 0)}  # one column exceeds the bucket


def test_tags_warm_up_over_the_steps_of_a_run(tmp_path: Path) -> None:
    image = replace(toy_image(0), caption="k, a, b, c")
    image = replace(image, rules=replace(image.rules, keep_tokens=1, warmup_steps=0.5))
    training, recorded = toy_training(tmp_path, [image], batch_size=1, epochs=8)
    steps(training, 8)
    shown = [caption for (caption,) in recorded.captions]
    assert shown == ["k, a", "k, a", "k, a, b", "k, a, b", *["k, a, b, c"] * 4]


# ---- images that vanish ----------------------------------------------------------------------


def test_a_run_goes_on_without_an_image_that_vanished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, _ = masked_training(
        tmp_path, IMAGES, batch_size=1, epochs=2, lost=("1",), held_out=IMAGES[1:2]
    )
    found = list(trained(training, monkeypatch))
    assert [(e.path, e.reason) for e in found if isinstance(e, Skipped)] == [
        ("1.png", "1.png: the file no longer exists")
    ]
    losses = [e.loss for e in found if isinstance(e, Metric) and e.loss is not None]
    assert len(losses) == 6
    assert losses.count(0.0) == 2
    last = found[-1]
    assert isinstance(last, Finished)
    assert last.summary["val_loss_after"] is None


def test_the_others_of_its_batch_are_learned_from(tmp_path: Path) -> None:
    training, _ = masked_training(tmp_path, IMAGES, batch_size=3, lost=("1",))
    ((index, batch),) = training.schedule.window_of(0)
    assert batch_losses(training, batch, 0, 0, index).shape == (2,)
    before = weights(training)
    steps(training, 1)
    assert not torch.equal(weights(training), before)


def test_a_run_without_any_image_left_ends_with_a_sentence(tmp_path: Path) -> None:
    training, _ = masked_training(tmp_path, IMAGES, batch_size=1, lost=("0", "1", "2"))
    with pytest.raises(UserError, match=r"No image of the dataset can be read any more: .*exists"):
        steps(training, 3)


# ---- from a project to a step ----------------------------------------------------------------


def grey_vae(pixels: Tensor) -> Tensor:
    """Return a mean that depends on nothing but the pixels below it, without deviation."""
    mean = torch.nn.functional.avg_pool2d(pixels.mean(dim=1, keepdim=True), 8)
    return torch.cat([mean, torch.zeros_like(mean)], dim=1)


@pytest.mark.parametrize("masks", ["alpha", "folder"])
def test_masks_of_a_project_decide_what_is_learned(
    project: Project, make_image: MakeImage, masks: Any, tmp_path: Path
) -> None:
    def learned(painted: str, area: tuple[int, int, int, int]) -> Tensor:
        file = make_image("10_mochi/a.png", 1, (128, 128), caption="mochi, hat")
        with Image.open(file) as picture:
            changed = picture.convert("RGB")
        changed.paste(painted, area)
        changed.save(file)
        mask = Image.new("L", (128, 128), 255)
        mask.paste(0, (64, 0, 128, 128))
        mask.save(file.with_name("a-masklabel.png"))
        list(scan.run(project))
        last = list(export.run(project, ExportOptions(masks=masks)))[-1]
        assert isinstance(last, Finished)
        data = read_dataset(Path(str(last.summary["dataset_toml"])), TrainSettings())
        (image,) = data.images
        assert image.mask is not None
        training, _ = toy_training(tmp_path, data.images, made_by=sgd, batch_size=2)
        training.cache = LatentCache(tmp_path / "cache", "vae", grey_vae)
        broken: list[tuple[TrainImage, str]] = []
        list(training.cache.fill(data.images, broken))
        assert not broken
        steps(training, 3)
        return weights(training)

    outside, inside = (72, 8, 120, 120), (8, 8, 56, 120)
    settings = project.saved(
        {"project": {"resolution": 64}, "buckets": {"step": 16, "minimum": 32}}
    )
    assert settings.buckets.resolution == (64, 64)
    project = settings
    red = learned("red", outside)
    assert torch.equal(red, learned("yellow", outside))
    assert not torch.equal(red, learned("yellow", inside))
