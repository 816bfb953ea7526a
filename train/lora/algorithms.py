"""Which algorithm a module of a LoRA file uses, recognised by the names of its tensors.

The names are those that kohya's sd-scripts, LyCORIS and the tools that follow them write. What a
file holds is either loaded, or refused by its real name; nothing is ignored.
"""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Algorithm:
    """One way to change a module's weights.

    Attributes:
        name: What ``shikomi lora info`` calls it.
        title: What messages call it.
        required: Names of the tensors, after the module's name, that every module has.
        optional: Further names that may occur.
    """

    name: str
    title: str
    required: frozenset[str]
    optional: frozenset[str] = frozenset()

    def fits(self, leaves: Collection[str]) -> bool:
        """Return whether these tensors, all of one module, are exactly those of the algorithm."""
        found = frozenset(leaves)
        own = bool(found - _SHARED)
        return own and self.required <= found and found <= self.required | self.optional


_SHARED = frozenset({"alpha", "dora_scale"})
"""Tensors that say nothing about the algorithm."""
_LORA = frozenset({"lora_down.weight", "lora_up.weight"})
_LOHA = frozenset({"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"})
_OFT = frozenset({"alpha", "rescale", "constraint"})
_LOKR = frozenset(f"lokr_{part}" for part in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2"))

LORA = Algorithm("lora", "LoRA", _LORA, frozenset({"alpha"}))
"""A convolution trained this way is what others call LoCon."""

OTHERS = (
    Algorithm("dora", "DoRA", _LORA | {"dora_scale"}, frozenset({"alpha"})),
    Algorithm("lora", "LoRA with a Tucker core", _LORA | {"lora_mid.weight"}, frozenset({"alpha"})),
    Algorithm("loha", "LoHa", _LOHA, frozenset({"alpha", "hada_t1", "hada_t2", "dora_scale"})),
    Algorithm("lokr", "LoKr", frozenset(), _LOKR | {"alpha", "dora_scale"}),
    Algorithm("ia3", "IA3", frozenset({"weight", "on_input"}), frozenset({"alpha"})),
    Algorithm("oft", "OFT", frozenset({"oft_blocks"}), _OFT),
    Algorithm("boft", "BOFT", frozenset({"boft_blocks"}), _OFT),
    Algorithm("glora", "GLoRA", frozenset({"a1.weight", "a2.weight", "b1.weight", "b2.weight"})),
    Algorithm("full", "full weight differences", frozenset(), frozenset({"diff", "diff_b"})),
)
"""Algorithms that are known by name and not loaded."""


def algorithm_of(leaves: Collection[str]) -> Algorithm | None:
    """Return the algorithm that a module's tensors belong to; ``None`` for an unknown one.

    Args:
        leaves: Names of the tensors of one module, after the module's name.

    Example:
        >>> algorithm_of(["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"]).title
        'LoHa'
    """
    return next((known for known in (LORA, *OTHERS) if known.fits(leaves)), None)
