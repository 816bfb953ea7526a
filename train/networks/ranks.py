"""Ranks and alphas of the modules, and settings for parts of a model, named by patterns."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TypeVar

from torch import nn

from prep.errors import ConfigError

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """Ranks and alphas: for linear layers and 1x1 convolutions, and for 3x3 convolutions.

    Attributes:
        rank: Of linear layers and 1x1 convolutions.
        alpha: Their adapters act with alpha / rank.
        conv_rank: Of 3x3 convolutions; 0 leaves them alone.
        conv_alpha: As ``alpha``, for them.
        blocks: Other ranks, by the names of modules; alpha follows in proportion.
        stabilised: Act with alpha / sqrt(rank) instead (rsLoRA, Kalajdzievski 2023).
    """

    rank: int
    alpha: float
    conv_rank: int = 0
    conv_alpha: float = 1.0
    blocks: Mapping[str, int] = field(default_factory=dict)
    stabilised: bool = False

    def of(self, name: str, module: nn.Module) -> tuple[int, float]:
        """Return a module's rank, and its alpha as files have it; rank 0 leaves it alone."""
        rank, alpha = self.rank, self.alpha
        if isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1):
            rank, alpha = self.conv_rank, self.conv_alpha
        own = self.blocks.get(name, rank)
        if own != rank and rank:
            rank, alpha = own, alpha * own / rank
        # Every program divides by the rank; so the root that is missing goes into the alpha.
        return rank, alpha * rank**0.5 if self.stabilised else alpha


def named(
    setting: str, patterns: Mapping[str, T], names: Iterable[str], prefixes: Iterable[str] = ()
) -> dict[str, T]:
    """Return the values of a setting that is given for parts of a model.

    Args:
        setting: Its name, for messages.
        patterns: Values by the beginning of a module's name, in whole parts, with ``.`` or ``_``
            between them, or by a pattern with ``*``; later ones go over earlier ones.
        names: The modules, by their names in a LoRA file.
        prefixes: Beginnings of these names that may be left out.

    Raises:
        ConfigError: A pattern matches no module; the nearest names are told.

    Example:
        >>> named("", {"mid.0": 8}, ["lora_unet_mid_0_q", "lora_unet_mid_01_q"], ["lora_unet_"])
        {'lora_unet_mid_0_q': 8}
    """
    known = {name: (name, *_without(name, prefixes)) for name in names}
    found: dict[str, T] = {}
    for pattern, value in patterns.items():
        escaped = re.escape(pattern.replace(".", "_")).replace(r"\*", ".*")
        matches = re.compile(rf"{escaped}(_.*)?").fullmatch
        chosen = [name for name, texts in known.items() if any(map(matches, texts))]
        if not chosen:
            raise ConfigError(
                f"{setting}: nothing that is trained is named {pattern}.", _nearest(pattern, known)
            )
        found |= dict.fromkeys(chosen, value)
    return found


def _without(name: str, prefixes: Iterable[str]) -> list[str]:
    return [name.removeprefix(prefix) for prefix in prefixes if name.startswith(prefix)]


def _nearest(pattern: str, known: Mapping[str, tuple[str, ...]]) -> str:
    """Return a hint with the parts of a model that are named most like a pattern."""
    plain = pattern.replace(".", "_").replace("*", "")
    texts = {
        "_".join(parts[:count])
        for names in known.values()
        for parts in (names[-1].split("_"),)
        for count in range(1, len(parts) + 1)
    }
    near = get_close_matches(plain, sorted(texts), 3, 0.4)
    return f"Near it: {', '.join(near)}." if near else f"For example: {min(texts, default='')}."
