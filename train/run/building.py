"""What is trained and what moves it, built for a run; the memory of a run is planned with them."""

import time
from collections.abc import Iterator

import torch

from prep.events import Event, Stage
from prep.language import english
from train.arithmetic.convolutions import reorder
from train.arithmetic.precision import PrecisionPolicy
from train.config import RunConfig, TrainSettings
from train.families.base import Family
from train.lora.start import find_start
from train.networks.build import network_to_train
from train.networks.continued import continue_from
from train.networks.full import full_weights
from train.networks.trainable import TrainedWeights
from train.optim.flat import flat_groups
from train.optim.optimizers import make_optimizer
from train.optim.stepper import Stepper


def make_network(model: Family, run: RunConfig, *, fresh: bool) -> TrainedWeights:
    """Build what is trained; a fresh network may begin where a file ends."""
    settings = run.train
    if settings.method == "full":
        return full_weights(model, settings)
    parts = [part for part, rate in settings.rates(model.base.family).items() if rate]
    targets = model.targets(parts=parts, conv=settings.conv_rank > 0)
    network = network_to_train(targets, model.parts, settings)
    if settings.start_from and fresh:
        continue_from(network, find_start(settings.start_from, (run.project, run.output)))
    if model.policy.device.type != "cpu":  # where it was made
        network.to(model.policy.device)
    network.attach(targets)
    network.keep_average()
    return network


def make_stepper(model: Family, network: TrainedWeights, settings: TrainSettings) -> Stepper:
    """Make what moves the weights, with a group for each part of the model and each rate in it."""
    rates, policy = settings.rates(model.base.family), model.policy
    groups = [
        group
        for part, prefix in model.parts.items()
        for factor, weights in network.weights(prefix).items()
        for group in flat_groups(weights, rates[part] * factor)
    ]
    return Stepper(groups, make_optimizer(groups, settings, policy.device), make_scaler(policy))


def make_scaler(policy: PrecisionPolicy) -> torch.amp.GradScaler:
    """Make what keeps small gradients above 0 in fp16; off in other formats."""
    return torch.amp.GradScaler(policy.device.type, enabled=policy.dtype == torch.float16)


def reorder_frozen(model: Family) -> Iterator[Event]:
    """Bring what stays frozen into the order in which a CPU computes fastest."""
    if model.policy.device.type != "cpu":
        return
    began = time.monotonic()
    if count := reorder(model.component("unet")):
        note = english(
            "{count} convolution holds its weights as the processor wants them",
            "{count} convolutions hold their weights as the processor wants them",
            count,
        )
        yield Stage("reorder", True, round(time.monotonic() - began, 2), note)
