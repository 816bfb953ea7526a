"""How comparisons become groups; what is alike is given as a table here."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from prep.curation.duplicates.best import KeepRanking
from prep.curation.duplicates.comparer import Candidate, PairComparer
from prep.curation.duplicates.comparison import NOTHING_ALIKE, Comparison
from prep.curation.duplicates.groups import DuplicateGroup, Search
from prep.curation.duplicates.neighbours import Candidates
from prep.dataset.index import ImageRow, Index
from prep.project import Project

Alike = Mapping[tuple[int, int, int], Comparison]
"""(first picture, second picture, turn) -> what tells them apart."""


class Everybody:
    """Neighbours: each picture is a candidate of every other, in the turns of a table."""

    def __init__(self, alike: Alike) -> None:
        self._alike = alike

    def of(self, position: int) -> Candidates:
        found = [(b, turn) for a, b, turn in self._alike if a == position]
        places, turns = [b for b, _ in found], [turn for _, turn in found]
        bits = np.zeros(len(found), np.uint8)
        return Candidates(np.array(places, np.int64), np.array(turns, np.uint8), bits)


def clusters(
    project: Project, monkeypatch: pytest.MonkeyPatch, count: int, alike: Alike
) -> dict[str, list[str]]:
    """Return the members of each kept picture; of equals the one with the lower number is best."""
    both = {(b, a, turn): swapped(seen) for (a, b, turn), seen in alike.items()} | dict(alike)

    def compared(
        _comparer: PairComparer, position: int, candidates: Sequence[Candidate]
    ) -> list[Comparison]:
        return [both.get((position, c.position, c.turn), NOTHING_ALIKE) for c in candidates]

    monkeypatch.setattr(PairComparer, "compare", compared)
    rows = {n: [picture(f"{n}.png", 9 - n)] for n in range(count)}
    with Index(project) as index:
        search = Search(index, rows, Everybody(both), KeepRanking(project))  # type: ignore[arg-type]
        found = [cluster for cluster in search.clusters() if isinstance(cluster, DuplicateGroup)]
    return {c.keep.path: [member.row.path for member in c.members] for c in found}


def swapped(seen: Comparison) -> Comparison:
    return Comparison(seen.difference, seen.area, {1: 2, 2: 1}.get(seen.overlay, 0))


def picture(path: str, side: int) -> ImageRow:
    about = (9, 9, side, side, "PNG", 1, False, 1, None, path, None, None, None)
    return ImageRow(1, path, "10_mochi", *about)


def test_another_clean_version_is_kept_when_the_first_is_too_far(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 0 has words over it. 1 lacks them, but seen from 1 they are two pictures.
    signed, same = Comparison(0.29, overlay=1), Comparison(0.01)
    alike = {(0, n, 0): signed for n in (1, 2, 3)} | {(1, 0, 0): NOTHING_ALIKE, (2, 3, 0): same}
    assert clusters(project, monkeypatch, 4, alike) == {"2.png": ["0.png", "3.png"]}
    alone = {(0, 1, 0): signed, (1, 0, 0): NOTHING_ALIKE}
    assert clusters(project, monkeypatch, 2, alone) == {}
