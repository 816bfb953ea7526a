"""From candidates to groups: each picture is kept, or is a version of a better one.

Every member of a group was compared with the kept picture itself, so that chains of small
differences never join pictures that differ much.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prep.curation.duplicates import hash_store
from prep.curation.duplicates.best import KeepRanking
from prep.curation.duplicates.comparer import Candidate, PairComparer, turned_back
from prep.curation.duplicates.comparison import Comparison
from prep.curation.duplicates.neighbours import (
    MIRRORED,
    TURNS,
    UPRIGHT,
    Candidates,
    EitherNeighbours,
    joined,
    relative,
)
from prep.dataset.index import ImageRow, Index

REASONS = ("exact", "near", "mirrored", "rotated")
"""Reasons for duplicates, in the order in which groups are reported."""
UNCERTAIN, VARIANT = "uncertain", "variant"
APART = (UNCERTAIN, VARIANT, "crop")
"""Reasons for pictures that are not, or not surely, duplicates: never excluded automatically."""

_MANY, _NEAREST = 64, 8
"""Maximum of candidates that are compared, the most similar ones."""
_COARSE, _EQUAL = 8, 1e-3
"""Side of the pictures that rank many candidates, and the difference below which they are equal."""
_MAYBE_EQUAL_BITS, _MAYBE_EQUAL = 6, 0.3
"""Maximum difference at which pixels may be identical."""
_ENOUGH_TO_VOTE = 3
_LINKS = 6
"""Pictures unlike the kept one that each of its copies is compared with: it may be theirs."""
_CUT = 0.03
"""Difference of aspect ratios from which a copy shows another part of the picture."""


class GroupMember(NamedTuple):
    """One version of the kept picture.

    Attributes:
        row: The image.
        reason: exact, near, mirrored, rotated, uncertain, variant or crop.
        bits: Hamming distance of the hashes.
        detail: How it differs from the kept one.
        turn: Transform from the kept picture to this one; an index into ``TURNS``.
    """

    row: ImageRow
    reason: str
    bits: int
    detail: str
    turn: int = UPRIGHT


@dataclass(frozen=True)
class DuplicateGroup:
    """A kept image, and the images that show the same picture or are related.

    ``why`` is empty if the ranking of versions gives the reason.
    """

    keep: ImageRow
    members: Sequence[GroupMember] = field(default_factory=list)
    why: str = ""


class Search:
    """Groups the pictures in ``rows``, which are keyed by position, using an open index."""

    def __init__(
        self,
        index: Index,
        rows: Mapping[int, Sequence[ImageRow]],
        neighbours: EitherNeighbours,
        ranking: KeepRanking,
        *,
        variants: bool = False,
    ) -> None:
        """Prepare a search.

        Args:
            index: With thumbnails of all pictures that have candidates.
            rows: Position in ``neighbours`` -> images with one content, best first.
            neighbours: The candidates.
            ranking: Ranks versions.
            variants: Also find variants, which differ in a detail.
        """
        self._index, self._rows, self._neighbours = index, rows, neighbours
        self._ranking, self._variants = ranking, variants
        self._comparer = PairComparer(index, rows)
        self._coarse: NDArray[np.float32] | None = None
        firsts = ranking.roughly_best_first(images[0] for images in rows.values())
        by_path = {images[0].path: position for position, images in rows.items()}
        self._order = [by_path[row.path] for row in firsts]
        self._free = np.zeros(max(self._order, default=-1) + 1, np.bool_)
        self._free[self._order] = True
        self._apart: list[tuple[int, Candidate, Comparison]] = []
        self._ambiguous: set[frozenset[int]] = set()
        self.kept: set[int] = set()

    def __len__(self) -> int:
        """Return the number of pictures that ``clusters`` processes."""
        return len(self._order)

    def clusters(self) -> Iterator[DuplicateGroup | None]:
        """Yield, for each picture, its group, or ``None`` if it has none."""
        try:
            for position in self._order:
                cluster = None
                while self._free[position]:
                    if cluster is not None:
                        yield cluster
                    # Still free afterwards: the better version is too far from it. The next one is
                    # tried; each try leaves one free picture less.
                    cluster = self._around(position)
                yield cluster
        finally:
            self._comparer.save()

    def _around(self, position: int, *, anyhow: bool = False) -> DuplicateGroup | None:
        """Return the group of a picture, or of a version without an overlay."""
        self._free[position] = False
        found = self._same(position)
        if self._contradict(found):
            self._release(position, found)
            found = []
        clean = _cleaner(found)
        best = self._best(clean or [position, *_unmarked(found)])
        if best != position and not anyhow:
            for place in (position, *(candidate.position for candidate, _ in found)):
                self._free[place] = True
            cluster = self._around(best, anyhow=True)
            if cluster is None or not clean:
                return cluster
            name = self._rows[position][0].path.rpartition("/")[2]
            why = f"{name} seems to have an overlay (text or a watermark)"
            return replace(cluster, why=why)
        self.kept.add(position)
        keep, *copies = self._rows[position]
        members = [GroupMember(row, "exact", 0, "the same bytes") for row in copies]
        for candidate, seen in found:
            members += self._versions(keep, candidate, seen)
        return DuplicateGroup(keep, self._sorted(members)) if members else None

    def _best(self, positions: Sequence[int]) -> int:
        """Return the best of several versions of one picture."""
        by_path = {self._rows[position][0].path: position for position in positions}
        best = self._ranking.best_first(self._rows[position][0] for position in positions)
        return by_path[best[0].path]

    def _sorted(self, members: Sequence[GroupMember]) -> list[GroupMember]:
        """Sort by reason, and the best first."""
        by_path = {member.row.path: member for member in members}
        best = self._ranking.best_first(member.row for member in members)
        ranked = [by_path[row.path] for row in best]
        return sorted(ranked, key=lambda member: REASONS.index(member.reason))

    def apart(self, reason: str) -> Iterator[DuplicateGroup]:
        """Yield kept pictures with those that may be copies of them, or are variants.

        Call it after ``clusters``.

        Args:
            reason: ``UNCERTAIN`` or ``VARIANT``.
        """
        shown: set[int] = set()
        found: dict[int, list[tuple[Candidate, Comparison]]] = {}
        for position, candidate, seen in self._apart:
            kept = position in self.kept and candidate.position in self.kept
            if kept and seen.uncertain == (reason == UNCERTAIN):
                found.setdefault(position, []).append((candidate, seen))
        for position, pairs in found.items():
            new = [pair for pair in pairs if pair[0].position not in shown]
            if position in shown or not new:
                continue
            shown |= {position, *(candidate.position for candidate, _ in new)}
            members = [
                GroupMember(
                    self._rows[candidate.position][0],
                    reason,
                    candidate.bits,
                    _differing(candidate.turn, seen),
                    candidate.turn,
                )
                for candidate, seen in new
            ]
            yield DuplicateGroup(self._rows[position][0], members)

    def _same(self, position: int) -> list[tuple[Candidate, Comparison]]:
        """Return the free candidates that are the same picture, and claim them.

        Candidates of its copies are candidates, too: the hash of a copy that was edited twice may
        be too far from that of the best version.
        """
        found: list[tuple[Candidate, Comparison]] = []
        unlike: dict[int, tuple[Candidate, Comparison]] = {}
        near: dict[int, list[Candidate]] = {}
        candidates = self._worth_a_look(position)
        waiting = self._compared(position, candidates, found, unlike)
        tried = {position, *(candidate.position for candidate in candidates)}
        while waiting:
            copy = waiting.pop()
            near[copy.position] = self._worth_a_look(copy.position)
            further = [
                each._replace(turn=joined(copy.turn, each.turn))
                for each in near[copy.position]
                if each.position not in tried
            ]
            tried |= {each.position for each in further}
            waiting += self._compared(position, further, found, unlike)
        doubted = self._doubted(position, found, unlike, near)
        certain = [pair for pair in found if pair[0].position not in doubted]
        self._release(position, [pair for pair in found if pair[0].position in doubted])
        for place, (candidate, seen) in unlike.items():
            if self._free[place] and (seen.uncertain or place in doubted):
                self._apart.append((position, candidate, replace(seen, uncertain=True)))
            elif self._free[place] and self._variants:
                self._apart.append((position, candidate, seen))
        return certain

    def _doubted(
        self,
        position: int,
        found: Sequence[tuple[Candidate, Comparison]],
        unlike: Container[int],
        near: Mapping[int, Sequence[Candidate]],
    ) -> set[int]:
        """Return the positions of pictures that may be of the kept picture, or of another one.

        They are those of ``unlike`` that are the same as a copy of the kept one with a mark, and
        that copy: its mark may hide what tells the two apart, so it joins neither of them.
        """
        doubted: set[int] = set()
        for copy, _ in found:
            others = [c for c in near[copy.position] if c.position in unlike]
            others = sorted((c for c in others if self._free[c.position]), key=lambda c: c.bits)
            compared = self._comparer.compare(copy.position, others[:_LINKS])
            for other, again in zip(others, compared, strict=False):
                if again.same and again.overlay == 1:  # the copy has what the other one lacks
                    doubted |= {copy.position, other.position}
                    for either in (position, other.position):
                        self._ambiguous.add(frozenset((copy.position, either)))
        return doubted

    def _release(self, position: int, pairs: Sequence[tuple[Candidate, Comparison]]) -> None:
        """Leave pictures to others: they are uncertain copies of this one."""
        for candidate, seen in pairs:
            self._free[candidate.position] = True
            self._apart.append((position, candidate, replace(seen, uncertain=True)))

    def _contradict(self, found: Sequence[tuple[Candidate, Comparison]]) -> bool:
        """Return whether a picture with a mark is the same as several that are not the same."""
        clean = [candidate for candidate, seen in found if seen.overlay == 1]
        if len(clean) < 2:
            return False
        first = clean[0]
        others = [c._replace(turn=relative(first.turn, c.turn)) for c in clean[1:]]
        compared = self._comparer.compare(first.position, others)
        return any(seen.variant or seen.uncertain for seen in compared)

    def _compared(
        self,
        position: int,
        candidates: Sequence[Candidate],
        found: list[tuple[Candidate, Comparison]],
        unlike: dict[int, tuple[Candidate, Comparison]],
    ) -> list[Candidate]:
        """Compare with candidates, sort them into two lists, and return the copies."""
        copies = []
        compared = self._comparer.compare(position, candidates)
        for candidate, seen in zip(candidates, compared, strict=True):
            if not self._free[candidate.position]:
                continue  # already found, in another transform
            if seen.same and frozenset((position, candidate.position)) in self._ambiguous:
                seen = replace(seen, uncertain=True)
            if seen.same:
                self._free[candidate.position] = False
                found.append((candidate, seen))
                copies.append(candidate)
            elif seen.uncertain or seen.variant:
                unlike.setdefault(candidate.position, (candidate, seen))
        return copies

    def _worth_a_look(self, position: int) -> list[Candidate]:
        found = self._neighbours.of(position)
        found = found.only(found.positions < len(self._free))
        found = found.only(self._free[found.positions])
        if len(found.positions) > _MANY:
            found = self._most_alike(position, found)
        return [Candidate(*each) for each in zip(*(a.tolist() for a in found), strict=True)]

    def _most_alike(self, position: int, found: Candidates) -> Candidates:
        """Return all candidates that are practically equal, and the nearest of the others."""
        if self._coarse is None:
            self._coarse = self._rankings()
        others = self._coarse[found.positions]
        for number in np.unique(found.turns).tolist():
            # Transformed back to the orientation of the kept picture.
            places = np.arange(_COARSE * _COARSE).reshape(_COARSE, _COARSE)
            these = found.turns == number
            others[these] = others[these][:, turned_back(places, number).ravel()]
        off = ((others - self._coarse[position]) ** 2).mean(axis=1)
        equal = int((off < _EQUAL).sum())
        return found.only(np.argsort(off, kind="stable")[: equal + _NEAREST])

    def _rankings(self) -> NDArray[np.float32]:
        """Return tiny grey pictures, normalised against brightness."""
        coarse = np.zeros((len(self._free), _COARSE * _COARSE), np.float32)
        for position in self._order:
            picture = self._comparer.thumbnail(position)
            if picture is not None:
                side = len(picture) // _COARSE
                blocks = picture.reshape(_COARSE, side, _COARSE, side, 3)
                grey = blocks.mean(axis=(1, 3, 4), dtype=np.float32).ravel()
                coarse[position] = (grey - grey.mean()) / max(float(grey.std()), 4.0)
        return coarse

    def _versions(
        self, keep: ImageRow, candidate: Candidate, seen: Comparison
    ) -> Iterator[GroupMember]:
        """Yield the images with one content as members: all copies of the same bytes."""
        first, *copies = self._rows[candidate.position]
        reason, detail = "near", _described(keep, first, candidate, seen)
        if candidate.turn == MIRRORED:
            reason = "mirrored"
        elif candidate.turn != UPRIGHT:
            reason = "rotated"
        elif self._equal_pixels(keep, first, candidate.bits, seen):
            reason, detail = "exact", "the same pixels in another file"
        yield GroupMember(first, reason, candidate.bits, detail, candidate.turn)
        name = first.path.rpartition("/")[2]
        for row in copies:
            again = f"{detail}; the same bytes as {name}"
            yield GroupMember(row, reason, candidate.bits, again, candidate.turn)

    def _equal_pixels(self, keep: ImageRow, row: ImageRow, bits: int, seen: Comparison) -> bool:
        if bits > _MAYBE_EQUAL_BITS or seen.difference > _MAYBE_EQUAL:
            return False
        if (keep.width, keep.height) != (row.width, row.height):
            return False
        digest = hash_store.pixel_digest(self._index, keep)
        return digest is not None and digest == hash_store.pixel_digest(self._index, row)


def shows_all(keep: ImageRow, member: GroupMember) -> bool:
    """Return whether a duplicate shows the whole same picture, judged by its aspect ratio."""
    width, height = member.row.width, member.row.height
    if member.turn >= len(TURNS) // 2:
        width, height = height, width
    ratio = keep.width * height / max(1, keep.height * width)
    return abs(ratio - 1) < _CUT


def _unmarked(found: Sequence[tuple[Candidate, Comparison]]) -> list[int]:
    """Return the versions that differ from the picture compared with them in no overlay."""
    return [candidate.position for candidate, seen in found if not seen.overlay]


def _cleaner(found: Sequence[tuple[Candidate, Comparison]]) -> list[int]:
    """Return the versions without the overlay of the picture they were compared with.

    Most versions of a clean picture are clean; with few versions, the overlay itself is judged.
    """
    differing = [(candidate, seen) for candidate, seen in found if seen.overlay]
    if len(found) >= _ENOUGH_TO_VOTE:
        return [c.position for c, _ in differing] if 2 * len(differing) > len(found) else []
    return [candidate.position for candidate, seen in differing if seen.overlay == 1]


def _differing(number: int, seen: Comparison) -> str:
    words = [TURNS[number]] if number else []
    words.append(f"{100 * seen.area:.1f} % of it differs")
    if seen.uncertain and seen.overlay:
        words.append("possibly text or a watermark")
    return ", ".join(words)


def _described(keep: ImageRow, row: ImageRow, candidate: Candidate, seen: Comparison) -> str:
    words = [TURNS[candidate.turn]] if candidate.turn else []
    if (row.width, row.height) != (keep.width, keep.height):
        words.append(f"{row.width}x{row.height}")
    if seen.overlay == 2:
        words.append("with an overlay")
    elif seen.overlay == 1:
        words.append("without the overlay of the kept one")
    if seen.recoloured:
        words.append("other colours")
    words.append(f"differs by {seen.difference:.2f}")
    return ", ".join(words)
