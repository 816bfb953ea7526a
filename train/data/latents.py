"""Encoded images on disk, named by everything that decides their content.

A file's name is a hash of the picture, its crop, its mirroring and the VAE, so that nothing in the
cache can be stale and several runs and base models share one folder. What is kept is the mean and
the standard deviation, so that each step still draws its own latents, as it would without a cache.
Masks are kept beside them, at the size of the latents.

Pictures are decoded by threads, ahead of the VAE; nothing uses processes or /dev/shm.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prep import images
from prep.errors import UnreadableError
from prep.events import Event, Throttle, tick
from prep.system.files import text_hash, write_bytes
from train.data.ahead import Workers
from train.data.dataset import TrainImage
from train.data.views import Read, View, read_sides, read_view

Encode = Callable[[Tensor], Tensor]
"""(batch, 3, height, width) pixels, -1 to 1 -> (batch, 2 x channels, ...) mean and deviation."""

BATCH_PIXELS = 1024 * 1024
"""Pixels that a GPU's VAE encodes at once, which takes 2.5 GiB: less than training does."""


class LatentCache:
    """Latents and masks of one VAE in one folder."""

    def __init__(self, folder: Path, vae_hash: str, encode: Encode, batch_pixels: int = 0) -> None:
        """Take the folder as it is.

        Args:
            folder: May be missing or emptied at any time.
            vae_hash: Changes with the VAE's weights.
            encode: The VAE.
            batch_pixels: Pixels that are encoded at once; 0 for one image at a time, whose latents
                then do not depend on the others.
        """
        self._folder, self._vae_hash, self._encode = folder, vae_hash, encode
        self._batch_pixels = batch_pixels

    def fill(
        self,
        chosen: Sequence[TrainImage],
        broken: list[tuple[TrainImage, str]],
        share: slice = slice(None),
    ) -> Iterator[Event]:
        """Encode what is missing; images that cannot be decoded are added to ``broken``.

        Args:
            chosen: The images.
            broken: Grows.
            share: Which of their cuts are looked at, if several processes fill the folder.
        """
        every = {self._name(view): view for image in chosen for view in View.all_of(image)}
        # Equal sizes follow each other, so that they can be encoded together.
        views = sorted(every.values(), key=lambda view: view.image.fit.bucket)
        cuts = [list(sides) for _, sides in groupby(views, lambda view: view.image)][share]
        missing = [[view for view in sides if self._is_missing(view)] for sides in cuts]
        total = sum(map(len, cuts))
        faulty: dict[Path, tuple[TrainImage, str]] = {}
        throttle, done = Throttle(), total - sum(map(len, missing))
        with Workers("decode") as workers:
            for batch in self._batches(workers, list(filter(None, missing)), faulty):
                encoded = self._encoded([planes for _, (planes, _) in batch])
                for (view, (_, mask)), latents in zip(batch, encoded, strict=True):
                    workers.start(self._save, view, latents, mask)
                done += len(batch)
                if done < total:
                    yield from tick("encode", total, throttle, done, batch[-1][0].name)
        broken += faulty.values()
        yield from tick("encode", total, throttle, total)

    def load(self, image: TrainImage, *, flipped: bool = False) -> tuple[Tensor, Tensor]:
        """Return mean and deviation, each (channels, height, width), unscaled.

        Raises:
            UnreadableError: They are not in the folder, and the image is gone or has changed.
        """
        view = View(image, flipped)
        mean, deviation = torch.from_numpy(self._kept(view, self._file(view))).chunk(2)
        return mean, deviation

    def mask(self, image: TrainImage, *, flipped: bool = False) -> Tensor | None:
        """Return how much each latent pixel of an image counts, 0 to 1: (1, height, width).

        Raises:
            UnreadableError: As ``load``.
        """
        view = View(image, flipped)
        file = self._mask_file(view)
        return torch.from_numpy(self._kept(view, file)) if file else None

    def _kept(self, view: View, file: Path) -> NDArray[np.float32]:
        """Read a file of the cache; someone may have emptied the folder meanwhile."""
        try:
            return np.asarray(np.load(file), dtype=np.float32)
        except (OSError, ValueError):
            planes, mask = read_view(view)
            self._save(view, self._encoded([planes])[0], mask)
            return np.asarray(np.load(file), dtype=np.float32)

    def _name(self, view: View) -> tuple[Path, Path | None]:
        """Return the files of a view: views of the same are equal."""
        return self._file(view), self._mask_file(view)

    def _is_missing(self, view: View) -> bool:
        return not all(file is None or file.exists() for file in self._name(view))

    def _batches(
        self,
        workers: Workers,
        cuts: Sequence[Sequence[View]],
        faulty: dict[Path, tuple[TrainImage, str]],
    ) -> Iterator[list[tuple[View, Read]]]:
        """Yield views of equal size with their pixels and masks; each cut is decoded once."""
        batch: list[tuple[View, Read]] = []
        for sides, future in workers.ahead(read_sides, cuts):
            for view, read in zip(sides, _result(sides[0].image, future, faulty), strict=False):
                if batch and not self._fits(batch, view):
                    yield batch
                    batch = []
                batch.append((view, read))
        if batch:
            yield batch

    def _fits(self, batch: Sequence[tuple[View, Read]], view: View) -> bool:
        width, height = bucket = view.image.fit.bucket
        same = batch[0][0].image.fit.bucket == bucket
        return same and (len(batch) + 1) * width * height <= self._batch_pixels

    def _encoded(self, pictures: Sequence[NDArray[np.float32]]) -> Tensor:
        """Return mean and deviation of pictures of one size."""
        tensors = [torch.from_numpy(planes) for planes in pictures]
        together = torch.stack(tensors) if len(tensors) > 1 else tensors[0][None]
        return self._encode(together).to(torch.float32)

    def _save(self, view: View, latents: Tensor, mask: NDArray[np.float32] | None) -> None:
        _write(self._file(view), latents.numpy())
        if (file := self._mask_file(view)) and mask is not None:
            size = (int(latents.shape[-2]), int(latents.shape[-1]))
            whole = torch.from_numpy(mask)[None]
            _write(file, torch.nn.functional.adaptive_avg_pool2d(whole, size).numpy())

    def _file(self, view: View) -> Path:
        image = view.image
        reading = (image.opaque, image.kernel) if image.opaque or image.kernel else ()
        place = (image.content, images.PIXELS_VERSION, *view.place, *reading)
        return self._named(*place, self._vae_hash)

    def _mask_file(self, view: View) -> Path | None:
        mask = view.image.mask
        if mask is None:
            return None
        return self._named("mask", mask.content, mask.alpha, view.image.size, *view.place)

    def _named(self, *parts: object) -> Path:
        return self._folder / f"{text_hash(repr(parts))}.npy"


def _result(
    image: TrainImage, future: Future[list[Read]], faulty: dict[Path, tuple[TrainImage, str]]
) -> list[Read]:
    """Return what a thread has read, or nothing and note why it could not."""
    try:
        return future.result()
    except UnreadableError as error:
        faulty.setdefault(image.path, (image, error.message))
        return []


def _write(file: Path, array: NDArray[np.float32]) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array)
    write_bytes(file, buffer.getvalue())
