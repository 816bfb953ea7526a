"""Shapes of the tensors of a module, against the module."""

from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.lora.algorithms import algorithm_of
from train.lora.fitting import misfit
from train.lora.layout import Shape

SIDES = st.integers(2, 9)
KERNELS = st.sampled_from([(), (1, 1), (3, 3)])


def fault(leaves: dict[str, Shape], module: Shape) -> str:
    algorithm = algorithm_of(leaves)
    assert algorithm is not None
    return misfit(algorithm, leaves, module)


def lora(out: int, inner: int, rank: int, kernel: Shape) -> dict[str, Shape]:
    return {
        "lora_down.weight": (rank, inner, *kernel),
        "lora_up.weight": (out, rank, *(1 for _ in kernel)),
        "alpha": (),
    }


def loha(out: int, inner: int, rank: int, kernel: Shape) -> dict[str, Shape]:
    sides = {"a": (out, rank), "b": (rank, inner * prod(kernel))}
    return {f"hada_w{n}_{side}": shape for n in (1, 2) for side, shape in sides.items()}


def loha_tucker(out: int, inner: int, rank: int, kernel: Shape) -> dict[str, Shape]:
    found: dict[str, Shape] = {f"hada_t{n}": (rank, rank + 1, *kernel) for n in (1, 2)}
    found |= {f"hada_w{n}_a": (rank, out) for n in (1, 2)}
    return found | {f"hada_w{n}_b": (rank + 1, inner) for n in (1, 2)}


def tucker(out: int, inner: int, rank: int, kernel: Shape) -> dict[str, Shape]:
    ones = tuple(1 for _ in kernel)
    return {
        "lora_down.weight": (rank, inner, *ones),
        "lora_mid.weight": (rank + 1, rank, *kernel),
        "lora_up.weight": (out, rank + 1, *ones),
    }


def full(out: int, inner: int, rank: int, kernel: Shape) -> dict[str, Shape]:
    del rank
    return {"diff": (out, inner, *kernel), "diff_b": (out,)}


def lokr(out: int, inner: int, rank: int, kernel: Shape) -> dict[str, Shape]:
    """The left factor is (out, 1)."""
    right = {"lokr_w2_a": (1, rank), "lokr_w2_b": (rank, inner, *kernel)}
    return {"lokr_w1": (out, 1), **right}


@pytest.mark.parametrize("kind", [lora, loha, loha_tucker, tucker, full, lokr])
@given(SIDES, SIDES, SIDES, KERNELS, st.data())
def test_every_axis_counts(
    kind: object, out: int, inner: int, rank: int, kernel: Shape, data: st.DataObject
) -> None:
    assert callable(kind)
    leaves: dict[str, Shape] = kind(out, inner, rank, kernel)
    module = (out, inner, *kernel)
    assert fault(leaves, module) == ""
    axis = data.draw(st.integers(0, len(module) - 1))
    other = tuple(side + (7 if place == axis else 0) for place, side in enumerate(module))
    assert fault(leaves, other) != "", other
    leaf = data.draw(st.sampled_from(sorted(leaves.keys() - {"alpha"})))
    shape = leaves[leaf]
    axis = data.draw(st.integers(0, len(shape) - 1))
    # 11 x is no product of the other sides, which are all below 10.
    wrong = tuple(side * 11 if place == axis else side for place, side in enumerate(shape))
    assert fault(leaves | {leaf: wrong}, module) != "", (leaf, wrong)


@pytest.mark.parametrize("stored", [(), (1, 1)])
@pytest.mark.parametrize("module", [(4, 3), (4, 3, 1, 1)])
def test_a_matrix_and_a_1x1_convolution_are_the_same(stored: Shape, module: Shape) -> None:
    for kind in (lora, loha, full):
        assert fault(kind(4, 3, 2, stored), module) == ""


@pytest.mark.parametrize(
    ("shape", "fits"),
    [
        ((4, 1, 1, 1), True),
        ((4, 1), True),
        ((4,), True),
        ((1, 3, 1, 1), True),
        ((1, 4, 1, 1), False),
        ((3, 1, 1, 1), False),
        ((), False),
    ],
)
def test_magnitudes_belong_to_outputs_or_inputs(shape: Shape, fits: bool) -> None:
    leaves = {**lora(4, 3, 2, (3, 3)), "dora_scale": shape}
    assert (fault(leaves, (4, 3, 3, 3)) == "") is fits


def test_magnitudes_of_peft_belong_to_outputs() -> None:
    leaves = lora(4, 3, 2, (3, 3))
    assert fault({**leaves, "lora_magnitude_vector": (1, 4, 1, 1)}, (4, 3, 3, 3)) == ""
    assert fault({**leaves, "lora_magnitude_vector": (1, 3, 1, 1)}, (4, 3, 3, 3)) != ""


@pytest.mark.parametrize(
    ("leaves", "said"),
    [
        ({"lokr_w1": (2, 2)}, "lokr_w2 is incomplete"),
        ({"lokr_w1_a": (2, 2), "lokr_w2": (2, 2)}, "lokr_w1 is incomplete"),
        ({"lokr_w1": (2, 2), "lokr_w1_a": (2, 2), "lokr_w2": (2, 2)}, "lokr_w1 is incomplete"),
        ({"lokr_w1": (2, 2), "lokr_w2": (2, 2), "lokr_t2": (1, 1)}, "and is whole"),
        ({"lokr_w1": (3, 2), "lokr_w2": (2, 2)}, "lokr_w1 is 3x2, and the module is 4x4"),
        ({"lokr_w1": (2,), "lokr_w2": (2, 2)}, "lokr_w1 is 0x0"),
        ({**loha(4, 4, 2, ()), "hada_t1": (2, 2)}, "only one of its two Tucker cores"),
        ({**lora(4, 4, 2, ()), "alpha": (2,)}, "alpha is 2 instead of a single number"),
        ({**lora(4, 4, 2, ()), "diff_b": (3,)}, "diff_b is 3 instead of 4"),
        ({"lora_down.weight": (), "lora_up.weight": ()}, "lora_down.weight is a single number"),
    ],
)
def test_incomplete_factors(leaves: dict[str, Shape], said: str) -> None:
    assert said in fault(leaves, (4, 4))
