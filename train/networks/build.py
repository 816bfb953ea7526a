"""Making networks: a fresh one to train, or the one of a file."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from prep.errors import UserError
from prep.seeding import seed_of
from train.families.base import Targets
from train.lora.algorithms import algorithm_of
from train.lora.contents import by_module, faults
from train.networks.base import Network
from train.networks.delta import DeltaModule
from train.networks.lora import LoraModule, Ranks

_HINT = "All that does not fit is listed by: shikomi lora verify FILE --base BASE_MODEL"


def fresh_network(
    targets: Targets, ranks: Ranks, *, dropout: float = 0.0, seed: int = 0
) -> Network:
    """Make a LoRA network that changes nothing yet.

    Args:
        targets: The modules to train.
        ranks: Their ranks; modules of rank 0 are left alone.
        dropout: Share of inner values switched off at random in each step.
        seed: Decides the first weights.
    """
    modules = {}
    for name, base in targets.items():
        rank, alpha = ranks.of(base)
        if rank:
            modules[name] = LoraModule(base, rank, alpha, dropout)
            modules[name].initialise(seed_of(seed, "init", name))
    return Network(modules)


def network_of_file(
    targets: Targets, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> Network:
    """Make the network of a LoRA file.

    Args:
        targets: All modules that a LoRA for the base model can touch.
        tensors: Of the file.
        metadata: Of the file; it may name the model that it was made for.

    Raises:
        UserError: The file does not fit the model, or holds what is not applied here; it is named.
    """
    modules = by_module(tensors)
    shapes = {
        n: {leaf: tuple(t.shape) for leaf, t in found.items()} for n, found in modules.items()
    }
    weights: dict[str, Any] = dict(targets)
    model = {name: tuple(weights[name].weight.shape) for name in shapes if name in targets}
    if found := faults(shapes, model, metadata or {}):
        more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
        raise UserError(f"This LoRA does not fit: {found[0]}{more}", _HINT)
    adapters = {}
    for name in sorted(modules):
        algorithm = algorithm_of(modules[name])
        kind = LoraModule if algorithm in LoraModule.ALGORITHMS else DeltaModule
        adapters[name] = kind.of_file(targets[name], modules[name])
    return Network(adapters)
