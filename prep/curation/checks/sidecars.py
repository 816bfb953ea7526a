"""Rules about caption files and their images: missing, misnamed, borrowed, left over.

sd-scripts: if ``<path without suffix>.txt`` is missing and the path, with folders, has five
parts or more between underscores, the path without its last four parts is tried
(``library/train_util.py``, ``read_caption``).
"""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterator

from prep.curation.checks.caption_codes import SIDECAR_CODES
from prep.curation.checks.captions import fixed
from prep.curation.checks.codes import Problem
from prep.curation.checks.view import (
    ALIASES,
    CAPTION_ENDINGS,
    CheckedFolder,
    CheckedImage,
    DatasetView,
    ending,
    is_mask,
)
from prep.dataset.journal.changes import Change, content_change
from prep.images import MASK_SUFFIXES, is_image_name
from prep.language import quantity

CODES = SIDECAR_CODES
_PARTS = 5
_DROPPED = 4


def find(view: DatasetView) -> Iterator[Problem]:
    """Yield captions that are missing, misnamed, doubled or left over."""
    for place in view.places:
        loose = _Loose(view, place)
        for stem, pictures in place.stems.items():
            if stem + view.extension in place.all_names:
                yield from _doubled(view, place, stem)
            else:
                yield from _without(view, place, loose, pictures)
        yield from loose.left_over()
        masks = [name for name in place.names if is_mask(name)]
        if masks:
            yield Problem(
                "mask-trained", place.path, f"{quantity(len(masks), 'file')}, such as {masks[0]}"
            )


def changes(view: DatasetView, wanted: frozenset[str]) -> Iterator[Change]:
    """Yield the changes that rename misnamed captions and fix their texts."""
    if "caption-elsewhere" not in wanted or not view.indexed_captions:
        return  # shikomi.toml has another suffix than the trainer: to be fixed there
    for place in view.places:
        loose = _Loose(view, place)
        for stem, pictures in place.stems.items():
            if stem + view.extension in place.all_names:
                continue
            names = loose.candidates(pictures)
            raw = view.caption_bytes(place.file(names[0])) if len(names) == 1 else None
            if raw is None:
                continue
            # Removed here and written there, rather than moved, since the text may also
            # be fixed, and undo reverts the changes in another order.
            yield content_change(place.file(names[0]), raw, None)
            after = fixed(view, place, raw, wanted)
            if after is not None:
                yield content_change(place.file(stem + view.extension), None, after)


def _without(
    view: DatasetView, place: CheckedFolder, loose: "_Loose", pictures: list[CheckedImage]
) -> Iterator[Problem]:
    """Yield the problems of images without a caption file."""
    names = loose.candidates(pictures)
    path = pictures[0].path
    if len(names) == 1:
        message = f"its caption is {names[0]}, not {pictures[0].stem}{view.extension}"
        yield Problem("caption-elsewhere", path, message, view.indexed_captions)
    elif names:
        yield Problem("caption-elsewhere", path, f"its caption could be {' or '.join(names)}")
    elif view.trainer == "sd-scripts" and (other := _borrowed(view, path)):
        loose.lend(other)
        yield Problem("caption-borrowed", path, f"reads {other}")
    else:
        named = view.trainer == "sd-scripts" and place.depth == 1 and "_" in place.label
        words = f"used instead: {place.label.partition('_')[2]}" if named else "no caption"
        yield Problem("caption-missing", path, words)


def _doubled(view: DatasetView, place: CheckedFolder, stem: str) -> Iterator[Problem]:
    for suffix in CAPTION_ENDINGS:
        other = stem + suffix
        if suffix != view.extension and other in place.all_names:
            first = view.caption_bytes(place.file(stem + view.extension))
            second = view.caption_bytes(place.file(other))
            if first is not None and second is not None and first.strip() != second.strip():
                yield Problem("caption-two-files", place.file(other), f"beside {view.extension}")


def _borrowed(view: DatasetView, path: str) -> str | None:
    """Return the caption file that sd-scripts reads in place of a missing one."""
    parts = os.path.splitext(str(view.project.root / path))[0].split("_")  # noqa: PTH122
    if len(parts) < _PARTS:
        return None
    other = "_".join(parts[:-_DROPPED]) + view.extension
    if not view.is_file(other):
        return None
    root = f"{view.project.root}/"
    return other.removeprefix(root)


class _Loose:
    """The caption files of a folder that do not match the name of any image."""

    def __init__(self, view: DatasetView, place: CheckedFolder) -> None:
        self._place, self._extension = place, view.extension
        self._by_key: defaultdict[str, list[str]] = defaultdict(list)
        self._names: list[str] = []
        stems = place.image_stems
        for name, stem, suffix in place.parts:
            read = suffix in CAPTION_ENDINGS
            if (read and stem in stems) or suffix.lower() not in CAPTION_ENDINGS:
                continue
            self._names.append(name)
            self._by_key[_key(_bare(stem))].append(name)
        self._claims: dict[str, str] = {}

    def candidates(self, pictures: list[CheckedImage]) -> list[str]:
        """Return the files that could be the caption of images with one stem."""
        found = [
            name
            for suffix in CAPTION_ENDINGS
            if (name := pictures[0].stem + suffix) in self._place.all_names
        ]
        if not found and self._by_key:
            found = self._by_key.get(_key(pictures[0].stem), [])
        stem = pictures[0].stem
        return [name for name in found if self._claims.setdefault(name, stem) == stem]

    def lend(self, path: str) -> None:
        """Record that a trainer reads the file for another image."""
        self._claims[path.rpartition("/")[2]] = path

    def left_over(self) -> Iterator[Problem]:
        """Yield captions and masks without an image; call it after all images are processed."""
        stems = self._place.image_stems
        for name in self._names:
            if name not in self._claims and _bare(ending_less(name)) not in stems:
                yield Problem(
                    "caption-orphan", self._place.file(name), "there is no image with this name"
                )
        for name in self._place.names:
            if is_mask(name) and _unmasked(name) not in stems:
                yield Problem(
                    "mask-orphan", self._place.file(name), "there is no image with this name"
                )


def ending_less(name: str) -> str:
    """Return a name without its suffix."""
    return name[: len(name) - len(ending(name))]


def _bare(stem: str) -> str:
    """Remove the image's suffix, as in ``a.png.txt``."""
    inner = ending(stem).lower()
    known = is_image_name(stem) or inner in ALIASES
    return stem[: len(stem) - len(inner)] if inner and known else stem


def _key(stem: str) -> str:
    """Return a key that is equal for names that people and systems consider the same.

    macOS decomposes accents; some tools change the case or double spaces.
    """
    return " ".join(unicodedata.normalize("NFC", stem).casefold().split())


def _unmasked(name: str) -> str:
    for suffix in MASK_SUFFIXES:
        name = name.removesuffix(suffix)
    return name
