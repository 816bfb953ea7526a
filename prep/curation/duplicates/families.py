"""Families: crops of one source, which show the same drawing or photograph in different cuts.

They are not duplicates: a portrait cut from a full figure teaches something else. So families are
shown, and never resolved.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing

from prep import events
from prep.curation.duplicates import hash_store, patches, votes
from prep.curation.duplicates.compared import OverlapStore
from prep.curation.duplicates.groups import DuplicateGroup, GroupMember
from prep.curation.duplicates.hashes import distance
from prep.curation.duplicates.overlaps import Overlap, OverlapSearch
from prep.dataset.index import ImageRow, Index
from prep.system.parallel import ordered

_AT_ONCE = 64
"""Pairs that a thread compares before it reports."""


def run(index: Index, rows: Sequence[ImageRow]) -> Iterator[events.Event | DuplicateGroup]:
    """Find the families among pictures that are not duplicates of each other.

    Results are stored by pair: a second run compares only new pairs.

    Yields:
        Progress and Skipped; a DuplicateGroup for each family, the picture that shows most first.
    """
    yield from patches.make(index, rows)
    rows = [row for row in rows if row.content is not None]
    known = patches.read(index, rows)
    pairs = votes.candidates([marks.patches for marks in known])
    contents = [row.content or "" for row in rows]
    remembered = OverlapStore(index)
    found = remembered.of({(a, b): (contents[a], contents[b]) for a, b in pairs})
    unseen = [pair for pair in pairs if pair not in found]
    parts = [unseen[start : start + _AT_ONCE] for start in range(0, len(unseen), _AT_ONCE)]
    throttle = events.Throttle()
    with closing(ordered(OverlapSearch(index, rows, known).closer, parts)) as looked:
        done = 0
        for part, overlaps in looked:
            seen = dict(zip(part, overlaps, strict=True))
            remembered.put((contents[a], contents[b], seen[a, b]) for a, b in part)
            found |= seen
            done += len(part)
            yield from events.tick("comparing crops", len(unseen), throttle, done)
    edges = _edges(found)
    hashes = hash_store.phashes(index)
    for family in _components(edges):
        yield _cluster(family, edges, rows, hashes)


def _edges(
    found: Mapping[tuple[int, int], Overlap | None],
) -> dict[int, list[tuple[int, Overlap]]]:
    """Return, for each picture, those that overlap it, and the overlaps."""
    edges: dict[int, list[tuple[int, Overlap]]] = defaultdict(list)
    for (first, second), overlap in sorted(found.items(), key=lambda each: each[0]):
        if overlap is not None:
            edges[first].append((second, overlap))
            edges[second].append((first, overlap.turned_round))
    return edges


def _components(edges: Mapping[int, Sequence[tuple[int, Overlap]]]) -> Iterator[list[int]]:
    seen: set[int] = set()
    for start in sorted(edges):
        if start in seen:
            continue
        family, waiting = [], [start]
        seen.add(start)
        while waiting:
            here = waiting.pop()
            family.append(here)
            new = {other for other, _ in edges[here]} - seen
            seen |= new
            waiting.extend(sorted(new))
        yield sorted(family)


def _cluster(
    family: Sequence[int],
    edges: Mapping[int, Sequence[tuple[int, Overlap]]],
    rows: Sequence[ImageRow],
    hashes: Mapping[str, int],
) -> DuplicateGroup:
    """Put the picture that shows most first, and describe which part of it the others show."""
    extent = _extents(family, edges)
    source = max(family, key=lambda each: (extent[each], rows[each].width * rows[each].height))
    direct = dict(edges[source])
    members = []
    for each in sorted(set(family) - {source}, key=lambda m: -extent[m]):
        if each in direct:
            detail = _shows(direct[each], rows[source], rows[each])
        else:
            detail = f"overlaps {rows[edges[each][0][0]].path.rpartition('/')[2]}"
        ours, theirs = hashes.get(rows[source].content or ""), hashes.get(rows[each].content or "")
        bits = 64 if ours is None or theirs is None else distance(ours, theirs)
        members.append(GroupMember(rows[each], "crop", bits, detail))
    return DuplicateGroup(rows[source], members)


def _extents(
    family: Sequence[int], edges: Mapping[int, Sequence[tuple[int, Overlap]]]
) -> dict[int, float]:
    """Return how much of the scene each picture shows, relative to the first one."""
    extent, waiting = {family[0]: 1.0}, [family[0]]
    while waiting:
        here = waiting.pop()
        for other, overlap in edges[here]:
            if other not in extent:
                extent[other] = extent[here] * overlap.first.area / overlap.second.area
                waiting.append(other)
    return extent


def _shows(overlap: Overlap, source: ImageRow, row: ImageRow) -> str:
    """Describe which part of the source a crop shows, and how much larger."""
    share = 100 * overlap.first.area
    scale = (overlap.second.right - overlap.second.left) * row.width
    scale /= max(1e-6, (overlap.first.right - overlap.first.left) * source.width)
    words = f"shows {share:.0f} % of it"
    return words if abs(scale - 1) < 0.03 else f"{words}, {scale:.2f} times as large"
