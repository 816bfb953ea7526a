"""Weights as views of one flat tensor."""

import pytest
import torch
from torch import nn

from tests.train.optim.weights import parameters, values
from train.optim.flat import FlatGroup, flat_groups


def test_weights_keep_identity_shape_and_values() -> None:
    weights, before = parameters(), values(parameters())
    shapes = [w.shape for w in weights]
    group = FlatGroup(weights, 0.1)
    assert group.parameters == weights
    assert [w.shape for w in weights] == shapes
    assert torch.equal(values(weights), before)
    assert group.values.shape == before.shape
    assert all(w.requires_grad and w.is_leaf for w in weights)


def test_a_change_of_either_is_seen_in_the_other() -> None:
    weights = parameters()
    group = FlatGroup(weights, 0.1)
    with torch.no_grad():
        group.values.add_(1.0)
    assert torch.equal(values(weights), values(parameters()) + 1.0)
    with torch.no_grad():
        weights[0].fill_(5.0)
    assert int((group.values == 5.0).sum()) == weights[0].numel()


def test_backward_passes_add_to_the_flat_gradients() -> None:
    weights = parameters()
    group = FlatGroup(weights, 0.1)
    for _ in range(2):
        torch.autograd.backward(torch.stack([(w * 3.0).sum() for w in weights[:-1]]).sum())
    assert all(bool((w.grad == 6.0).all()) for w in weights[:-1] if w.grad is not None)
    # The one that was not used has a gradient of 0, not None.
    (unused,) = (p for p in group.split(group.gradients) if p.shape == weights[-1].shape)
    assert not unused.any()
    assert group.values.grad is group.gradients
    assert int((group.gradients == 6.0).sum()) == sum(w.numel() for w in weights[:-1])


def test_weights_of_even_sizes_are_aligned() -> None:
    weights = parameters()
    group = FlatGroup(weights, 0.1)
    start = group.values.data_ptr()
    offsets = [(w.data_ptr() - start) % 64 for w in weights if w.numel() % 16 == 0]
    assert offsets == [0, 0]
    assert len(group.values) == sum(w.numel() for w in weights)


def test_what_is_split_can_be_joined() -> None:
    group = FlatGroup(parameters(), 0.1)
    flat = torch.arange(len(group.values), dtype=torch.float32)
    pieces = group.split(flat)
    assert [piece.shape for piece in pieces] == [w.shape for w in group.parameters]
    assert torch.equal(group.join(pieces), flat)
    assert pieces[0].flatten()[0] == 0
    with pytest.raises(RuntimeError):
        group.split(flat[1:])


def test_groups_are_no_larger_than_kernels_can_count() -> None:
    weights = [nn.Parameter(torch.randn(size)) for size in (3, 4, 2, 9, 1, 5)]
    values = [weight.detach().clone() for weight in weights]
    groups = flat_groups(weights, 0.5, largest=7)
    assert [[p.numel() for p in group.parameters] for group in groups] == [[3, 4], [2], [9], [1, 5]]
    assert {group.rate for group in groups} == {0.5}
    assert all(map(torch.equal, weights, values))
    assert flat_groups([], 0.5) == []
