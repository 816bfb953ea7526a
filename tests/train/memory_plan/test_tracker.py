"""What is held at once is counted; what is a view, or freed, is not."""

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.checkpoint import checkpoint

from train.memory_plan.tracker import MemoryTracker

KB = 1024


def test_tensors_count_while_they_live() -> None:
    with FakeTensorMode(), MemoryTracker() as tracker:
        first = torch.empty(256)
        second = torch.empty(512)
        assert tracker.live == 3 * KB
        del first
        assert tracker.live == 2 * KB
        third = second.view(2, 256)[1]
        del second
        assert (tracker.live, tracker.peak) == (2 * KB, 3 * KB)
        del third
        assert tracker.live == 0


def test_a_tensor_counts_by_its_own_type() -> None:
    with FakeTensorMode(), MemoryTracker() as tracker:
        made = torch.zeros(256, dtype=torch.float16)
        assert (made.dtype, tracker.live) == (torch.float16, KB // 2)


def test_what_takes_the_place_of_a_freed_tensor_counts_anew() -> None:
    with FakeTensorMode(), MemoryTracker() as tracker:
        for _ in range(20):  # the next one is soon where the last one was
            made = torch.empty(256)
            assert tracker.live == KB
            del made
            assert tracker.live == 0


def test_known_tensors_are_free_and_so_are_their_views() -> None:
    with FakeTensorMode():
        layer = nn.Linear(16, 16, bias=False)
        with MemoryTracker(layer.parameters()) as tracker:
            view = layer.weight.t()
            assert tracker.live == 0
            copied = view.contiguous()
            assert tracker.live == KB
            del copied


def test_counted_tensors_are_there_from_the_start_until_they_are_freed() -> None:
    with FakeTensorMode():
        layer, known = nn.Linear(16, 16, bias=False), torch.empty(256)
        with MemoryTracker([known], counted=layer.parameters()) as tracker:
            assert tracker.live == KB
            layer.weight.data = torch.empty(16, 32)
            assert (tracker.live, tracker.peak) == (2 * KB, 3 * KB)


def chain(layers: int, *, again: bool) -> int:
    """Return the peak of a forward and backward pass through squares of 1 KB."""
    with FakeTensorMode():
        x = torch.empty(256, requires_grad=True)
        with MemoryTracker([x]) as tracker:
            y = x
            for _ in range(layers):
                y = checkpoint(_block, y, use_reentrant=False) if again else _block(y)
            torch.autograd.backward(y.sum())
        return int(tracker.peak)


def _block(x: torch.Tensor) -> torch.Tensor:
    for _ in range(4):
        x = x.sin()
    return x


def test_what_the_backward_pass_needs_is_held_until_it_is_used() -> None:
    deep, shallow = chain(8, again=False), chain(4, again=False)
    assert 1.7 < deep / shallow < 2.1
    assert deep >= 31 * KB


def test_checkpointing_holds_less() -> None:
    assert chain(8, again=True) < chain(8, again=False) / 2


def test_a_real_computation_holds_the_same() -> None:
    """Real tensors are counted in the same way, so the fake ones tell the truth."""

    def peak() -> int:
        x = torch.empty(64, 64, requires_grad=True)
        layer = nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 64))
        with MemoryTracker([x, *layer.parameters()]) as tracker:
            torch.autograd.backward(layer(x).square().mean())
        return int(tracker.peak)

    real = peak()
    with FakeTensorMode():
        assert peak() == real
