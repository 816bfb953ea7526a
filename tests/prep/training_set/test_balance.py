from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from prep.training_set.plan.balance import balanced, unevenness

CONCEPTS = st.lists(
    st.tuples(st.integers(1, 60), st.integers(1, 12), st.sampled_from([0.5, 1.0, 2.0])),
    min_size=2,
    max_size=3,
)


def total(images: list[int], repeats: tuple[int, ...] | list[int]) -> int:
    return sum(count * times for count, times in zip(images, repeats, strict=True))


@given(CONCEPTS)
def test_no_other_repeats_are_much_more_even(concepts: list[tuple[int, int, float]]) -> None:
    images = [count for count, _, _ in concepts]
    before = [repeats for _, repeats, _ in concepts]
    weights = [weight for _, _, weight in concepts]
    proposed = balanced(images, before, weights)
    now, then = total(images, before), total(images, proposed)

    def uneven(repeats: tuple[int, ...] | list[int]) -> float:
        return unevenness([n * r for n, r in zip(images, repeats, strict=True)], weights)

    assert min(proposed) >= 1
    assert uneven(proposed) <= max(uneven(before), 1.0) * 1.05
    pace = max(count / weight for count, weight in zip(images, weights, strict=True))
    least, most = now / 1.25, max(1.25 * now, 1.1 * pace * sum(weights))
    assert proposed == before or least <= then <= most
    if len(images) == 2:
        # Brute force: nothing that keeps an epoch about as long is more even.
        others = (r for r in product(range(1, 60), repeat=2) if least <= total(images, r) <= most)
        best = min(map(uneven, others), default=uneven(before))
        assert uneven(proposed) <= 1.05 * best + 1e-9 or max(proposed) >= 60


def test_examples() -> None:
    assert balanced([40, 8], [10, 10]) == [6, 30]
    # The large concept is seen once; the small one catches up, and the epoch grows.
    assert balanced([500, 10], [1, 10]) == [1, 48]
    assert balanced([20], [7]) == [7]
    assert balanced([20, 20], [5, 5]) == [5, 5]
    assert balanced([10, 10], [10, 10], [2, 1]) == [14, 7]


def test_the_edges_of_what_counts_as_even_and_as_long() -> None:
    assert balanced([7, 10], [5, 8]) == [9, 6]  # 63 and 60: even to the twentieth
    assert balanced([5, 2], [6, 1]) == [4, 10]  # 40 instead of 32: a quarter more
    assert balanced([10, 60], [9, 1]) == [6, 1]  # 120 instead of 150: the same quarter less
    # Nothing is more even, or nothing as long is: all stays.
    assert balanced([10, 10], [1, 2]) == [1, 2]
    assert balanced([3, 7], [2, 1], [0.5, 2]) == [2, 1]
