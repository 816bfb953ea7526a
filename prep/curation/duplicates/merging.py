"""Merge captions, masks and sidecars of duplicates into the kept image.

The caption of a mirror image names its own sides ("looking to the left"): its tags
swap sides when merged, and tags that cannot be converted safely are omitted.
"""

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image

from prep import captions
from prep.captions.sentences import is_sentence
from prep.curation.duplicates.best import KeepRanking
from prep.curation.duplicates.neighbours import MIRRORED, UPRIGHT, turn
from prep.dataset.index import ImageRow
from prep.dataset.journal.changes import CAPTION, Change, caption_change, content_change
from prep.dataset.journal.sidecars import CAPTION_SUFFIXES, Listing, find_sidecars
from prep.images import MASK_SUFFIXES
from prep.images.opening import open_image
from prep.project import Project
from prep.texts import read_bytes

CaptionRule = Literal["union", "best", "hand-first"]

_SIDES = re.compile(r"(?<![^\W_])(left|right)(?![^\W_])", re.IGNORECASE)
_DIRECTIONS = re.compile(
    r"(?<![^\W_])(left|right|up|down|above|below|upside|sideways|horizontal|vertical)(?![^\W_])",
    re.IGNORECASE,
)
_WORDS_OF_A_TAG = 5
"""Longer texts are sentences, in which "right" may mean anything."""
_LARGEST_SIDECAR = 8_000_000
_SAME_SHAPE = 0.02
"""Tolerance of the aspect ratio of a mask against that of its image."""


class MergedDuplicate(NamedTuple):
    """A duplicate to merge; ``turn`` is the transform from the kept picture to it.

    ``whole`` says that it shows exactly the same part of the picture.
    """

    row: ImageRow
    turn: int
    whole: bool = True


def turned_tags(tags: Sequence[str], number: int) -> list[str]:
    """Return the tags of a transformed picture converted to the original one.

    Example:
        >>> turned_tags(["hat", "looking to the left", "bright"], MIRRORED)
        ['hat', 'looking to the right', 'bright']
    """
    if number == UPRIGHT:
        return list(tags)
    kept = []
    for tag in tags:
        if number == MIRRORED and len(re.split(r"[\s_]+", tag)) <= _WORDS_OF_A_TAG:
            kept.append(_SIDES.sub(_other_side, tag))
        elif not _DIRECTIONS.search(tag):
            kept.append(tag)
    return captions.unique(kept)


def _other_side(match: re.Match[str]) -> str:
    word = match[0]
    other = "right" if word.lower() == "left" else "left"
    return other.upper() if word.isupper() else other.title() if word.istitle() else other


def merged_caption(
    keep: ImageRow, copies: Sequence[MergedDuplicate], rule: CaptionRule, ranking: KeepRanking
) -> Change | None:
    """Return the change of the kept image's caption, or ``None`` for none.

    Args:
        keep: The image that stays.
        copies: Its duplicates, the best first.
        rule: ``best``: the caption of the best version that has one, which is the kept one's
            if there is one. ``hand-first``: the same, but captions written by hand come before
            others. ``union``: the tags of the kept image, then those that only copies have.
        ranking: Ranking that knows which captions were written by hand.
    """
    if keep.caption_error is not None:
        return None
    sources = [MergedDuplicate(keep, UPRIGHT)] if keep.caption is not None else []
    sources += [c for c in copies if c.row.caption is not None and c.row.caption_error is None]
    if not sources:
        return None
    if rule == "union":
        change = _union(keep, sources)
    else:
        if rule == "hand-first":
            sources = sorted(sources, key=lambda c: ranking.caption_rank(c.row), reverse=True)
        change = _taken_over(keep, sources[0])
    return None if change.before == change.after else change


