"""A model's own weights, trained: full fine-tuning.

What the optimiser moves is fp32. Where the model computes in another format, these masters stand
beside its weights, which are copies of them: each gradient is added to that of its master as soon
as it is there, and is gone before the next layer's is made.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from prep.errors import ConfigError
from train.config import TrainSettings
from train.families.base import Family
from train.networks.average import Average
from train.networks.base import copy_exactly
from train.networks.model_file import save_checkpoint
from train.networks.ranks import named
from train.settings.model import FamilyName

_AVERAGE = "ema."


@dataclass(frozen=True)
class Weight:
    """A trained weight of the model.

    Attributes:
        component: unet, text_encoder or text_encoder_2.
        name: Inside the component.
        master: What is moved, fp32.
        copy: What the model computes with; the master itself where that is fp32.
        factor: Of the learning rate.
    """

    component: str
    name: str
    master: nn.Parameter
    copy: nn.Parameter
    factor: float


class FullWeights:
    """All weights of some components of a model; implements ``TrainedWeights``."""

    def __init__(self, model: Family, weights: list[Weight], decay: float = 0.0) -> None:
        """Begin to train; the model's weights get gradients from now on.

        Args:
            model: Loaded.
            weights: Of whole components.
            decay: Of the moving average; 0 keeps none.
        """
        self._model, self._weights = model, weights
        self._copied = [weight for weight in weights if weight.copy is not weight.master]
        self._stale = False
        for weight in weights:
            weight.copy.requires_grad = True
        self._hooks = [_hooked(weight) for weight in self._copied]
        self._average = Average(self._masters(), decay) if decay else None

    def _masters(self) -> dict[str, Tensor]:
        return {f"{weight.component}.{weight.name}": weight.master for weight in self._weights}

    def weights(self, prefix: str) -> dict[float, list[nn.Parameter]]:
        """As ``TrainedWeights.weights``."""
        parts = [part for part, own in self._model.parts.items() if own == prefix]
        found: dict[float, list[nn.Parameter]] = {}
        for weight in self._weights:
            if weight.component in parts:
                found.setdefault(weight.factor, []).append(weight.master)
        return dict(sorted(found.items(), key=lambda item: (item[0] != 1.0, item[0])))

    def before(self) -> AbstractContextManager[None]:
        """As ``TrainedWeights.before``: nothing has changed yet."""
        return nullcontext()

    def train(self) -> None:
        """As ``TrainedWeights.train``: these models know no difference."""

    # ---- a step --------------------------------------------------------------------------

    def begin(self, noise: Tensor) -> None:
        """As ``TrainedWeights.begin``."""
        del noise
        if self._stale:
            self._copy()

    def after_step(self, step: int) -> None:
        """As ``TrainedWeights.after_step``."""
        if self._average:
            self._average.update(step)
        self._stale = True

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """As ``TrainedWeights.in_use``."""
        self._exchange()
        self._copy()
        try:
            yield
        finally:
            self._exchange()
            self._stale = True

    def _exchange(self) -> None:
        if self._average:
            self._average.exchange()

    @torch.no_grad()
    def _copy(self) -> None:
        """Let the model compute with the masters as they are."""
        if self._copied:
            copies: list[Tensor] = [weight.copy for weight in self._copied]
            torch._foreach_copy_(copies, [weight.master for weight in self._copied])
        self._stale = False

    def detach(self) -> None:
        """As ``TrainedWeights.detach``; the model keeps what it has learned."""
        self._copy()
        for hook in self._hooks:
            hook.remove()
        for weight in self._weights:
            weight.copy.requires_grad = False

    # ---- files and states ----------------------------------------------------------------

    def save(self, path: Path, metadata: Mapping[str, str], precision: str) -> None:
        """As ``TrainedWeights.save``: a checkpoint in a single file."""
        components: dict[str, dict[str, Tensor]] = {}
        for weight in self._weights:
            components.setdefault(weight.component, {})[weight.name] = weight.master
        save_checkpoint(path, self._model.base, components, metadata, precision)

    def state(self) -> dict[str, Tensor]:
        """As ``TrainedWeights.state``: masters and average themselves, no copies."""
        average = self._average.tensors() if self._average else {}
        return self._masters() | {f"{_AVERAGE}{name}": t for name, t in average.items()}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """As ``TrainedWeights.load_state``."""
        own = self.state()
        if own.keys() != tensors.keys():
            raise KeyError("other weights")
        for name, tensor in own.items():
            copy_exactly(tensor, tensors[name], name)
        self._stale = True


def _hooked(weight: Weight) -> Any:
    """Let the gradient of a copy be added to that of its master, and freed; returns a handle."""
    master, copied = weight.master, weight.copy

    def add(copy: Tensor) -> None:
        if master.grad is None:
            master.grad = torch.zeros_like(master)
        if copy.grad is not None:
            master.grad.add_(copy.grad)
        copy.grad = None

    return copied.register_post_accumulate_grad_hook(add)  # type: ignore[no-untyped-call]


def trained_components(settings: TrainSettings, family: FamilyName) -> list[str]:
    """Return the components that are trained whole: unet, text_encoder, text_encoder_2."""
    rates = settings.rates(family)
    return [n for n, rate in rates.items() if rate and (settings.train_unet or n != "unet")]


def full_weights(model: Family, settings: TrainSettings) -> FullWeights:
    """Make what is trained when all weights are.

    Raises:
        ConfigError: Nothing is left to train, or a part of the model is named that is not there.
    """
    chosen = trained_components(settings, model.base.family)
    if not chosen:
        raise ConfigError("Nothing is trained.", "Set train_unet or train_text_encoder to true.")
    factors = _factors(model, chosen, settings)
    weights: list[Weight] = []
    for component in chosen:
        weights += _weights(model, component, factors)
    return FullWeights(model, weights, settings.ema_decay)


def _factors(model: Family, components: list[str], settings: TrainSettings) -> dict[int, float]:
    """Return factors of the learning rate by the identity of the module."""
    prefixes = tuple(model.parts[name] for name in components)
    modules = {n: m for n, m in model.modules().items() if n.startswith(prefixes)}
    table = settings.block_learning_rates
    found = named("block_learning_rates", table, modules, model.parts.values())
    return {id(modules[name]): factor for name, factor in found.items()}


def _weights(model: Family, component: str, factors: Mapping[int, float]) -> Iterator[Weight]:
    """Yield the weights of a component, with masters that the model's rounding has not touched."""
    module, device = model.component(component), model.policy.device
    exact: dict[str, nn.Parameter] = {}
    if model.policy.dtype != torch.float32:
        exact = dict(model.exact(component).named_parameters())
    for path, inner in module.named_modules():
        for leaf, copy in inner.named_parameters(recurse=False):
            name = f"{path}.{leaf}" if path else leaf
            master = copy
            if exact:
                master = nn.Parameter(exact.pop(name).detach().to(device))
            yield Weight(component, name, master, copy, factors.get(id(inner), 1.0))
