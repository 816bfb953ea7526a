"""Find images that are the same picture: byte for byte, nearly, or mirrored.

Nothing is ever deleted: ``resolve`` excludes all but the best of each group, as one edit that
``undo`` takes back. Every image of a group was compared with the one that is kept, so chains of
small differences never join pictures that differ much.
"""

from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from prep import events, hash_store
from prep.best import best_first, why_kept
from prep.changes import CAPTION, EXCLUDED, Change, exclusion
from prep.edits import Journal
from prep.hashes import Look, distance, pairs
from prep.index import ImageRow, Index
from prep.likeness import SAME_BELOW, difference
from prep.project import Project, Section


class DupesOptions(Section):
    """What counts as a duplicate, and what to do about it."""

    distance: int = Field(10, ge=0, le=15)
    """Bits in which the 64-bit hashes of near-duplicates may differ; a closer look follows."""
    mirrored: bool = True
    """Also find mirror images."""
    variants: bool = False
    """Also group pictures that differ in a detail, such as the expression of a face."""
    resolve: Literal["none", "keep-best"] = "none"
    """keep-best excludes all but the best of each group; undo takes them in again."""


@dataclass(frozen=True)
class DuplicateGroup:
    """Versions of one picture, the best first; ``distances`` are bits from it."""

    reason: str
    rows: Sequence[ImageRow]
    distances: Sequence[int]


def run(project: Project, options: DupesOptions | None = None) -> Iterator[events.Event]:
    """Group the duplicates among the images that are readable and not excluded.

    Yields:
        Progress; Skipped for each image that cannot be decoded; Group per group, the image to
        keep first; Finished with ``images`` (looked at), ``groups``, ``duplicates`` (all but the
        kept ones), ``excluded`` and ``edit`` (its number in the history, 0 for none).

    Raises:
        UserError: The index cannot be used.
    """
    options = options or DupesOptions()
    with Index(project) as index:
        yield from hash_store.hash_contents(index, index.usable())
        yield from hash_store.hash_looks(index, index.usable())
        rows, looks = index.usable(), hash_store.looks(index)
        search = _Search(index, best_first(rows, looks), looks, options)
        if not options.variants:
            yield from hash_store.make_thumbnails(index, search.doubtful())
        found: list[DuplicateGroup] = []
        for group in search.groups():
            found.append(group)
            yield _event(group, looks)
        summary = {"images": len(rows), "groups": len(found), "duplicates": _duplicates(found)}
        resolved = {"excluded": 0, "edit": 0}
        if options.resolve == "keep-best":
            resolved = yield from _keep_best(index, found)
        yield events.Finished(summary | resolved)


