"""Beginning a run where a LoRA file ends."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from prep.errors import UserError
from train.lora.algorithms import algorithm_of
from train.lora.contents import by_module
from train.networks.saved import load_lora
from train.networks.trained import TrainedAdapter
from train.networks.trainee import Trainee


def continue_from(network: Trainee, path: Path) -> None:
    """Give a network the changes that a file makes; modules that the file lacks stay as they are.

    The run's own alpha counts: weights are scaled so that the change stays the same.

    Raises:
        UserError: The file cannot be read, or is not what this run trains; nothing is changed.
    """
    adapters, modules = network.trained(), by_module(load_lora(path))
    if not modules:
        raise UserError(f"{path.name} holds no LoRA.", "See start_from in [train].")
    fitting = {name: _tensors(path, name, adapters.get(name), modules[name]) for name in modules}
    for name, tensors in fitting.items():
        adapters[name].load(tensors)


def _tensors(
    path: Path, name: str, adapter: TrainedAdapter | None, found: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the tensors of a module, shaped and scaled for its adapter.

    Raises:
        UserError: They do not fit.
    """
    if adapter is None:
        raise UserError(
            f"{path.name} changes {name}, which this run does not train.",
            "Set what is trained (train_unet, train_text_encoder, conv_rank …) as for that file.",
        )
    own, algorithm = adapter.leaves(), algorithm_of(found)
    if algorithm not in adapter.ALGORITHMS or found.keys() - {"alpha"} != own.keys():
        kind = algorithm.title if algorithm else "of an unknown kind"
        raise UserError(
            f"{path.name} is {kind} in {name} ({', '.join(sorted(found))}), and this run trains"
            f" {adapter.ALGORITHMS[0].title} ({', '.join(sorted(own))}).",
            "Set network, rank, lokr_factor as for that file, or leave start_from out.",
        )
    for leaf, parameter in own.items():
        if _plain(found[leaf]) != _plain(parameter):
            raise UserError(
                f"{leaf} of {name} is {_text(found[leaf])} in {path.name}, and {_text(parameter)}"
                " in this run.",
                "Set rank, conv_rank and block_ranks as for that file, and choose its base model.",
            )
    rank, alpha = adapter.rank, found.get("alpha")
    scale = 1.0 if alpha is None else float(alpha) / rank
    shaped = {leaf: found[leaf].reshape(parameter.shape) for leaf, parameter in own.items()}
    if scale != adapter.scale:
        shaped[adapter.SCALED] = shaped[adapter.SCALED] * (scale / adapter.scale)
    return shaped


def _plain(tensor: Tensor) -> tuple[int, ...]:
    """Return a shape without the ones at its end: 1x1 convolutions may be saved as matrices."""
    shape = tuple(tensor.shape)
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _text(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape))
