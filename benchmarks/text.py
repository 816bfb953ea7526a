"""Does `shikomi quality` see text, and only where there is some?

Run: python -m benchmarks.text FOLDER [--resolution 512] [--times 40] [--fit]

FOLDER holds ``clean/GROUP/`` (pictures without text), ``real/KIND/`` (pictures with text, may be
missing) and ``fonts/{latin,cjk,hand,comic}/``. Writes the kinds of `benchmarks/writing.py` into
clean pictures, and prints which share of the clean ones is reported at the default threshold,
which share of the others, and the processor time. With --fit, fits the weights of
`prep/images/quality/text.py` to the lines found in FOLDER instead, and prints them. Fit on one
folder, report on another that shares no source and no font.
"""

import argparse
import random
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.patterns import drawing
from benchmarks.writing import KINDS, Writer
from prep.images import decode, is_image_name
from prep.images.quality.lines import FEATURES
from prep.images.quality.text import candidates, text
from prep.images.quality.thresholds import QualitySection

Floats = NDArray[np.float64]
_LIMIT = QualitySection().text
_CHANGED = 30
"""Levels from which a pixel differs because of what was written."""
_KIND_WEIGHT, _CLEAN_WEIGHT, _PATTERN_WEIGHT = 300.0, 2.0, 2000.0
"""Weight in the fit: of all lines of one kind of writing together, of a line in a clean picture,
and of all lines in the patterns of `benchmarks/patterns.py` together."""
_PATTERNS = 150
_TAIL = 0.005
"""Share of writing that lies below, and above, the range of a feature."""


def scaled(image: Image.Image, side: int) -> Image.Image:
    """Scale to the area of a square of that side."""
    factor = side / (image.width * image.height) ** 0.5
    size = (round(image.width * factor), round(image.height * factor))
    return image.resize(size, Image.Resampling.LANCZOS)


def grey(image: Image.Image, side: int) -> NDArray[np.uint8]:
    """Return its grey levels at the training size."""
    return np.asarray(scaled(image, side).convert("L"))


def pictures(folder: Path) -> dict[str, list[Path]]:
    """Return the pictures of each subfolder."""
    return {
        group.name: sorted(file for file in group.rglob("*") if is_image_name(file.name))
        for group in sorted(folder.glob("*/"))
    }


def written(folder: Path, times: int) -> Iterator[tuple[str, Image.Image, Image.Image]]:
    """Yield kind, picture before and picture after; each kind in so many clean pictures."""
    fonts = {part.name: sorted(part.iterdir()) for part in (folder / "fonts").iterdir()}
    files = [file for group in pictures(folder / "clean").values() for file in group]
    rng = random.Random(zlib.crc32(folder.name.encode()))
    for kind, write in KINDS.items():
        for file in rng.sample(files, min(times, len(files))):
            before = scaled(decode(file), 1024)
            after = before.copy()
            write(after, Writer(fonts, random.Random(rng.random())))
            yield kind, before, after


def report(folder: Path, side: int, times: int) -> None:
    """Print the shares of clean pictures and of pictures with text that are reported."""
    spent, measured = 0.0, 0

    def value(image: Image.Image) -> float:
        nonlocal spent, measured
        levels = grey(image, side)
        began = time.process_time()
        share = text(levels)
        spent += time.process_time() - began
        measured += 1
        return share

    clean = {
        group: [value(decode(file)) for file in files]
        for group, files in pictures(folder / "clean").items()
    }
    print(f"at {side}: clean pictures reported")
    everything = [value for values in clean.values() for value in values]
    for group, values in [*clean.items(), ("all", everything)]:
        print(f"  {group:<24} {_over(values)} of {len(values)}, maximum {max(values):.1%}")
    print(f"pictures with text reported (covered by over {_LIMIT:.0%}), and covered at all (0.5 %)")
    kinds: dict[str, list[float]] = {}
    for kind, _, image in written(folder, times):
        kinds.setdefault(kind, []).append(value(image))
    for kind, files in pictures(folder / "real").items():
        kinds[f"{kind} (real)"] = [value(decode(file)) for file in files]
    for kind, values in kinds.items():
        least = np.mean(np.array(values) > 0.005)
        print(f"  {kind:<24} {_over(values) / len(values):>5.0%} {least:>5.0%} of {len(values)}")
    print(f"processor time of the measure: {1000 * spent / measured:.0f} ms a picture")


