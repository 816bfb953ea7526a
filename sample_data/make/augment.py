"""Spoils clean drawings the way files, cameras and small autoencoders do.

The demo tagger has to read JPEGs, crops, blurred samples and odd shapes, so it is trained on
them. Each function takes and returns an RGB image and leaves the tags true.
"""

import io
import random

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps


def spoil(image: Image.Image, rng: random.Random) -> Image.Image:
    """Apply a random few of the faults below."""
    if rng.random() < 0.5:
        image = ImageOps.mirror(image)
    if rng.random() < 0.5:
        image = _crop(image, rng)
    return degrade(image, rng)


def degrade(image: Image.Image, rng: random.Random) -> Image.Image:
    """Apply a random few of the faults that leave everything where it is."""
    for chance, fault in (
        (0.5, _soften),
        (0.4, _relight),
        (0.3, _noise),
        (0.4, _compress),
    ):
        if rng.random() < chance:
            image = fault(image, rng)
    return image


def pad_to_square(image: Image.Image) -> Image.Image:
    """Centre an image on a white square, as the WD taggers expect it."""
    side = max(image.size)
    square = Image.new("RGB", (side, side), (255, 255, 255))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square


def _crop(image: Image.Image, rng: random.Random) -> Image.Image:
    w, h = image.size
    left, right = (rng.uniform(0, 0.06) * w for _ in range(2))
    top, bottom = (rng.uniform(0, 0.04) * h for _ in range(2))
    return image.crop((round(left), round(top), round(w - right), round(h - bottom)))


def _soften(image: Image.Image, rng: random.Random) -> Image.Image:
    if rng.random() < 0.5:
        radius = rng.uniform(0.003, 0.011) * max(image.size)
        return image.filter(ImageFilter.GaussianBlur(radius))
    long_side = rng.uniform(52, 100)  # px; below that marks and eyes are gone for anyone
    share = min(1.0, long_side / max(image.size))
    small = image.resize(
        (max(1, round(image.width * share)), max(1, round(image.height * share))),
        Image.Resampling.BILINEAR,
    )
    return small.resize(image.size, Image.Resampling.BICUBIC)


def _relight(image: Image.Image, rng: random.Random) -> Image.Image:
    image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.82, 1.15))
    image = ImageEnhance.Color(image).enhance(rng.uniform(0.75, 1.2))
    return ImageEnhance.Contrast(image).enhance(rng.uniform(0.8, 1.15))


def _noise(image: Image.Image, rng: random.Random) -> Image.Image:
    noise = np.random.default_rng(rng.randrange(1 << 30)).normal(
        0, rng.uniform(2, 14), (image.height, image.width, 3)
    )
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def _compress(image: Image.Image, rng: random.Random) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=rng.randrange(30, 95))
    return Image.open(buffer).convert("RGB")
