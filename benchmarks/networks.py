"""What adapters cost a step: forward and backward of a block of SD 1.5 at full width.

    python -m benchmarks.networks [--rounds 7]

"Bare" is the frozen block, forward and backward to its input. "Hooks" is LoRA by the plainest way:
a forward hook on each module that adds ``up(down(x)) * scale * strength``, its fp32 weights cast by
autocast wherever they are used. The others are what ``train.networks`` trains, with all that a step
does with a network except the optimiser. The sides take turns; seconds are CPU time, least of the
rounds, since other programs share the machine. "Kernels" counts the operations that compute, views
not among them: on a GPU, each is a launch, and at batch 1 the launches are what a step waits for.
"""

import argparse
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from train.networks.base import Network
from train.networks.build import fresh_network
from train.networks.ranks import Ranks
from train.networks.trainee import Trainee
from train.settings.network import NetworkSettings

WIDTH, CONTEXT, SIDE, BATCH, RANK = 320, 768, 32, 2, 16
KINDS: dict[str, dict[str, Any]] = {
    "lora": {"network": "lora"},
    "dora, by input": {"network": "dora"},
    "dora, by output": {"network": "dora", "dora_axis": "output"},
    "loha": {"network": "loha"},
    "lokr": {"network": "lokr"},
}


class Block(nn.Module):
    """A resnet and an attention of the first down block, frozen."""

    def __init__(self) -> None:
        super().__init__()
        from diffusers.models.resnet import ResnetBlock2D
        from diffusers.models.transformers.transformer_2d import Transformer2DModel

        self.resnet = ResnetBlock2D(in_channels=WIDTH, temb_channels=4 * WIDTH)
        self.attention = Transformer2DModel(
            num_attention_heads=8,
            attention_head_dim=WIDTH // 8,
            in_channels=WIDTH,
            cross_attention_dim=CONTEXT,
        )
        self.requires_grad_(False)

    def forward(self, x: Tensor, times: Tensor, context: Tensor) -> Tensor:
        """Return what the block makes of latents (batch, width, side, side)."""
        inner = self.resnet(x, times)
        outputs: tuple[Tensor, ...] = self.attention(inner, context, return_dict=False)
        return outputs[0]

    def targets(self) -> dict[str, nn.Module]:
        """Return the modules that LoCon trains."""
        return {
            "lora_unet_" + path.replace(".", "_"): module
            for path, module in self.named_modules()
            if isinstance(module, nn.Linear | nn.Conv2d)
        }


@contextmanager
def hooked(network: Network, targets: dict[str, nn.Module]) -> Iterator[None]:
    """Attach a network of LoRAs by hooks."""

    def hook(adapter: Any) -> Callable[..., Tensor]:
        def add(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            added: Tensor = adapter.up(adapter.down(inputs[0])) * adapter.scale * network.strength
            return output + added.to(output.dtype)

        return add

    handles = [targets[n].register_forward_hook(hook(adapter)) for n, adapter in network.items()]
    yield
    for handle in handles:
        handle.remove()


@contextmanager
def attached(network: Network, targets: dict[str, nn.Module]) -> Iterator[None]:
    """Attach a network as training does."""
    network.attach(targets)
    yield
    network.detach()


class Count(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operations that compute."""

    VIEWS = ("view", "t", "transpose", "detach", "expand", "unsqueeze", "alias", "split", "permute")

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kernels = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count one operation and do it."""
        name = func.__name__.partition(".")[0]
        self.kernels += name not in (*self.VIEWS, "_unsafe_view", "select", "slice", "empty_like")
        return func(*args, **(kwargs or {}))


def step(block: Block, network: Trainee | None, inputs: tuple[Tensor, ...]) -> None:
    """Do forward and backward, and with a network what a step does with it."""
    if network is not None:
        network.begin(torch.zeros(BATCH))
    half = next(block.parameters()).dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        output = block(*inputs)
    torch.autograd.backward(output.float().square().mean())
    if network is not None:
        network.after_step(1)
        network.zero_grad()


def sides(block: Block) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield the names of the sides, and how each is attached; it gives the network to tell."""
    targets = block.targets()
    ranks = Ranks(RANK, RANK / 2, RANK, RANK / 2)

    @contextmanager
    def bare() -> Iterator[None]:
        yield None

    @contextmanager
    def by_hooks() -> Iterator[None]:
        network = fresh_network(targets, ranks)
        with hooked(network, targets):
            yield None
        network.zero_grad()

    def of_kind(settings: NetworkSettings) -> Callable[[], Any]:
        network = fresh_network(targets, ranks, kind=settings)

        @contextmanager
        def side() -> Iterator[Trainee]:
            with attached(network, targets):
                yield network

        return side

    yield "bare", bare
    yield "lora, hooks", by_hooks
    for name, values in KINDS.items():
        yield name, of_kind(NetworkSettings(**values))


def measure(half: bool, rounds: int) -> None:
    """Print a table for one format."""
    torch.manual_seed(0)
    dtype = torch.bfloat16 if half else torch.float32
    block = Block().to(dtype)
    shapes = (BATCH, WIDTH, SIDE, SIDE), (BATCH, 4 * WIDTH), (BATCH, 77, CONTEXT)
    inputs = tuple(torch.randn(shape, dtype=dtype) for shape in shapes)
    inputs[0].requires_grad_()
    chosen = list(sides(block))
    seconds: dict[str, list[float]] = {name: [] for name, _ in chosen}
    walls: dict[str, list[float]] = {name: [] for name, _ in chosen}
    kernels = {}
    for turn in range(rounds + 1):
        for name, attach in chosen:
            with attach() as network:
                if turn == 0:  # to warm up, and to count
                    with Count() as count:
                        step(block, network, inputs)
                    kernels[name] = count.kernels
                    continue
                cpu, wall = time.process_time(), time.perf_counter()
                step(block, network, inputs)
                seconds[name].append(time.process_time() - cpu)
                walls[name].append(time.perf_counter() - wall)
    bare = min(seconds["bare"])
    before = min(seconds["lora, hooks"]) - bare
    title = "bf16" if half else "fp32"
    print(f"\n{title:<16}   CPU s   wall s  of bare  added, of hooks  kernels")
    for name, some in seconds.items():
        least = min(some)
        added = "" if name == "bare" else f"{(least - bare) / before:.2f}"
        line = f"{name:<16} {least:7.3f} {min(walls[name]):8.3f} {least / bare:8.2f} {added:>16}"
        print(f"{line} {kernels[name]:8}")


def main() -> None:
    """Measure both formats."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, 1 thread, {platform.machine()}")
    print(f"resnet and attention of width {WIDTH}, {BATCH} x {SIDE} x {SIDE}, rank {RANK}")
    for half in (False, True):
        measure(half, rounds)


if __name__ == "__main__":
    main()