def _over(values: list[float]) -> int:
    return sum(value > _LIMIT for value in values)


def fit(folder: Path, sides: list[int], times: int) -> None:
    """Fit the weights to the lines of all pictures, and print them."""
    features, labels, weights = [], [], []
    for side in sides:
        for files in pictures(folder / "clean").values():
            for file in files:
                found = _features(grey(decode(file), side))
                features.append(found)
                labels.append(np.zeros(len(found)))
                weights.append(np.full(len(found), _CLEAN_WEIGHT))
        by_kind: dict[str, list[Floats]] = {}
        for kind, before, after in written(folder, times):
            by_kind.setdefault(kind, []).append(_written_features(before, after, side))
        for found in map(np.concatenate, by_kind.values()):
            features.append(found)
            labels.append(np.ones(len(found)))
            weights.append(np.full(len(found), _KIND_WEIGHT / max(len(found), 1)))
    rows = [_features(grey(drawing(seed), sides[seed % len(sides)])) for seed in range(_PATTERNS)]
    found = np.concatenate(rows)
    features.append(found)
    labels.append(np.zeros(len(found)))
    weights.append(np.full(len(found), _PATTERN_WEIGHT / max(len(found), 1)))
    x, y = np.concatenate(features), np.concatenate(labels)
    factors, bias = logistic(x, y, np.concatenate(weights))
    print(f"{len(y)} lines, {int(y.sum())} of them writing")
    least, most = np.quantile(x[y == 1], (_TAIL, 1 - _TAIL), axis=0)
    for row in zip(FEATURES, factors, least, most, strict=True):
        print('"{}": ({:.2f}, {:.2f}, {:.2f}),'.format(*row))
    print(f"_BIAS = {bias:.2f}")


def _features(levels: NDArray[np.uint8]) -> Floats:
    return np.concatenate([found.features for found in candidates(levels)])


def _written_features(before: Image.Image, after: Image.Image, side: int) -> Floats:
    """Return the features of the lines that lie on what was written."""
    was, now = grey(before, side), grey(after, side)
    changed = (cv2.absdiff(was, now) > _CHANGED).astype(np.uint8)
    changed = cv2.dilate(changed, np.ones((5, 5), np.uint8))
    kept = [np.zeros((0, len(FEATURES)))]
    for found in candidates(now):
        shares = [changed[y0:y1, x0:x1].mean() for x0, y0, x1, y1 in found.boxes]
        kept.append(found.features[np.array(shares, float) > 0.6])
    return np.concatenate(kept)


def logistic(x: Floats, y: Floats, weights: Floats) -> tuple[Floats, float]:
    """Fit a logistic regression by Newton's method, with a slight ridge.

    Args:
        x: Shape (n, features).
        y: Shape (n,), 0 or 1.
        weights: Shape (n,), above 0.

    Returns:
        Factors of the features, and the bias.
    """
    centre, spread = x.mean(axis=0), x.std(axis=0)
    scaled_x = np.column_stack([(x - centre) / spread, np.ones(len(x))])
    ridge = np.diag([1.0] * x.shape[1] + [1e-9])
    factors = np.zeros(scaled_x.shape[1])
    for _ in range(30):
        chance = 1 / (1 + np.exp(-np.clip(scaled_x @ factors, -30, 30)))
        slope = scaled_x.T @ (weights * (chance - y)) + ridge @ factors
        curve = (scaled_x * (weights * chance * (1 - chance))[:, None]).T @ scaled_x + ridge
        step = np.linalg.solve(curve, slope)
        factors -= step * min(1.0, 3.0 / float(np.abs(step).max() + 1e-12))
    raw = factors[:-1] / spread
    return raw, float(factors[-1] - raw @ centre)


def main() -> None:
    """Report, or fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--resolution", type=int, nargs="+", default=[512])
    parser.add_argument("--times", type=int, default=40)
    parser.add_argument("--fit", action="store_true")
    given = parser.parse_args()
    if given.fit:
        fit(given.folder, given.resolution, given.times)
        return
    for side in given.resolution:
        report(given.folder, side, given.times)


if __name__ == "__main__":
    main()
