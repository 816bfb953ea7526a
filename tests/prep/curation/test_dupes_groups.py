"""How comparisons become groups; what is alike is given as a table here."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace

import numpy as np
import pytest

from prep.curation.duplicates.best import KeepRanking
from prep.curation.duplicates.comparer import Candidate, PairComparer
from prep.curation.duplicates.comparison import NOTHING_ALIKE, Comparison
from prep.curation.duplicates.groups import UNCERTAIN, DuplicateGroup, Search
from prep.curation.duplicates.neighbours import MIRRORED, UPRIGHT, Candidates
from prep.dataset.index import ImageRow, Index
from prep.project import Project

Alike = Mapping[tuple[int, int, int], Comparison]
"""(first picture, second picture, turn) -> what tells them apart."""
Pairs = Sequence[Set[int]]


class Everybody:
    """Neighbours: each picture is a candidate of every other, in the turns of a table.

    Unless their hashes are too far apart.
    """

    def __init__(self, alike: Alike, far: Pairs) -> None:
        self._alike, self._far = alike, far

    def of(self, position: int) -> Candidates:
        near = [each for each in self._alike if {*each[:2]} not in self._far]
        found = [(b, turn) for a, b, turn in near if a == position]
        places, turns = [b for b, _ in found], [turn for _, turn in found]
        bits = np.zeros(len(found), np.uint8)
        return Candidates(np.array(places, np.int64), np.array(turns, np.uint8), bits)


def searched(
    project: Project, monkeypatch: pytest.MonkeyPatch, count: int, alike: Alike, far: Pairs = ()
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return the members of each kept picture, and what is uncertain.

    Of equals the one with the lower number is best.
    """
    both = {(b, a, turn): swapped(seen) for (a, b, turn), seen in alike.items()} | dict(alike)

    def compared(
        _comparer: PairComparer, position: int, candidates: Sequence[Candidate]
    ) -> list[Comparison]:
        return [both.get((position, c.position, c.turn), NOTHING_ALIKE) for c in candidates]

    monkeypatch.setattr(PairComparer, "compare", compared)
    rows = {n: [picture(f"{n}.png", 9 - n)] for n in range(count)}
    neighbours = Everybody(both, far)
    with Index(project) as index:
        search = Search(index, rows, neighbours, KeepRanking(project))  # type: ignore[arg-type]
        found = [cluster for cluster in search.clusters() if isinstance(cluster, DuplicateGroup)]
        return by_kept(found), by_kept(search.apart(UNCERTAIN))


def by_kept(groups: Iterable[DuplicateGroup]) -> dict[str, list[str]]:
    return {each.keep.path: [member.row.path for member in each.members] for each in groups}


def swapped(seen: Comparison) -> Comparison:
    return replace(seen, overlay={1: 2, 2: 1}.get(seen.overlay, 0))


def picture(path: str, side: int) -> ImageRow:
    about = (9, 9, side, side, "PNG", 1, False, 1, None, path, None, None, None)
    return ImageRow(1, path, "10_mochi", *about)


def test_another_clean_version_is_kept_when_the_first_is_too_far(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 0 has words over it. 1 lacks them, but seen from 1 they are two pictures.
    signed, same = Comparison(0.29, overlay=1), Comparison(0.01)
    alike = {(0, n, 0): signed for n in (1, 2, 3)} | {(1, 0, 0): NOTHING_ALIKE, (2, 3, 0): same}
    assert searched(project, monkeypatch, 4, alike)[0] == {"2.png": ["0.png", "3.png"]}
    alone = {(0, 1, 0): signed, (1, 0, 0): NOTHING_ALIKE}
    assert searched(project, monkeypatch, 2, alone)[0] == {}


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_copy_whose_hash_is_only_close_to_that_of_another_copy_is_found(
    project: Project, monkeypatch: pytest.MonkeyPatch, mirrored: bool
) -> None:
    same, turn = Comparison(0.1), MIRRORED if mirrored else UPRIGHT
    # 1 is a mirror image, of which 2 is one: then 2 is 0 as it was.
    alike = {(0, 1, turn): same, (1, 2, turn): same, (0, 2, UPRIGHT): same}
    far = [{0, 2}]
    groups, _ = searched(project, monkeypatch, 3, alike, far)
    assert {kept: sorted(others) for kept, others in groups.items()} == {
        "0.png": ["1.png", "2.png"]
    }
    # Every member of a group was compared with the kept one.
    alike[0, 2, UPRIGHT] = NOTHING_ALIKE
    assert searched(project, monkeypatch, 3, alike, far) == ({"0.png": ["1.png"]}, {})


def test_an_uncertain_copy_makes_the_others_no_less_sure(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3 has a mark over 0, 1 and 2, which are the same; against 0, it is not quite sure."""
    same, marked = Comparison(0.1), Comparison(3.0, overlay=2)
    alike = {(0, 1, 0): same, (0, 2, 0): same, (1, 2, 0): same, (1, 3, 0): marked}
    alike |= {(0, 3, 0): Comparison(3.0, 0.01, uncertain=True), (2, 3, 0): marked}
    groups, uncertain = searched(project, monkeypatch, 4, alike)
    assert {kept: sorted(others) for kept, others in groups.items()} == {
        "0.png": ["1.png", "2.png"]
    }
    assert uncertain == {"0.png": ["3.png"]}


@pytest.mark.parametrize("marked", [0, 1, 2])
def test_a_mark_that_hides_what_tells_two_variants_apart_joins_neither(
    project: Project, monkeypatch: pytest.MonkeyPatch, marked: int
) -> None:
    one, other = (n for n in range(3) if n != marked)
    over = Comparison(3.0, overlay=1)
    alike = {(marked, one, 0): over, (marked, other, 0): over}
    alike[one, other, 0] = Comparison(2.0, 0.01)
    groups, uncertain = searched(project, monkeypatch, 3, alike)
    assert groups == {}
    assert f"{marked}.png" in {path for kept in uncertain.items() for path in (kept[0], *kept[1])}
