"""Which algorithm a module of a LoRA file uses, recognised by the names of its tensors.

The names are those that kohya's sd-scripts, LyCORIS and the tools that follow them write. What a
file holds is either applied, or refused by its real name; nothing is ignored.
"""

import re
from collections.abc import Collection, Iterable
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


_SHARED = frozenset({"alpha", "scalar", "dora_scale", "lora_magnitude_vector"})
"""Tensors that say nothing about the algorithm."""
_PLAIN = frozenset({"alpha", "scalar", "diff_b"})
_SCALED = _PLAIN | {"dora_scale"}
_PAIR = frozenset({"lora_down.weight", "lora_up.weight"})
_MAGNITUDES = ({"dora_scale"}, {"lora_magnitude_vector"})
_HADA = frozenset({"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"})
_LOKR = frozenset(f"lokr_{part}" for part in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2"))
_OFT = frozenset({"alpha", "rescale", "constraint"})

LORA = Algorithm("lora", "LoRA", _PAIR, frozenset({"alpha"}))
"""A convolution trained this way is what others call LoCon."""
SCALED = Algorithm("lora", "LoRA with a scalar or a bias", _PAIR, _PLAIN)
DORA = tuple(Algorithm("dora", "DoRA", _PAIR | own, _PLAIN) for own in _MAGNITUDES)
TUCKER = Algorithm("lora", "LoRA with a Tucker core", _PAIR | {"lora_mid.weight"}, _SCALED)
LOHA = Algorithm("loha", "LoHa", _HADA, _SCALED | {"hada_t1", "hada_t2"})
LOKR = Algorithm("lokr", "LoKr", frozenset(), _LOKR | _SCALED)
FULL = Algorithm("full", "full weight differences", frozenset({"diff"}), frozenset({"diff_b"}))
BIAS = Algorithm("full", "differences of biases", frozenset({"diff_b"}))
NORM = Algorithm("norm", "norms", frozenset({"w_norm"}), frozenset({"b_norm"}))

OTHERS = (
    Algorithm("ia3", "IA3", frozenset({"weight", "on_input"}), frozenset({"alpha"})),
    Algorithm("oft", "OFT", frozenset({"oft_blocks"}), _OFT),
    Algorithm("oft", "OFT", frozenset({"oft_diag"}), _OFT),
    Algorithm("boft", "BOFT", frozenset({"boft_blocks"}), _OFT),
    Algorithm(
        "glora",
        "GLoRA",
        frozenset({"a1.weight", "a2.weight", "b1.weight", "b2.weight"}),
        frozenset({"alpha", "scalar", "bm.weight", "b3.weight"}),
    ),
    Algorithm("vera", "VeRA", frozenset({"vera_lambda_b", "vera_lambda_d"})),
    Algorithm("lora", "LoRA of an embedding", frozenset({"lora_embedding_A", "lora_embedding_B"})),
    Algorithm("lora", "LoRA with a bias of its own", _PAIR | {"lora_B.bias"}, _PLAIN),
    Algorithm("set", "replaced weights", frozenset({"set_weight"})),
)
"""Algorithms that are known by name and not applied."""

APPLIED = (LORA, SCALED, *DORA, TUCKER, LOHA, FULL, BIAS, NORM, LOKR)
"""Algorithms that are applied."""

_FOREIGN = (
    (r"bundle_emb\.(?P<name>[^.]+)\.", "an embedded textual inversion (the embedding {name})"),
    (
        r"(?P<name>emb_params|string_to_param.*|clip_[lg]|<[^<>.]+>)$",
        "a textual inversion (an embedding)",
    ),
    (r"\d+\.[01]\.linear\.", "a hypernetwork"),
    (r"lora_te3_|text_encoder_3\.", "a LoRA for SD 3 or another model of three text encoders"),
    (r"base_model\..*\.oft_", "OFT of PEFT"),
    (r"base_model\..*\.boft_", "BOFT of PEFT"),
    (r"base_model\..*\.ia3_", "IA3 of PEFT"),
    (r"base_model\..*\.vera_", "VeRA of PEFT"),
    (r"base_model\.", "an adapter of PEFT that shikomi does not apply, or for another model"),
    (r".*(double_blocks|single_blocks|single_transformer_blocks)[._]", "a LoRA for Flux"),
    (
        r".*joint_blocks[._]|(lora_)?transformer[._]",
        "a LoRA for a transformer such as SD 3 or Flux",
    ),
    (r"(?P<name>control_model\.|controlnet_|lora_controlnet)", "a ControlNet"),
    (r"(image_proj|ip_adapter)\.", "an IP-Adapter"),
    (
        r"diffusion_model\..*\.(lora_|lokr_|hada_|alpha$|diff(_b)?$)",
        "a LoRA for another model, under the names of ComfyUI",
    ),
    (r".*motion_modules\.", "a motion module of AnimateDiff"),
    (
        r"(model\.)?diffusion_model\.|first_stage_model\.|cond_stage_model\.|conditioner\.",
        "weights of a whole checkpoint",
    ),
    (r"(encoder|decoder|quant_conv|post_quant_conv)\.", "weights of a VAE or another model"),
)
"""Beginnings of keys that tell what a file holds besides a LoRA for SD 1.5 or SDXL, or instead."""


def algorithm_of(leaves: Collection[str]) -> Algorithm | None:
    """Return the algorithm that a module's tensors belong to; ``None`` for an unknown one.

    Args:
        leaves: Names of the tensors of one module, after the module's name.

    Example:
        >>> algorithm_of(["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"]).title
        'LoHa'
    """
    return next((known for known in (*APPLIED, *OTHERS) if known.fits(leaves)), None)


def describe_unknown(leaves: Collection[str]) -> str:
    """Return what tensors of one module that belong to no algorithm are, as far as it is known.

    Example:
        >>> describe_unknown(["lora_down.weight", "lora_up.weight", "oft_blocks", "alpha"])
        'a mixture of LoRA, OFT (alpha, lora_down.weight, lora_up.weight, oft_blocks)'
    """
    found = frozenset(leaves)
    known = [a for a in (*APPLIED, *OTHERS) if a is not SCALED and a.required]
    titles = [a.title for a in known if a.required <= found]
    titles += [LOKR.title] if found & _LOKR else []
    kind = f"a mixture of {', '.join(dict.fromkeys(titles))}" if len(set(titles)) > 1 else ""
    return f"{kind or 'tensors that shikomi does not know'} ({', '.join(sorted(found))})"


def foreign_content(keys: Iterable[str]) -> list[str]:
    """Return what a file holds that is no LoRA for SD 1.5 or SDXL, each named once, in order.

    Example:
        >>> foreign_content(["bundle_emb.mochi.string_to_param.*", "bundle_emb.mochi.clip_l"])
        ['an embedded textual inversion (the embedding mochi)']
    """
    found: dict[str, None] = {}
    for key in keys:
        for pattern, title in _FOREIGN:
            if match := re.match(pattern, key):
                found[title.format(**match.groupdict())] = None
                break
    return list(found)
