"""The network of a run: what training does with it besides moving its weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from train.arithmetic.transfer import moved
from train.networks.average import Average
from train.networks.base import Network
from train.networks.lora import LoraModule
from train.networks.saved import save_lora
from train.networks.trained import TrainedAdapter, cast_all

_AVERAGE = "ema."


@dataclass(frozen=True)
class Upkeep:
    """What is done to a network while it is trained.

    Attributes:
        rates: Factors of the learning rate, by the name of the module; 1 for the rest.
        up_rate: The same for the tensors that LoRA+ speeds up.
        noisy_share: Share of the ranks that learn from pure noise (T-LoRA, Soboleva et al. 2025).
        noisy_prefix: Beginning of the names of the modules that this concerns.
        max_norm: Longest change of a module; 0 means no limit.
        decay: Of the moving average; 0 keeps none.
    """

    rates: Mapping[str, float] = field(default_factory=dict)
    up_rate: float = 1.0
    noisy_share: float = 1.0
    noisy_prefix: str = ""
    max_norm: float = 0.0
    decay: float = 0.0


class Trainee(Network):
    """A network that is trained; implements ``TrainedWeights``."""

    def __init__(
        self, adapters: Mapping[str, TrainedAdapter], upkeep: Upkeep | None = None
    ) -> None:
        super().__init__(adapters)
        self._upkeep = upkeep or Upkeep()
        self._average: Average | None = None

    def trained(self) -> dict[str, TrainedAdapter]:
        """Return the adapters by the names of their modules."""
        return {name: cast(TrainedAdapter, adapter) for name, adapter in self.items()}

    def weights(self, prefix: str) -> dict[float, list[nn.Parameter]]:
        """Return what is trained of a part of the model, by the factor of its learning rate.

        Args:
            prefix: Beginning of the modules' names.
        """
        found: dict[float, list[nn.Parameter]] = {}
        for name, adapter in self.trained().items():
            if not name.startswith(prefix):
                continue
            for leaf, parameter in adapter.leaves().items():
                rate = self._upkeep.rates.get(name, 1.0)
                rate *= self._upkeep.up_rate if leaf == adapter.SCALED else 1.0
                found.setdefault(rate, []).append(parameter)
        return dict(sorted(found.items(), key=lambda item: (item[0] != 1.0, item[0])))

    def keep_average(self) -> None:
        """Begin the moving average where one is wanted: with the first weights, in their place."""
        if self._upkeep.decay:
            self._average = Average(self._parameters_by_name(), self._upkeep.decay)

    def _parameters_by_name(self) -> dict[str, Tensor]:
        return {
            f"{name}.{leaf}": parameter
            for name, adapter in self.trained().items()
            for leaf, parameter in adapter.leaves().items()
        }

    @contextmanager
    def before(self) -> Iterator[None]:
        """As ``TrainedWeights.before``; it may have begun with the changes of a file."""
        strength, self.strength = self.strength, 0.0
        try:
            yield
        finally:
            self.strength = strength

    # ---- a step --------------------------------------------------------------------------

    def begin(self, noise: Tensor) -> None:
        """Prepare for a batch; holds until the next one or ``after_step``.

        Args:
            noise: How noisy each image is, shape (batch,), from 0 to 1 for pure noise.
        """
        cast_all(self.trained().values())
        if self._upkeep.noisy_share < 1.0:
            self._mask_ranks(noise)

    def _mask_ranks(self, noise: Tensor) -> None:
        masks: dict[int, Tensor] = {}  # one for all modules of a rank
        for name, adapter in self.trained().items():
            if isinstance(adapter, LoraModule) and name.startswith(self._upkeep.noisy_prefix):
                rank = adapter.rank
                if rank not in masks:
                    mask = rank_mask(noise, rank, self._upkeep.noisy_share)
                    masks[rank] = moved(mask.to(adapter.dtype), adapter.base.weight.device)
                adapter.rank_mask = masks[rank]

    def after_step(self, step: int) -> None:
        """Do what follows a step of the optimiser.

        Args:
            step: How many have been done, this one included.
        """
        self._release()
        if self._upkeep.max_norm:
            for adapter in self.trained().values():
                adapter.limit(self._upkeep.max_norm)
        if self._average:
            self._average.update(step)

    def _release(self) -> None:
        for adapter in self.trained().values():
            adapter.release()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Be as users will have it, for as long as the context lasts: averaged, nothing dropped."""
        self.eval()
        self._release()
        self._exchange()
        try:
            with torch.no_grad():
                cast_all(self.trained().values())
            yield
        finally:
            self._release()
            self._exchange()
            self.train()

    def _exchange(self) -> None:
        if self._average:
            self._average.exchange()

    # ---- files and states ----------------------------------------------------------------

    def save(self, path: Path, metadata: Mapping[str, str], precision: str) -> None:
        """As ``TrainedWeights.save``: a LoRA file."""
        save_lora(path, self, metadata, precision)

    def state(self) -> dict[str, Tensor]:
        """Return all that a run goes on from: the weights, and their average."""
        average = self._average.tensors() if self._average else {}
        return self.tensors() | {f"{_AVERAGE}{name}": tensor for name, tensor in average.items()}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Go back to a ``state``, bit for bit.

        Raises:
            KeyError, RuntimeError: It is that of another network.
        """
        average = {k: t for k, t in tensors.items() if k.startswith(_AVERAGE)}
        if bool(average) != bool(self._average):
            raise KeyError("the average")
        self._release()
        self.load({k: t for k, t in tensors.items() if k not in average})
        if self._average:
            self._average.load({k.removeprefix(_AVERAGE): t for k, t in average.items()})


def rank_mask(noise: Tensor, rank: int, share: float) -> Tensor:
    """Return which ranks learn from each image: fewer, the more noise is in it.

    Args:
        noise: Shape (batch,), 0 to 1.
        rank: How many there are.
        share: Of the ranks that learn from pure noise; at least one does.

    Returns:
        Ones for the first ranks and zeros for the others, shape (batch, rank).

    Example:
        >>> rank_mask(torch.tensor([0.0, 0.5, 1.0]), 4, 0.5).tolist()
        [[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0]]
    """
    fewest = max(1, round(rank * share))
    active = fewest + ((rank - fewest) * (1.0 - noise.float())).floor()
    return (torch.arange(rank, device=noise.device) < active[:, None]).float()
