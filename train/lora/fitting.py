"""Do the tensors of a module of a LoRA file fit the module that they change? Shapes only, no torch.

A linear layer and a 1x1 convolution are the same thing, and files hold either as the other.
"""

from collections.abc import Callable, Mapping
from math import prod

from train.lora.algorithms import (
    BIAS,
    DORA,
    FULL,
    LOHA,
    LOKR,
    LORA,
    NORM,
    SCALED,
    TUCKER,
    Algorithm,
)
from train.lora.layout import Shape

Leaves = Mapping[str, Shape]
"""Shape of each tensor of a module, by its leaf."""
_Wanted = dict[str, Shape]
_JOINED = frozenset({"hada_w1_b", "hada_w2_b", "lokr_w2_b"})


def misfit(algorithm: Algorithm, leaves: Leaves, module: Shape) -> str:
    """Return what does not fit, as the end of a sentence; an empty text when all does.

    Args:
        algorithm: What the tensors are, one of ``algorithms.APPLIED``.
        leaves: The shapes of the tensors.
        module: The shape of the module's weight.

    Example:
        >>> pair = {"lora_down.weight": (4, 1024), "lora_up.weight": (320, 4)}
        >>> misfit(LORA, pair, (320, 768))
        'lora_down.weight is 4x1024 instead of 4x768'
    """
    if len(module) == 1 and algorithm not in (NORM, FULL, BIAS):
        return f"{algorithm.title} cannot change a norm"
    if len(module) > 1 and algorithm is NORM:
        return "it is no norm"
    wanted = _WANTED[algorithm](leaves, module)
    if isinstance(wanted, str):
        return wanted
    wanted |= {leaf: () for leaf in ("alpha", "scalar") if leaf in leaves}
    wanted |= {"diff_b": module[:1]} if "diff_b" in leaves else {}
    for leaf, shape in wanted.items():
        if shape not in _readings(leaf, leaves[leaf]) and _plain(leaves[leaf]) != _plain(shape):
            return f"{leaf} is {_text(leaves[leaf])} instead of {_text(shape)}"
    return _magnitude_misfit(leaves, module)


def _plain(shape: Shape) -> Shape:
    """Return a shape without the ones at its end."""
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _readings(leaf: str, shape: Shape) -> list[Shape]:
    """Return other shapes that mean the same: LyCORIS keeps kernels apart, or joined to inputs."""
    return [(shape[0], prod(shape[1:]))] if leaf in _JOINED and len(shape) > 2 else []


def _text(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "a single number"


def _first(shape: Shape) -> int:
    return shape[0] if shape else 1


def _magnitude_misfit(leaves: Leaves, module: Shape) -> str:
    """Check DoRA's magnitudes: one for each output, or (first axis 1) for each input."""
    for leaf in ("dora_scale", "lora_magnitude_vector"):
        shape = leaves.get(leaf)
        if shape is None:
            continue
        of_outputs = prod(shape) == module[0] and (leaf != "dora_scale" or shape[0] == module[0])
        of_inputs = leaf == "dora_scale" and _plain(shape) == _plain((1, module[1]))
        if not of_outputs and not of_inputs:
            return f"{leaf} is {_text(shape)}, and the module is {_text(module)}"
    return ""


def _pair(leaves: Leaves, module: Shape) -> _Wanted:
    rank = _first(leaves["lora_down.weight"])
    return {"lora_down.weight": (rank, *module[1:]), "lora_up.weight": (module[0], rank)}


def _tucker(leaves: Leaves, module: Shape) -> _Wanted:
    rank, inner = _first(leaves["lora_down.weight"]), _first(leaves["lora_mid.weight"])
    return {
        "lora_down.weight": (rank, module[1]),
        "lora_mid.weight": (inner, rank, *module[2:]),
        "lora_up.weight": (module[0], inner),
    }


def _loha(leaves: Leaves, module: Shape) -> _Wanted | str:
    cores = [leaf for leaf in ("hada_t1", "hada_t2") if leaf in leaves]
    if len(cores) == 1:
        return "only one of its two Tucker cores is there"
    wanted: _Wanted = {}
    for number in (1, 2):
        a, b = f"hada_w{number}_a", f"hada_w{number}_b"
        rank = _first(leaves[b])
        if cores:
            # The rank of the output side comes first in a core, and in w_a.
            outer = _first(leaves[a])
            wanted |= {f"hada_t{number}": (outer, rank, *module[2:])}
            wanted |= {a: (outer, module[0]), b: (rank, module[1])}
        else:
            wanted |= {a: (module[0], rank), b: (rank, prod(module[1:]))}
    return wanted


def _lokr(leaves: Leaves, module: Shape) -> _Wanted | str:
    """A Kronecker product: the sides of both factors multiply to those of the weight."""
    halves = {n: "whole" if f"lokr_w{n}" in leaves else "factors" for n in (1, 2)}
    for number, half in halves.items():
        pieces = {f"lokr_w{number}_a", f"lokr_w{number}_b"} & leaves.keys()
        if len(pieces) != (0 if half == "whole" else 2):
            return f"lokr_w{number} is incomplete, or there twice"
    if "lokr_t2" in leaves and halves[2] == "whole":
        return "lokr_w2 has a Tucker core and is whole"
    rows, columns = _lokr_left(leaves)
    if not rows or not columns or module[0] % rows or module[1] % columns:
        return f"lokr_w1 is {rows}x{columns}, and the module is {_text(module)}"
    below, inputs, kernel = module[0] // rows, module[1] // columns, module[2:]
    wanted: _Wanted = {}
    if halves[1] == "factors":
        rank = _first(leaves["lokr_w1_b"])
        wanted |= {"lokr_w1_a": (rows, rank), "lokr_w1_b": (rank, columns)}
    if halves[2] == "whole":
        return wanted | {"lokr_w2": (below, inputs, *kernel)}
    rank = _first(leaves["lokr_w2_b"])
    if "lokr_t2" not in leaves:
        return wanted | {"lokr_w2_a": (below, rank), "lokr_w2_b": (rank, inputs * prod(kernel))}
    outer = _first(leaves["lokr_w2_a"])
    core = {"lokr_t2": (outer, rank, *kernel)}
    return wanted | core | {"lokr_w2_a": (outer, below), "lokr_w2_b": (rank, inputs)}


def _lokr_left(leaves: Leaves) -> tuple[int, int]:
    """Return rows and columns of the left factor; zeros for other than two axes."""
    left = leaves.get("lokr_w1") or leaves.get("lokr_w1_a", ())
    right = leaves.get("lokr_w1") or leaves.get("lokr_w1_b", ())
    return (left[0], right[1]) if len(left) == len(right) == 2 else (0, 0)


def _full(leaves: Leaves, module: Shape) -> _Wanted:
    del leaves
    return {"diff": module}


def _norm(leaves: Leaves, module: Shape) -> _Wanted:
    return {leaf: module for leaf in ("w_norm", "b_norm") if leaf in leaves}


_WANTED: Mapping[Algorithm, Callable[[Leaves, Shape], _Wanted | str]] = {
    LORA: _pair,
    SCALED: _pair,
    **dict.fromkeys(DORA, _pair),
    TUCKER: _tucker,
    LOHA: _loha,
    LOKR: _lokr,
    FULL: _full,
    BIAS: lambda _leaves, _module: {},
    NORM: _norm,
}
