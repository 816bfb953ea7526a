"""Encoded images on disk, named by everything that decides their content.

A file's name is a hash of the picture, its crop, its mirroring and the VAE, so that nothing in the
cache can be stale and several runs and base models share one folder. What is kept is the mean and
the standard deviation, so that each step still draws its own latents, as it would without a cache.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from prep import images
from prep.errors import UnreadableError
from prep.events import Event, Throttle, tick
from prep.images import pixels
from prep.system.files import text_hash, write_bytes
from train.data.dataset import TrainImage

Encode = Callable[[Tensor], Tensor]
"""(1, 3, height, width) pixels, -1 to 1 -> (1, 2 x channels, ...) mean and deviation."""


class LatentCache:
    """Latents of one VAE in one folder."""

    def __init__(self, folder: Path, vae_hash: str, encode: Encode) -> None:
        self._folder, self._vae_hash, self._encode = folder, vae_hash, encode

    def _file(self, image: TrainImage, flipped: bool) -> Path:
        fit = image.fit
        place = (fit.resized, fit.bucket, fit.left, fit.top, flipped)
        parts = (image.content, images.PIXELS_VERSION, *place, self._vae_hash)
        return self._folder / f"{text_hash(repr(parts))}.npy"

    def fill(
        self, chosen: Sequence[TrainImage], broken: list[tuple[TrainImage, str]]
    ) -> Iterator[Event]:
        """Encode what is missing; images that cannot be decoded are added to ``broken``."""
        throttle = Throttle()
        for done, image in enumerate(chosen, 1):
            try:
                for flipped in (False, True) if image.flip else (False,):
                    self._ensure(image, flipped)
            except UnreadableError as error:
                broken.append((image, error.message))
            yield from tick("encode", len(chosen), throttle, done, image.path.name)

    def _ensure(self, image: TrainImage, flipped: bool) -> None:
        file = self._file(image, flipped)
        if file.exists():
            return
        picture = pixels.fitted(images.decode(image.path), image.fit)
        if flipped:
            picture = picture[:, ::-1]
        array = np.ascontiguousarray(picture.transpose(2, 0, 1))
        tensor = torch.from_numpy(array).to(torch.float32) / 127.5 - 1.0
        encoded = self._encode(tensor[None])[0].to(torch.float32)
        buffer = io.BytesIO()
        np.save(buffer, encoded.numpy())
        write_bytes(file, buffer.getvalue())

    def load(self, image: TrainImage, *, flipped: bool = False) -> tuple[Tensor, Tensor]:
        """Return mean and deviation, each (channels, height, width), unscaled."""
        self._ensure(image, flipped)  # someone may have emptied the folder meanwhile
        mean, deviation = torch.from_numpy(np.load(self._file(image, flipped))).chunk(2)
        return mean, deviation
