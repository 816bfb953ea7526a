"""Where people look in a picture: suggests crops without a model or a network connection.

Spectral residual (Hou and Zhang, "Saliency Detection: A Spectral Residual Approach", 2007), over
lightness and both colour axes, with a mild bias to the centre. ``benchmarks/crops.py`` compares it
with a centre crop; of the libraries tried, smartcrop and libvips (attention, entropy)
found drawn figures less often and photographed subjects no more often.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prep.images.buckets import Buckets, Size
from prep.images.crops import Rect
from prep.images.crops.heads import Head, grown, moved_clear
from prep.images.crops.snapping import largest, snapped

_SIDE = 64
"""Pixels of the longer side of the picture that is analysed."""
_BLUR = 2.5
"""Blur of the attention map, pixels at that size."""
_MIDDLE = 1.2
"""How fast attention falls off from the middle to the edge, in half sides; larger is slower."""
_ENOUGH = 0.9
"""Share of the attention that a close crop holds, in width and in height."""
_MARGIN = 0.08
"""Margin around it, as a share of its side."""
_EQUAL = 1e-3
"""Windows whose attention is this close to the best count as equally good."""

Attention = NDArray[np.float64]


@dataclass(frozen=True)
class Saliency:
    """Attention in a picture: ``map`` has about its aspect ratio and sums to 1."""

    map: Attention
    size: Size

    def place(self, window: Size) -> Rect:
        """Return the position of ``window`` (pixels, within the image) that holds most."""
        rows, columns = self.map.shape
        across, down = columns / self.size[0], rows / self.size[1]
        width = max(1, round(window[0] * across))
        height = max(1, round(window[1] * down))
        sums = np.pad(self.map.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        inside = sums[height:, width:] - sums[:-height, width:]
        inside = inside - sums[height:, :-width] + sums[:-height, :-width]
        tops, lefts = np.nonzero(inside >= inside.max() - _EQUAL)
        left = min(max(round(float(lefts.mean()) / across), 0), self.size[0] - window[0])
        top = min(max(round(float(tops.mean()) / down), 0), self.size[1] - window[1])
        return Rect(left, top, left + window[0], top + window[1])

    def close(self) -> Rect:
        """Return the part that holds nearly all attention, with a margin."""
        left, right = _span(self.map.sum(0), self.size[0])
        top, bottom = _span(self.map.sum(1), self.size[1])
        return Rect(left, top, right, bottom)


def find_saliency(image: Image.Image) -> Saliency:
    """Compute the saliency of an RGB picture."""
    scale = _SIDE / max(image.size)
    small = (max(16, round(image.width * scale)), max(16, round(image.height * scale)))
    pixels = cv2.resize(np.asarray(image), small, interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    total = sum(_residual(lab[:, :, channel]) for channel in range(3)) * _pull(small)
    return Saliency(total / total.sum(), image.size)


def proposal(
    image: Image.Image,
    buckets: Buckets,
    shape: Size | None = None,
    *,
    close: bool = False,
    heads: Sequence[Head] = (),
) -> Rect | None:
    """Return a legal crop of an RGB picture around what draws attention.

    A crop that would cut a head off is moved; ``None`` if there is no place for it.

    Args:
        image: The upright picture.
        buckets: Buckets into which the crop must fit.
        shape: A bucket with its aspect ratio; by default that of the picture, or of the close
            part.
        close: Close in on the subject instead of cutting off as little as possible.
        heads: The heads that are known, as fractions of the picture.
    """
    saliency = find_saliency(image)
    if close:
        around = grown(heads, saliency.close(), image.size)
        found = snapped(buckets, around, image.size, shape)
    else:
        wanted = shape or buckets.fit(image.size).bucket
        found = saliency.place(largest(buckets, wanted, image.size))
    return moved_clear(heads, found, Rect(0, 0, *image.size), image.size)


def _residual(channel: NDArray[np.float32]) -> Attention:
    spectrum = np.fft.fft2(channel)
    magnitude = np.log(np.abs(spectrum) + 1e-6)
    rest = magnitude - cv2.blur(magnitude, (3, 3))
    energy = np.abs(np.fft.ifft2(np.exp(rest + 1j * np.angle(spectrum)))) ** 2
    spread: Attention = cv2.GaussianBlur(energy, (0, 0), _BLUR)
    level: Attention = spread / spread.mean()
    return level


def _pull(size: Size) -> Attention:
    across, down = np.linspace(-1, 1, size[0])[None], np.linspace(-1, 1, size[1])[:, None]
    weight: Attention = np.exp(-(across**2 + down**2) / (2 * _MIDDLE**2))
    return weight


def _span(amounts: Attention, length: int) -> tuple[int, int]:
    """Return the pixels between which the middle share of the amounts lies, and the margin."""
    share = amounts.cumsum() / amounts.sum()
    first = int(np.searchsorted(share, (1 - _ENOUGH) / 2))
    last = int(np.searchsorted(share, 1 - (1 - _ENOUGH) / 2)) + 1
    margin = (last - first) * _MARGIN
    scale = length / len(amounts)
    start = max(0, round((first - margin) * scale))
    return start, min(length, max(start + 1, round((last + margin) * scale)))
