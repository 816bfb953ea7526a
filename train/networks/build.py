"""Making networks: a fresh one to train, or the one of a file."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from prep.errors import ConfigError, UserError
from prep.seeding import seed_of
from train.config import TrainSettings
from train.families.base import Targets
from train.lora.algorithms import algorithm_of
from train.lora.contents import by_module, faults
from train.networks.base import Adapter, Network
from train.networks.delta import DeltaModule
from train.networks.dora import DoraModule
from train.networks.loha import LohaModule
from train.networks.lokr import LokrModule
from train.networks.lora import LoraModule
from train.networks.ranks import Ranks, named
from train.networks.trained import NO_DROPS, Drops, TrainedAdapter
from train.networks.trainee import Trainee, Upkeep
from train.settings.network import NetworkSettings

ADAPTERS: tuple[type[Adapter], ...] = (LoraModule, DeltaModule)
"""Each algorithm that is applied is one of these adapters' (``algorithms.APPLIED``)."""
_FEED_FORWARD = ("_ff_net_", "_mlp_fc")
_HINT = "All that does not fit is listed by: shikomi lora verify FILE --base BASE_MODEL"


def network_to_train(
    targets: Targets, parts: Mapping[str, str], settings: TrainSettings
) -> Trainee:
    """Make the network that the settings describe; it changes nothing yet.

    Args:
        targets: What the base model lets be trained under these settings.
        parts: ``Family.parts``.
        settings: Of the run.

    Raises:
        ConfigError: Nothing is left to train, or a part of the model is named that is not there.
    """
    chosen = {name: base for name, base in targets.items() if _wanted(name, parts, settings)}
    if not chosen:
        raise ConfigError("Nothing is trained.", "Set train_unet or train_text_encoder to true.")
    prefixes = parts.values()
    ranks = Ranks(
        settings.rank,
        settings.alpha,
        settings.conv_rank,
        settings.conv_alpha,
        named("block_ranks", settings.block_ranks, chosen, prefixes),
        settings.rank_stabilised,
    )
    upkeep = Upkeep(
        named("block_learning_rates", settings.block_learning_rates, chosen, prefixes),
        settings.lora_plus_ratio,
        settings.noisy_rank_share,
        parts["unet"],
        settings.max_norm,
        settings.ema_decay,
    )
    drops = Drops(settings.dropout, settings.rank_dropout, settings.module_dropout)
    return fresh_network(
        chosen, ranks, kind=settings, drops=drops, upkeep=upkeep, seed=settings.seed
    )


def _wanted(name: str, parts: Mapping[str, str], settings: NetworkSettings) -> bool:
    """Is a module to be trained?"""
    if not settings.train_unet and name.startswith(parts["unet"]):
        return False
    return settings.train_feed_forward or not any(part in name for part in _FEED_FORWARD)


def fresh_network(
    targets: Targets,
    ranks: Ranks,
    *,
    kind: NetworkSettings | None = None,
    drops: Drops = NO_DROPS,
    upkeep: Upkeep | None = None,
    seed: int = 0,
) -> Trainee:
    """Make a network that changes nothing yet.

    Args:
        targets: The modules to train.
        ranks: Their ranks; modules of rank 0 are left alone.
        kind: Says what its adapters are; LoRA when absent.
        drops: What is switched off at random in each step.
        upkeep: What is done to it while it is trained.
        seed: Decides the first weights.
    """
    adapters = {}
    for name, base in targets.items():
        rank, alpha = ranks.of(name, base)
        if rank:
            adapters[name] = _fresh(base, rank, alpha, drops, kind or NetworkSettings())
            rng = torch.Generator().manual_seed(seed_of(seed, "init", name))
            adapters[name].initialise(rng)
    return Trainee(adapters, upkeep)


def _fresh(
    base: nn.Module, rank: int, alpha: float, drops: Drops, kind: NetworkSettings
) -> TrainedAdapter:
    match kind.network:
        case "lora":
            return LoraModule(base, rank, alpha, drops)
        case "dora":
            return DoraModule(base, rank, alpha, drops, kind.dora_axis)
        case "loha":
            return LohaModule(base, rank, alpha, drops)
        case "lokr":
            return LokrModule(base, rank, alpha, drops, kind.lokr_factor)


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
        kind = next(kind for kind in ADAPTERS if algorithm in kind.ALGORITHMS)
        adapters[name] = kind.of_file(targets[name], modules[name])
    return Network(adapters)
