"""Products of small matrices: exact sums, and the best ones of a lower rank."""

import pytest
import torch

from train.merging.factors import Factors, Reduced, joined, reduce_factors, reduce_matrix


def random_factors(out: int, columns: int, rank: int) -> Factors:
    return Factors(torch.randn(out, rank), torch.randn(rank, columns))


def product(factors: Factors) -> torch.Tensor:
    return factors.up @ factors.down


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(5)


def test_a_sum_is_exact_and_its_matrices_are_of_equal_length() -> None:
    first, second = random_factors(12, 20, 3), random_factors(12, 20, 2)
    lopsided = Factors(second.up * 1e-4, second.down * 1e3)
    whole = joined([first, lopsided])
    assert whole.rank == 5
    assert torch.allclose(product(whole), product(first) + 0.1 * product(second), atol=1e-4)
    up, down = (t.norm() for t in (whole.up[:, 3:], whole.down[3:]))
    assert torch.allclose(up, down)
    nothing = Factors(torch.zeros(12, 1), torch.ones(1, 20))
    assert torch.equal(product(joined([first, nothing])), product(joined([first])))


def best(matrix: torch.Tensor, rank: int) -> torch.Tensor:
    u, values, v = torch.linalg.svd(matrix, full_matrices=False)
    found: torch.Tensor = (u[:, :rank] * values[:rank]) @ v[:rank]
    return found


def check(found: Reduced, matrix: torch.Tensor, rank: int) -> None:
    assert found.factors.rank == rank
    kept = product(found.factors)
    assert torch.allclose(kept, best(matrix, rank), atol=1e-3)
    assert found.kept == pytest.approx(float(kept.square().sum()), rel=1e-4)
    assert found.total == pytest.approx(float(matrix.square().sum()), rel=1e-4)


def test_the_best_of_a_rank() -> None:
    factors = random_factors(12, 20, 6)
    check(reduce_factors(factors, 2), product(factors), 2)
    matrix = torch.randn(12, 20)
    check(reduce_matrix(matrix, 4), matrix, 4)


def test_large_matrices_are_searched_for_their_largest_values() -> None:
    falling = torch.diag(0.8 ** torch.arange(90.0))
    matrix = torch.linalg.qr(torch.randn(120, 90))[0] @ falling
    state = torch.get_rng_state()
    check(reduce_matrix(matrix, 3), matrix, 3)
    check(reduce_matrix(matrix, 3, 0.5), matrix, 2)  # squares: 1, 0.64, 0.41… of 2.78
    assert torch.equal(torch.get_rng_state(), state), "the caller's random numbers are its own"


@pytest.mark.parametrize(("keep", "rank"), [(0.5, 1), (0.8, 2), (0.95, 3), (1.0, 4)])
def test_the_lowest_rank_that_keeps_a_share(keep: float, rank: int) -> None:
    matrix = torch.diag(torch.tensor([4.0, 3.0, 2.0, 1.0]))  # squares: 16, 9, 4, 1 of 30
    assert reduce_matrix(matrix, None, keep).factors.rank == rank
    assert reduce_factors(Factors(matrix, torch.eye(4)), None, keep).factors.rank == rank
    assert reduce_matrix(matrix, 2, keep).factors.rank == min(rank, 2)
