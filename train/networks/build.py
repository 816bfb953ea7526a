"""Making networks: a fresh one to train, or the one of a file."""

from collections.abc import Mapping

from torch import Tensor

from prep.errors import UserError
from prep.seeding import seed_of
from train.families.base import Targets
from train.lora.algorithms import algorithm_of
from train.networks.base import Adapter, Network, by_module
from train.networks.lora import LoraModule, Ranks

ADAPTERS: Mapping[str, type[Adapter]] = {LoraModule.ALGORITHM.title: LoraModule}
"""The adapters that are loaded, by the title of their algorithm."""


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


def network_of_file(targets: Targets, tensors: Mapping[str, Tensor]) -> Network:
    """Make the network of a LoRA file.

    Args:
        targets: All modules that a LoRA for the base model can touch.
        tensors: Of the file.

    Raises:
        UserError: The file has modules that the model lacks, or uses an algorithm that is not
            loaded here; it is named.
    """
    modules = by_module(tensors)
    unknown = [name for name in sorted(modules) if name not in targets]
    if unknown:
        raise UserError(
            f"{len(unknown)} of {len(modules)} modules of this LoRA do not exist in the base "
            f"model, for example {unknown[0]}.",
            "It was made for another model family; see: shikomi lora verify",
        )
    adapters = {}
    for name in sorted(modules):
        kind = _adapter_for(name, modules[name])
        adapters[name] = kind.of_file(targets[name], modules[name], name)
    return Network(adapters)


def _adapter_for(name: str, tensors: Mapping[str, Tensor]) -> type[Adapter]:
    algorithm = algorithm_of(tensors)
    if algorithm is None:
        raise UserError(
            f"{name} of this file has tensors that shikomi does not know:"
            f" {', '.join(sorted(tensors))}.",
            "Convert the file to LoRA with the tool that made it.",
        )
    if algorithm.title not in ADAPTERS:
        raise UserError(
            f"{name} of this file uses {algorithm.title}, which shikomi does not load.",
            "Convert the file to LoRA with the tool that made it.",
        )
    return ADAPTERS[algorithm.title]
