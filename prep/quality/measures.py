"""All measures of one training image, in one decode, and what they mean for a training."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np

from prep.buckets import Fit
from prep.crops import Rect, borders
from prep.errors import UnreadableError
from prep.images import decode, decode_alpha
from prep.pixels import fitted
from prep.quality import exposure
from prep.quality.blockiness import blockiness
from prep.quality.noise import noise
from prep.quality.sharpness import blur
from prep.quality.text import text
from prep.quality.thresholds import Measure

VERSION = 1
"""To be raised when the same pixels give other values, so that all are measured again."""

Values = Mapping[Measure, float]

_VISIBLE = 8
"""Opacity, 0 to 255, from which on a pixel can be seen."""


@dataclass(frozen=True)
class Kind:
    """One measure.

    Attributes:
        low: Small values are the bad ones.
        meaning: What a finding means, with ``{value}``, ``{percent}`` and ``{bucket}``.
        what_to_do: The usual remedy.
    """

    meaning: str
    what_to_do: str
    low: bool = False

    def beyond(self, value: float, threshold: float) -> bool:
        """Is the value worse than its threshold?"""
        return value < threshold if self.low else value > threshold

    def severity(self, value: float, threshold: float) -> float:
        """Return how many times worse than the threshold a value is; above 1 is a finding."""
        least = 1e-6
        if self.low:
            return max(threshold, least) / max(value, least)
        return max(value, least) / max(threshold, least)


KINDS: Mapping[Measure, Kind] = MappingProxyType(
    {
        "blur": Kind(
            "its sharpest edges are {value:.1f} pixels wide at {bucket}: soft pictures teach"
            " softness",
            "find a sharper version, or leave it out",
        ),
        "blocks": Kind(
            "JPEG blocks stand out by {value:.1f} levels at {bucket}, and are learnt with it",
            "find a better version",
        ),
        "noise": Kind(
            "grain of {value:.1f} levels at {bucket}, which the LoRA draws again",
            "clean it, or keep it where grain is the style",
        ),
        "dark": Kind(
            "95 % of it is darker than level {value:.0f} of 255",
            "brighten a copy, or caption it as dark",
            low=True,
        ),
        "flat": Kind(
            "its tones span only {value:.0f} of 255 levels: pale, foggy or empty",
            "raise the contrast of a copy, or leave it out",
            low=True,
        ),
        "clipped": Kind(
            "{percent} of it is burnt out or drowned in black, without any detail",
            "find another exposure",
        ),
        "upscale": Kind(
            "enlarged {value:.1f} times to fill {bucket}: its detail is invented",
            "find a larger version, or set no_upscale",
        ),
        "borders": Kind(
            "{percent} of it is plain bars or a frame, which the LoRA draws again",
            "cut them off: shikomi crop --borders",
        ),
        "text": Kind(
            "lines of text cover {percent} of it, and turn up in samples",
            "crop them off, or caption them",
        ),
        "alpha": Kind(
            "only {percent} of it is visible; the rest is trained as white",
            "crop it to what can be seen",
            low=True,
        ),
    }
)
"""In the order in which findings are listed."""


def measure(file: Path, size: tuple[int, int], rect: Rect, fit: Fit, *, alpha: bool) -> Values:
    """Measure what the trainer will see of an image.

    Args:
        file: The image.
        size: Its width and height as the index knows them, pixels.
        rect: The part that is trained.
        fit: How that part meets its bucket.
        alpha: The file can hold transparency.

    Raises:
        UnreadableError: It cannot be decoded, or has changed since the last scan.
    """
    picture = decode(file)
    if picture.size != size:
        raise UnreadableError(f"{file.name}: it has changed since the last scan")
    if rect.size != size:
        picture = picture.crop(rect.corners)
    pixels = fitted(picture, fit)
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
    levels = grey.astype(np.float32)
    opacity = np.full_like(grey, 255)
    if alpha:
        opacity = fitted(decode_alpha(file).crop(rect.corners), fit)
    visible = (opacity >= _VISIBLE).astype(np.uint8)
    grain = noise(levels)
    inner = borders.inner(picture)
    kept = rect.size if inner is None else inner.size
    return {
        "blur": blur(levels, grain),
        "blocks": blockiness(levels, fit),
        "noise": grain,
        "dark": exposure.brightest(levels),
        "flat": exposure.contrast(levels),
        "clipped": exposure.clipped(levels, visible),
        "upscale": fit.scale,
        "borders": 1 - kept[0] * kept[1] / (rect.size[0] * rect.size[1]),
        "text": text(grey),
        "alpha": float(opacity.mean()) / 255,
    }


def explain(kind: Measure, value: float, bucket: tuple[int, int]) -> str:
    """Return what a finding means, in plain words, and what to do about it."""
    size = f"{bucket[0]}x{bucket[1]}"
    found = KINDS[kind]
    meaning = found.meaning.format(value=value, percent=f"{value:.1%}", bucket=size)
    return f"{meaning}; {found.what_to_do}"
