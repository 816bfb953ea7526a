import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from prep.curation.duplicates import neighbours, pairs
from prep.curation.duplicates.hashes import transposed
from prep.curation.duplicates.neighbours import MIRRORED, TURNS, UPRIGHT, Neighbours, gathered
from prep.curation.duplicates.pairs import HashPairs, close_pairs

HASHES = st.lists(st.integers(0, 2**64 - 1), max_size=60)


def brute_force(values: list[int], radius: int) -> list[tuple[int, int]]:
    return [
        (i, j)
        for i in range(len(values))
        for j in range(i + 1, len(values))
        if (values[i] ^ values[j]).bit_count() <= radius
    ]


def all_pairs(hashes: NDArray[np.uint64], radius: int) -> NDArray[np.int64]:
    """Return what ``close_pairs`` finds as positions (i, j), i < j, shape (pairs, 2), ascending."""
    found = list(close_pairs(hashes, radius))
    if not found:
        return np.empty((0, 2), np.int64)
    first = np.concatenate([block.first for block in found])
    second = np.concatenate([block.second for block in found])
    result = np.stack((np.minimum(first, second), np.maximum(first, second)), axis=1)
    return np.array(sorted(result.tolist()), np.int64)


def related(seed: int, count: int) -> NDArray[np.uint64]:
    """Random hashes, each third one a few bits away from another."""
    random = np.random.default_rng(seed)
    values = random.integers(0, 2**64, count, np.uint64)
    for place in range(0, count - 1, 3):
        for bit in random.choice(64, int(random.integers(0, 14)), replace=False):
            values[place] = values[place + 1] ^ (np.uint64(1) << np.uint64(bit))
    return values


@settings(max_examples=40, deadline=None)
@given(HASHES, st.integers(0, 15), st.sampled_from([0, 3, 4, 5]))
def test_pairs_are_complete(values: list[int], radius: int, words: int) -> None:
    # Neighbours of what is there: random hashes alone are never near each other.
    values += [value ^ (0b1011 << (value % 60)) for value in values]
    array = np.array(values, np.uint64)
    with pytest.MonkeyPatch.context() as patch:
        if words:
            # Words of 3 take long lists of flipped bits: only small allowances here.
            words = max(words, 3 + (radius > 6))
            patch.setattr(pairs, "_BRUTE_FORCE_UP_TO", 0)
            patch.setattr(pairs, "_words", lambda r, _n, _m: pairs._split(r, words))
        assert [tuple(pair) for pair in all_pairs(array, radius).tolist()] == brute_force(
            values, radius
        )


@pytest.mark.parametrize("radius", [0, 3, 4, 8, 10, 12, 15])
def test_the_two_ways_to_find_pairs_agree(monkeypatch: pytest.MonkeyPatch, radius: int) -> None:
    values = related(radius, 1500)
    expected = all_pairs(values, radius)
    monkeypatch.setattr(pairs, "_BRUTE_FORCE_UP_TO", 0)
    monkeypatch.setattr(pairs, "_AT_ONCE", 97)  # many small parts
    assert np.array_equal(all_pairs(values, radius), expected)
    assert radius == 0 or len(expected) > 0


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 10))
def test_pairs_between_two_lists_are_complete(seed: int, radius: int) -> None:
    values = related(seed, 200)
    first, second = values[::2], values[1::2]
    expected = {
        (i, j)
        for i, one in enumerate(first.tolist())
        for j, two in enumerate(second.tolist())
        if (one ^ two).bit_count() <= radius
    }
    with pytest.MonkeyPatch.context() as patch:
        for limit in (10**9, 0):
            patch.setattr(pairs, "_BRUTE_FORCE_UP_TO", limit)
            found = list(close_pairs(first, radius, second))
            places = [
                p for b in found for p in zip(b.first.tolist(), b.second.tolist(), strict=True)
            ]
            assert len(places) == len(set(places))
            assert set(places) == expected
            for block in found:
                for i, j, bits in zip(*block, strict=True):
                    assert (int(first[i]) ^ int(second[j])).bit_count() == bits


@given(st.integers(0, 15), st.integers(3, 5))
def test_words_cover_all_bits_and_miss_nothing(radius: int, count: int) -> None:
    words = pairs._split(radius, count)
    assert sum(word.width for word in words) == 64
    assert [word.low for word in words[1:]] == [w.low + w.width for w in words[:-1]]
    assert sum(word.flips + 1 for word in words) > radius


def test_equal_hashes_are_all_paired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "_BRUTE_FORCE_UP_TO", 0)
    assert len(all_pairs(np.zeros(100, np.uint64), 8)) == 100 * 99 // 2
    assert all_pairs(np.empty(0, np.uint64), 8).shape == (0, 2)


def turned(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Stand-ins for the hashes of the turned pictures."""
    return np.stack([hashes, ~hashes, hashes ^ np.uint64(0xFF), hashes >> np.uint64(1)])


@settings(max_examples=25, deadline=None)
@given(HASHES, st.integers(0, 12))
def test_neighbours_are_those_within_the_radius_in_any_turn(values: list[int], radius: int) -> None:
    values += [value ^ 0b101 for value in values[:20]] + [v ^ (2**64 - 1) for v in values[:10]]
    if not values:
        return
    hashes = turned(np.array(values, np.uint64))
    every = np.concatenate([hashes, transposed(hashes)])
    found = Neighbours(hashes, radius, range(len(TURNS)))
    assert not found.crowded
    doubtful = set(found.doubtful().tolist())
    for place in range(len(values)):
        expected = {
            (other, number, (int(every[number][place]) ^ values[other]).bit_count())
            for other in range(len(values))
            for number in range(len(TURNS))
            if other != place and (int(every[number][place]) ^ values[other]).bit_count() <= radius
        }
        got = list(zip(*(part.tolist() for part in found.of(place)), strict=True))
        assert len(got) == len(set(got))
        assert set(got) == expected
        assert not expected or {place, *(other for other, _, _ in expected)} <= doubtful


def test_very_many_equal_hashes_take_little() -> None:
    values = np.full(20_000, 12345, np.uint64)
    found = Neighbours(turned(values), 10, (UPRIGHT, MIRRORED))
    assert len(found.doubtful()) == 20_000
    assert len(found.of(7).positions) == 19_999


def test_too_many_pairs_cost_the_farther_ones_of_the_crowded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(neighbours, "_MOST_PAIRS", 3000)
    monkeypatch.setattr(neighbours, "_CROWDED", 8)
    random = np.random.default_rng(1)
    # 200 values around one, and a lone pair that is 10 bits apart.
    flips = np.uint64(1) << random.integers(0, 64, (200, 4)).astype(np.uint64)
    crowd = np.bitwise_xor.reduce(flips, axis=1) ^ np.uint64(0x0F0F0F0F0F0F0F0F)
    lone = np.uint64(0xAAAA5555AAAA5555)
    values = np.unique(np.append(crowd, [lone, lone ^ np.uint64(0x3FF)]))
    found, dropped = gathered(close_pairs(values, 10), 10, len(values), len(values))
    assert dropped
    assert len(found.bits) <= 3000
    together = {int(values[i]) ^ int(values[j]) for i, j, _ in zip(*found, strict=True)}
    assert 0x3FF in together
    crowded = found.bits[(values[found.first] != lone) & (values[found.second] != lone)]
    assert crowded.max() < 10
    few = HashPairs(found.first[:5], found.second[:5], found.bits[:5])
    everything, dropped = gathered([few], 10, 300, 300)
    assert not dropped
    assert len(everything.bits) == 5