class _Search:
    """The groups among ``rows``, which come best first: each image is kept or joins a better one.

    Equal contents count once in the search for near-duplicates.
    """

    def __init__(
        self,
        index: Index,
        rows: Sequence[ImageRow],
        looks: Mapping[str, Look],
        options: DupesOptions,
    ) -> None:
        self._index, self._looks, self._options = index, looks, options
        self._copies: dict[str, list[ImageRow]] = defaultdict(list)
        for row in rows:
            if row.content is not None and row.content in looks:
                self._copies[row.content].append(row)
        self._by_hash: dict[int, list[str]] = defaultdict(list)
        for content in self._copies:
            self._by_hash[looks[content].phash].append(content)
        self._close = self._close_values()

    def _close_values(self) -> dict[int, list[int]]:
        """Return, for each hash and mirrored hash, the hashes of images near it."""
        seen = [self._looks[content] for content in self._copies]
        values = {look.phash for look in seen}
        if self._options.mirrored:
            values |= {look.mirrored for look in seen}
        ascending = np.array(sorted(values), np.uint64)
        close: dict[int, list[int]] = {value: [value] for value in values}
        for i, j in pairs(ascending, self._options.distance).tolist():
            first, second = int(ascending[i]), int(ascending[j])
            close[first].append(second)
            close[second].append(first)
        return {v: [n for n in near if n in self._by_hash] for v, near in close.items()}

    def groups(self) -> Iterator[DuplicateGroup]:
        """Yield byte copies first, then near-duplicates and mirror images."""
        for rows in self._copies.values():
            if len(rows) > 1:
                yield DuplicateGroup("exact", rows, [0] * len(rows))
        free = set(self._copies)
        for content in self._copies:
            if content not in free:
                continue
            free.remove(content)
            yield from self._around(content, "near", free)
            if self._options.mirrored:
                yield from self._around(content, "mirrored", free)

    def doubtful(self) -> list[ImageRow]:
        """Return the images whose hash is near another's: those that need a closer look."""
        reasons = ("near", "mirrored") if self._options.mirrored else ("near",)
        near = {
            each
            for content in self._copies
            for reason in reasons
            for other, _ in self._candidates(content, reason)
            for each in (content, other)
        }
        return [rows[0] for content, rows in self._copies.items() if content in near]

    def _candidates(self, content: str, reason: str) -> list[tuple[str, int]]:
        """Return (content, bits) of the other images whose hash is near enough."""
        look = self._looks[content]
        value = look.phash if reason == "near" else look.mirrored
        return [
            (other, distance(value, near))
            for near in self._close.get(value, ())
            for other in self._by_hash[near]
            if other != content
        ]

    def _around(self, content: str, reason: str, free: set[str]) -> Iterator[DuplicateGroup]:
        """Yield the group of one kept image, when it has one; its members are no longer free."""
        bits = {
            other: count
            for other, count in self._candidates(content, reason)
            if other in free and self._same_picture(content, other, reason)
        }
        free.difference_update(bits)
        if bits:
            members = best_first((self._copies[other][0] for other in bits), self._looks)
            distances = [0, *(bits[row.content or ""] for row in members)]
            yield DuplicateGroup(reason, [self._copies[content][0], *members], distances)

    def _same_picture(self, content: str, other: str, reason: str) -> bool:
        if self._options.variants:
            return True
        first = hash_store.read_thumbnail(self._index, content)
        second = hash_store.read_thumbnail(self._index, other)
        if first is None or second is None:
            return False
        return difference(first, second[:, ::-1] if reason == "mirrored" else second) < SAME_BELOW


def _event(group: DuplicateGroup, looks: Mapping[str, Look]) -> events.Group:
    paths = [row.path for row in group.rows]
    why = why_kept(group.rows, looks)
    return events.Group(group.reason, paths, paths[0], list(group.distances), why)


def _duplicates(groups: Iterable[DuplicateGroup]) -> int:
    return len({row.path for group in groups for row in group.rows[1:]})


def _keep_best(
    index: Index, groups: Sequence[DuplicateGroup]
) -> Generator[events.Event, None, dict[str, int]]:
    """Exclude the duplicates as one edit."""
    outcome = Journal(index).apply("exclude duplicates", _changes(groups))
    for path, reason in outcome.conflicts:
        yield events.Skipped(path, reason)
    excluded = sum(change.what == EXCLUDED for change in outcome.changed)
    return {"excluded": excluded, "edit": outcome.edit}


def _changes(groups: Iterable[DuplicateGroup]) -> list[Change]:
    """Return the exclusions; a kept image without a caption gets that of its best copy."""
    changes: dict[tuple[str, str], Change] = {}
    for group in groups:
        keep, *others = group.rows
        for row in others:
            reason = f"duplicate of {keep.path} ({group.reason})"
            changes.setdefault((row.path, EXCLUDED), exclusion(row.path, None, reason))
        texts = [row.caption for row in others if row.caption is not None]
        # A mirror image may be captioned by its sides ("looking left").
        if texts and keep.caption is None and not keep.caption_error and group.reason != "mirrored":
            change = Change(keep.path, CAPTION, None, texts[0])
            changes.setdefault((keep.path, CAPTION), change)
    return list(changes.values())
