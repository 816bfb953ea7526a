"""Rules about sd-scripts' caches beside the images, which it never compares with the images.

Source: ``library/train_util.py`` and ``library/strategy_*.py``: ``<stem>_WWWWxHHHH_sd.npz`` (or
``_sdxl``), older ``<stem>.npz`` with ``original_size`` inside, ``<stem>_te_outputs.npz``. A cache
is used if its name and keys fit; newer versions even take the image size from its name.
Sizes are those of the stored picture, before EXIF rotation. OneTrainer and shikomi keep caches
elsewhere.
"""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prep.curation.checks.codes import CheckCode, Problem, error, info, warning
from prep.curation.checks.view import CheckedFolder, DatasetView
from prep.dataset.index import ImageRow
from prep.dataset.journal.changes import Change
from prep.images.buckets import Size

CODES = (
    CheckCode(
        "cache-size",
        "latent caches of another size than their image",
        {
            "sd-scripts": warning(
                "The image was replaced: sd-scripts stops, or trains on the old one."
            )
        },
        "--fix moves them to the trash; sd-scripts recreates them.",
        safe=True,
    ),
    CheckCode(
        "cache-older",
        "latent caches older than their image",
        {"sd-scripts": warning("sd-scripts keeps training on the old pixels.")},
        "--fix moves them to the trash; sd-scripts recreates them.",
        safe=True,
    ),
    CheckCode(
        "text-cache-older",
        "text caches older than their caption",
        {"sd-scripts": warning("sd-scripts keeps training on the old caption.")},
        "--fix moves them to the trash; sd-scripts recreates them.",
        safe=True,
    ),
    CheckCode(
        "cache-broken",
        "caches that cannot be read",
        {"sd-scripts": error("sd-scripts stops at the first one.")},
        "--fix moves them to the trash; sd-scripts recreates them.",
        safe=True,
    ),
    CheckCode(
        "cache-orphan",
        "caches without an image",
        {"sd-scripts": info("They only take up space.")},
        "--fix moves them to the trash.",
        safe=True,
    ),
)

_SIDEWAYS = frozenset({5, 6, 7, 8})
_SIZED = re.compile(r"(.+)_(\d+)x(\d+)(?:_[a-z0-9]+)*\.npz", re.DOTALL)
_TEXT = "_te_outputs.npz"
_ENDING = ".npz"


@dataclass(frozen=True)
class Cache:
    """A cache file; ``size`` is the one in its name, ``None`` if there is none."""

    name: str
    stem: str
    text: bool = False
    size: Size | None = None


def cache_of(name: str, stems: frozenset[str]) -> Cache:
    """Return the cache with this name; an image may have a name of the same form."""
    plain = name.removesuffix(_ENDING)
    if plain in stems:
        return Cache(name, plain)
    if name.endswith(_TEXT):
        return Cache(name, name.removesuffix(_TEXT), text=True)
    if match := _SIZED.fullmatch(name):
        return Cache(name, match[1], size=(int(match[2]), int(match[3])))
    # SDXL, SD 3 and FLUX name their text caches by family, such as a_sdxl_te.npz.
    return Cache(name, plain)


def find(view: DatasetView) -> Iterator[Problem]:
    """Yield caches that do not fit their image or caption."""
    if view.trainer != "sd-scripts":
        return
    for place in view.places:
        for name in place.names:
            if name.endswith(_ENDING):
                yield from _stale(view, place, cache_of(name, place.image_stems))


def changes(view: DatasetView, wanted: frozenset[str]) -> Iterator[Change]:
    """Yield the moves to the trash, also of caches shared by images with the same stem."""
    trashed = {problem.path for problem in find(view) if problem.code in wanted}
    if "stem-shared" in wanted:
        trashed |= set(_shared(view))
    for path in sorted(trashed):
        yield view.trash(path)


def _shared(view: DatasetView) -> Iterator[str]:
    for place in view.places:
        for name in place.names:
            if name.endswith(_ENDING):
                stem = cache_of(name, place.image_stems).stem
                if len(place.stems.get(stem, ())) > 1:
                    yield place.file(name)


def _stale(view: DatasetView, place: CheckedFolder, cache: Cache) -> Iterator[Problem]:
    path = place.file(cache.name)
    if cache.stem not in place.image_stems:
        yield Problem("cache-orphan", path, "there is no image with this name", fixable=True)
        return
    rows = [p.row for p in place.stems.get(cache.stem, ()) if p.row is not None]
    if len(rows) != 1:
        return  # excluded, or shared: see stem-shared
    file = view.project.root / path
    try:
        stat = file.stat()
    except OSError:
        return
    if stat.st_size == 0:
        yield Problem("cache-broken", path, "0 bytes", fixable=True)
    elif cache.text:
        yield from _old_text(view, place, cache, stat.st_mtime_ns)
    else:
        yield from _old_latents(path, file, cache, rows[0], stat.st_mtime_ns)


def _old_text(
    view: DatasetView, place: CheckedFolder, cache: Cache, mtime_ns: int
) -> Iterator[Problem]:
    caption = cache.stem + view.extension
    if caption not in place.all_names:
        return
    try:
        changed = (view.project.root / place.file(caption)).stat().st_mtime_ns
    except OSError:
        return
    if changed > mtime_ns:
        message = f"{_span(changed - mtime_ns)} older than {caption}"
        yield Problem("text-cache-older", place.file(cache.name), message, fixable=True)


def _old_latents(
    path: str, file: Path, cache: Cache, row: ImageRow, mtime_ns: int
) -> Iterator[Problem]:
    size = cache.size
    if size is None:
        size = _size_inside(file)
        if size is None:
            yield Problem("cache-broken", path, "not a readable .npz file", fixable=True)
            return
    stored = (row.width, row.height)
    if row.orientation in _SIDEWAYS:
        stored = stored[::-1]
    if size not in (stored, (0, 0)):
        message = f"{size[0]}x{size[1]}, the image is {stored[0]}x{stored[1]}"
        yield Problem("cache-size", path, message, fixable=True)
    elif row.mtime_ns > mtime_ns:
        image = row.path.rpartition("/")[2]
        message = f"{_span(row.mtime_ns - mtime_ns)} older than {image}"
        yield Problem("cache-older", path, message, fixable=True)


def _size_inside(file: Path) -> Size | None:
    """Return the size stored in a cache, (0, 0) if it has none, ``None`` if it is broken."""
    import numpy as np

    try:
        with np.load(file, allow_pickle=False) as arrays:
            for key in arrays.files:
                if key.startswith("original_size"):
                    width, height = (int(value) for value in arrays[key].ravel()[:2])
                    return width, height
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    return 0, 0


def _span(nanoseconds: int) -> str:
    seconds = nanoseconds / 1e9
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 1 else "less than 1 s"
