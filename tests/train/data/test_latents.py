"""The latent cache: what it holds, when it may not be believed, and what it costs."""

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from PIL import Image
from torch import Tensor

from prep.errors import UnreadableError
from prep.events import Progress
from tests.train.tiny import dataset_text, make_images
from train.config import TrainSettings
from train.data import views
from train.data.dataset import TrainImage
from train.data.latents import LatentCache
from train.data.reading import read_dataset


class Vae:
    """Averages blocks of 8 x 8 pixels; the deviation is the mean of the whole batch."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, ...]] = []

    def __call__(self, pixels: Tensor) -> Tensor:
        self.batches.append(tuple(pixels.shape))
        mean = torch.nn.functional.avg_pool2d(pixels, 8)
        return torch.cat([mean, torch.full_like(mean, float(pixels.mean()))], dim=1)


def read(folder: Path, **subset: Any) -> list[TrainImage]:
    path = folder / "dataset.toml"
    path.write_text(dataset_text(**subset))
    return list(read_dataset(path, TrainSettings()).images)


def fill(cache: LatentCache, images: list[TrainImage]) -> list[tuple[TrainImage, str]]:
    broken: list[tuple[TrainImage, str]] = []
    events = [event for event in cache.fill(images, broken) if isinstance(event, Progress)]
    assert [event.done for event in events] == sorted(event.done for event in events)
    assert events[-1].done == events[-1].total
    return broken


def mixed(folder: Path) -> list[TrainImage]:
    make_images(folder / "images", 5)
    make_images(folder / "wide", 4, (96, 64))
    for file in (folder / "wide").iterdir():
        file.rename(folder / "images" / f"w{file.name}")
    return read(folder)


def test_one_image_is_encoded_at_a_time_on_a_cpu(tmp_path: Path) -> None:
    images, vae = mixed(tmp_path), Vae()
    cache = LatentCache(tmp_path / "cache", "vae", vae)
    assert fill(cache, images) == []
    assert [shape[0] for shape in vae.batches] == [1] * 9
    (lone, *_) = images
    alone = LatentCache(tmp_path / "alone", "vae", Vae())
    fill(alone, [lone])
    assert all(map(torch.equal, cache.load(lone), alone.load(lone)))
    assert fill(cache, images) == []
    assert len(vae.batches) == 9


def test_equal_sizes_are_encoded_together_up_to_a_limit(tmp_path: Path) -> None:
    images, vae = mixed(tmp_path), Vae()
    cache = LatentCache(tmp_path / "cache", "vae", vae, batch_pixels=3 * 64 * 64)
    fill(cache, images)
    # Height before width; a bucket of 80 x 48 pixels takes more room than one of 64 x 64.
    assert sorted(vae.batches) == sorted(
        [(3, 3, 64, 64), (2, 3, 64, 64), (3, 3, 48, 80), (1, 3, 48, 80)]
    )
    single = LatentCache(tmp_path / "single", "vae", Vae())
    for image in images:
        assert torch.allclose(cache.load(image)[0], single.load(image)[0], atol=1e-6)


def test_a_mirrored_image_is_mirrored_with_its_mask(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 1)
    (tmp_path / "masks").mkdir()
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 0, 20, 64))
    mask.save(tmp_path / "masks" / "00.png")
    (image,) = read(tmp_path, conditioning_data_dir="masks", flip_aug=True)
    cache = LatentCache(tmp_path / "cache", "vae", Vae())
    with patch.object(views, "_hashed", wraps=views._hashed) as opened:
        fill(cache, [image])
    assert opened.call_count == 2  # the image and the mask, each once for both sides
    found, mirrored = cache.mask(image), cache.mask(image, flipped=True)
    assert found is not None
    assert mirrored is not None
    # Area interpolation: 20 of 64 columns are two and a half of eight.
    assert found.shape == (1, 8, 8)
    assert torch.equal(found[0, 0], torch.tensor([1, 1, 0.5, 0, 0, 0, 0, 0]))
    assert torch.equal(mirrored, found.flip(-1))
    mean, turned = cache.load(image)[0], cache.load(image, flipped=True)[0]
    assert torch.allclose(turned, mean.flip(-1), atol=1e-6)
    assert not torch.equal(turned, mean)


def test_a_new_mask_is_noticed(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 1)
    (tmp_path / "masks").mkdir()
    file = tmp_path / "masks" / "00.png"
    cache = LatentCache(tmp_path / "cache", "vae", Vae())
    for grey in (51, 255):
        Image.new("L", (64, 64), grey).save(file)
        (image,) = read(tmp_path, conditioning_data_dir="masks")
        fill(cache, [image])
        mask = cache.mask(image)
        assert mask is not None
        assert torch.allclose(mask, torch.full((1, 8, 8), grey / 255))
    (plain,) = read(tmp_path)
    assert cache.mask(plain) is None


def test_a_mask_of_another_shape_leaves_its_image_out(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 2)
    (tmp_path / "masks").mkdir()
    Image.new("L", (64, 64), 255).save(tmp_path / "masks" / "00.png")
    Image.new("L", (64, 20), 255).save(tmp_path / "masks" / "01.png")
    images = read(tmp_path, conditioning_data_dir="masks")
    ((image, reason),) = fill(LatentCache(tmp_path / "cache", "vae", Vae()), images)
    assert image.path.name == "01.png"
    assert "aspect ratio 64x20" in reason


def test_kernels_and_alpha_masks_have_latents_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    picture = Image.new("RGB", (100, 100), "red")
    picture.paste("blue", (13, 13, 57, 57))
    picture.putalpha(128)
    picture.save(tmp_path / "images" / "00.png")
    cache = LatentCache(tmp_path / "cache", "vae", Vae())
    options: list[dict[str, Any]] = [{}, {"resize_interpolation": "nearest"}, {"alpha_mask": True}]
    found = []
    for extra in options:
        images = read(tmp_path, class_tokens="cat", **extra)
        fill(cache, images)
        found.append(cache.load(images[0])[0])
    assert not torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_what_was_deleted_is_made_again_from_the_same_pixels_only(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 2)
    one, two = read(tmp_path)
    cache = LatentCache(tmp_path / "cache", "vae", Vae())
    fill(cache, [one, two])
    before = cache.load(one)
    for file in (tmp_path / "cache").iterdir():
        file.unlink()
    assert all(map(torch.equal, before, cache.load(one)))
    Image.new("RGB", (64, 64), "red").save(two.path)
    with pytest.raises(UnreadableError, match=r"01.png: the file has changed"):
        cache.load(two)
    two.path.unlink()
    with pytest.raises(UnreadableError, match=r"01.png: the file no longer exists"):
        cache.load(two)
    one.path.unlink()
    assert all(map(torch.equal, before, cache.load(one)))  # its latents are still there


def test_a_cut_off_file_of_the_cache_is_made_again(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 1)
    (image,) = read(tmp_path)
    cache = LatentCache(tmp_path / "cache", "vae", Vae())
    fill(cache, [image])
    before = cache.load(image)
    (file,) = (tmp_path / "cache").iterdir()
    file.write_bytes(file.read_bytes()[:-9])
    assert all(map(torch.equal, before, cache.load(image)))


def test_broken_images_do_not_hold_the_others_up(tmp_path: Path) -> None:
    images = mixed(tmp_path)
    images[1].path.write_bytes(images[1].path.read_bytes()[:90])
    images[3].path.unlink()
    vae = Vae()
    broken = fill(LatentCache(tmp_path / "cache", "vae", vae, batch_pixels=10**9), images)
    assert {image.path for image, _ in broken} == {images[1].path, images[3].path}
    assert sum(shape[0] for shape in vae.batches) == 7


def test_a_full_disk_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = mixed(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("train.data.latents.write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        fill(LatentCache(tmp_path / "cache", "vae", Vae()), images)