def _union(keep: ImageRow, sources: Sequence[MergedDuplicate]) -> Change:
    tags = list(keep.tags)
    for copy in sources:
        tags = captions.add(tags, turned_tags(copy.row.tags, copy.turn))
    own = len(keep.tags)
    tags[own:] = sorted(tags[own:], key=is_sentence)  # as in manual captions: tags, then sentences
    if keep.caption is None and sources[0].turn == UPRIGHT:
        # The other lines of the first caption are kept; sentences are not merged.
        text = captions.with_tags(sources[0].row.caption or "", tags)
        return Change(keep.path, CAPTION, None, text)
    return caption_change(keep.path, keep.caption, tags)


def _taken_over(keep: ImageRow, source: MergedDuplicate) -> Change:
    if source.turn == UPRIGHT:
        return Change(keep.path, CAPTION, keep.caption, source.row.caption)
    tags = turned_tags(source.row.tags, source.turn)
    return caption_change(keep.path, keep.caption, tags)


class Carried(NamedTuple):
    """Sidecars to copy to the kept image, and (path, reason) of those that cannot be copied."""

    changes: list[Change]
    refused: list[tuple[str, str]]


def carried_files(
    project: Project,
    keep: ImageRow,
    copies: Sequence[MergedDuplicate],
    listing: Listing | None = None,
) -> Carried:
    """Copy masks and other sidecars of duplicates to the kept image, if it has none.

    Masks are transformed and scaled with the picture. Trainer caches are not copied: they contain
    other pixels and are recreated. The caption file itself is for ``merged_caption``; ``listing``
    saves reading folders again.
    """
    image = project.root / keep.path
    caption = project.caption_file(keep.path)
    taken = {file.name for file in find_sidecars(image, listing)} | {caption.name}
    found = Carried([], [])
    for copy in copies:
        source = project.root / copy.row.path
        for file in find_sidecars(source, listing):
            suffix = file.name.removeprefix(source.stem)
            target = image.with_name(image.stem + suffix)
            if target.name in taken or not _is_carried(suffix, copy):
                continue
            data = _read(file)
            if data is not None and suffix in MASK_SUFFIXES:
                data = turned_mask(data, copy, keep)
            if data is None:
                reason = "it does not fit the kept image; recreate it if you need it"
                found.refused.append((project.relative(file), reason))
                continue
            taken.add(target.name)
            found.changes.append(content_change(project.relative(target), None, data))
    return found


def _is_carried(suffix: str, copy: MergedDuplicate) -> bool:
    if suffix in MASK_SUFFIXES:
        return True
    return suffix in CAPTION_SUFFIXES and copy.turn == UPRIGHT


def _read(file: Path) -> bytes | None:
    try:
        return read_bytes(file, _LARGEST_SIDECAR)
    except OSError:
        return None


def turned_mask(data: bytes, copy: MergedDuplicate, keep: ImageRow) -> bytes | None:
    """Return the mask of a copy transformed for the kept image, or ``None`` if it cannot fit."""
    if not copy.whole:
        return None
    try:
        with open_image(io.BytesIO(data)) as opened:
            opened.load()
            mask = opened.copy()
    except Exception:  # broken in any way: there is nothing to copy
        return None
    if not _same_shape(mask.size, (copy.row.width, copy.row.height)):
        return None
    size = (keep.width, keep.height)
    if copy.turn == UPRIGHT and mask.size == size:
        return data
    if mask.mode not in ("L", "RGB", "RGBA"):
        mask = mask.convert("L")
    # The transform is from the kept picture to the copy; undo it.
    back = np.asarray(mask, np.uint8)
    back = turn(back, _INVERSE.get(copy.turn, copy.turn))
    upright = Image.fromarray(back)
    if not _same_shape(upright.size, size):
        return None
    out = io.BytesIO()
    upright.resize(size, Image.Resampling.BILINEAR).save(out, "PNG", compress_level=6)
    return out.getvalue()


_INVERSE = {5: 6, 6: 5}
"""All transforms except the two quarter turns are their own inverse."""


def _same_shape(first: tuple[int, int], second: tuple[int, int]) -> bool:
    ratio = (first[0] * second[1]) / max(1, first[1] * second[0])
    return abs(ratio - 1) <= _SAME_SHAPE
