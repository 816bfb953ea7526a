"""Perceptual hashes: 64 bits that nearly agree when two pictures look alike.

``phash`` gives the values of ``imagehash.phash`` (8 x 8 low frequencies of a 32 x 32 cosine
transform, each compared with their median) with two multiplications by a constant matrix, and
the hash of the mirror image for next to nothing: mirroring only flips the sign of the odd
columns. ``pairs`` finds every pair within a radius, without comparing all with all.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prep.images import decode_grey

Hashes = NDArray[np.uint64]
Grey = NDArray[np.float64]

BITS = 64
_SIDE, _KEPT = 32, 8
_SHARPNESS_SIDE = 256
"""Both measures start from a decode of at least this many pixels each way."""
_BRUTE_FORCE_UP_TO = 5000
_CANDIDATES = 1 << 21
"""Pairs compared at once: bounds the memory of a search to some 100 MB."""


def _cosines() -> NDArray[np.float64]:
    """Return the first rows of the type II cosine transform, as scipy scales it."""
    frequency, position = np.arange(_KEPT)[:, None], np.arange(_SIDE)[None, :]
    return 2.0 * np.cos(math.pi * frequency * (2 * position + 1) / (2 * _SIDE))


_COSINES = _cosines()
_MIRROR = np.where(np.arange(_KEPT) % 2, -1.0, 1.0)
_WEIGHTS = np.uint64(1) << np.arange(BITS - 1, -1, -1, dtype=np.uint64)


@dataclass(frozen=True)
class Look:
    """What a picture looks like, in three numbers.

    Attributes:
        phash: Perceptual hash, unsigned 64 bits.
        mirrored: The hash of its mirror image.
        sharpness: See ``sharpness``.
    """

    phash: int
    mirrored: int
    sharpness: float


def look(path: Path) -> Look:
    """Hash a file and measure its sharpness, in one decode.

    Raises:
        UnreadableError: The file cannot be decoded.
    """
    grey = decode_grey(path, _SHARPNESS_SIDE)
    upright, mirrored = both_hashes(grey)
    return Look(upright, mirrored, sharpness(grey))


def phash(grey: Image.Image) -> int:
    """Return the perceptual hash of a grey picture; equal to that of ``imagehash.phash``."""
    return both_hashes(grey)[0]


def both_hashes(grey: Image.Image) -> tuple[int, int]:
    """Return the hashes of a grey picture and of its mirror image."""
    small = grey.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    pixels = np.asarray(small, dtype=np.float64)
    # Rounding makes exact zeros of what only the order of the additions makes non-zero: flat and
    # symmetric pictures then have one hash everywhere.
    low = np.round(_COSINES @ pixels @ _COSINES.T, 6)
    return _bits(low), _bits(low * _MIRROR)


def _bits(low: NDArray[np.float64]) -> int:
    above = (low > np.median(low)).ravel()
    return int(_WEIGHTS[above].sum(dtype=np.uint64))


def sharpness(grey: Image.Image) -> float:
    """Return the variance of the Laplacian of a 256 x 256 version, over its grey variance.

    Dividing makes the measure the same for a brighter or paler version of a picture. About 0.01
    is soft, 0.1 and more is crisp; only compare versions of one picture.
    """
    side = (_SHARPNESS_SIDE, _SHARPNESS_SIDE)
    small = cv2.resize(np.asarray(grey), side, interpolation=cv2.INTER_AREA)
    spread = float(cv2.meanStdDev(small)[1][0, 0])
    detail = float(cv2.meanStdDev(cv2.Laplacian(small, cv2.CV_16S))[1][0, 0])
    return (detail / spread) ** 2 if spread > 0 else 0.0


def distance(first: int, second: int) -> int:
    """Return the number of bits in which two hashes differ."""
    return (first ^ second).bit_count()


def pairs(hashes: Hashes, radius: int) -> NDArray[np.int64]:
    """Find all pairs of hashes that differ in at most ``radius`` bits.

    Args:
        hashes: Shape (n,).
        radius: 0 to 64 bits.

    Returns:
        Positions (i, j) with i < j, shape (pairs, 2), in ascending order.
    """
    few = len(hashes) <= _BRUTE_FORCE_UP_TO or radius > 15
    found = list(_brute_force(hashes, radius) if few else _by_words(hashes, radius))
    if not found:
        return np.empty((0, 2), np.int64)
    result = np.sort(np.concatenate(found), axis=1)
    ascending: NDArray[np.int64] = result[np.lexsort((result[:, 1], result[:, 0]))]
    return ascending


def _brute_force(hashes: Hashes, radius: int) -> Iterator[NDArray[np.int64]]:
    rows = max(1, _CANDIDATES // max(1, len(hashes)))
    for start in range(0, len(hashes), rows):
        block = hashes[start : start + rows, None] ^ hashes[None, start:]
        row, column = np.nonzero(np.bitwise_count(block) <= radius)
        later = column > row
        yield np.stack((row[later] + start, column[later] + start), axis=1)


def _by_words(hashes: Hashes, radius: int) -> Iterator[NDArray[np.int64]]:
    """Compare only hashes of which one 16-bit word nearly agrees.

    Of four words, one differs in at most a quarter of the radius (pigeonhole principle), so
    looking up each word with so many bits flipped misses nothing. After Norouzi, Punjani and
    Fleet, "Fast Search in Hamming Space with Multi-Index Hashing" (CVPR 2012).
    """
    flips = radius // 4
    masks = [sum(1 << b for b in bits) for n in range(flips + 1) for bits in _flip_sets(n)]
    words = hashes.astype("<u8").view("<u2").reshape(-1, 4)
    for number in range(4):
        order = np.argsort(words[:, number], kind="stable")
        keys = words[order, number].astype(np.int64)
        starts = np.searchsorted(keys, np.arange((1 << 16) + 1))
        for mask in masks:
            for left, right in _candidates(keys, starts, mask):
                i, j = order[left], order[right]
                close = np.bitwise_count(hashes[i] ^ hashes[j]) <= radius
                i, j = i[close], j[close]
                # A pair that an earlier word has already found is not reported again.
                before = np.bitwise_count(words[i, :number] ^ words[j, :number])
                new = (before > flips).all(axis=1)
                yield np.stack((i[new], j[new]), axis=1)


def _flip_sets(count: int) -> Iterator[tuple[int, ...]]:
    return combinations(range(16), count)


def _candidates(
    keys: NDArray[np.int64], starts: NDArray[np.int64], mask: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield pairs of positions in ``keys`` (sorted) whose values differ by ``mask``, in parts."""
    positions = np.arange(len(keys))
    partner = keys ^ mask
    if mask:
        # Each pair once: from the smaller key.
        positions, partner = positions[keys < partner], partner[keys < partner]
        first = starts[partner]
    else:
        first = positions + 1
    counts = starts[partner + 1] - first
    positions, first, counts = positions[counts > 0], first[counts > 0], counts[counts > 0]
    ends = np.cumsum(counts)
    begin = 0
    while begin < len(counts):
        done = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, done + _CANDIDATES, "right")))
        part = counts[begin:end]
        left = np.repeat(positions[begin:end], part)
        # 0, 1, …, count-1 within each run, added to where its partners start.
        inside = np.arange(len(left)) - np.repeat(ends[begin:end] - part - done, part)
        yield left, np.repeat(first[begin:end], part) + inside
        begin = end
