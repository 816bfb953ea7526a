"""A trained model as a checkpoint that every program loads: one file, in Stability's names.

Of a single file, everything that was not trained is copied byte for byte. A folder in the
diffusers layout becomes a single file.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor

from prep.errors import UnreadableError, UserError
from train.checkpoints.components import copies_of
from train.checkpoints.configs import unusual
from train.checkpoints.names import Copy
from train.checkpoints.recognition import TITLES, VAE
from train.checkpoints.single_file import SingleFile
from train.checkpoints.sources import FileSource
from train.checkpoints.writing import original_tensors, usual_copies
from train.families.base_model import BaseModel
from train.lora.streaming import StoredTensor, write_tensors
from train.networks.saved import DTYPES, not_finite, stored

Weights = Mapping[str, Tensor]
"""Of a component, by their names in it."""

_MARKS = ("v_pred", "ztsnr")
"""Empty tensors by which programs know v-prediction and zero terminal SNR."""
_OLD_AVERAGE = "model_ema."
"""The base model's own moving average, which is none of the trained weights."""


def save_checkpoint(
    path: Path,
    base: BaseModel,
    trained: Mapping[str, Weights],
    metadata: Mapping[str, str],
    precision: str,
) -> None:
    """Write a base model with other weights.

    Args:
        path: The file; one tensor at a time is in memory.
        base: The base model, whose files are read again.
        trained: The components that were trained: all weights of each.
        metadata: The hash of the weights is added.
        precision: Of what was trained: fp16, bf16 or fp32. The rest stays as it is.

    Raises:
        NotFiniteError: It would hold weights that are NaN or infinite; nothing is written.
        UserError: The base model's files have changed, or the file cannot be written.
    """
    dtype = DTYPES[precision]
    tensors = checkpoint_tensors(base, trained)
    for component, weights in trained.items():
        copies = copies_in_file(base, component, weights)
        for name, tensor in original_tensors(weights, copies).items():
            tensors[name] = _checked(path, name, tensor, dtype, precision)
    write_tensors(path, tensors, metadata, {"modelspec.hash_sha256": "0x"})


def check_base(base: BaseModel) -> None:
    """Refuse a folder that a single file cannot stand for.

    Raises:
        UserError: It is one.
    """
    if isinstance(base.source, FileSource):
        return
    if strange := unusual(base.family, base.configs):
        raise UserError(
            f"A checkpoint made of {base.name} would be a single file, which no program could read:"
            f" {strange[0]}.",
            f"Use LoRAs with it, or choose a model that is built like {TITLES[base.family]} in all"
            " respects.",
        )


def _checked(
    path: Path, name: str, tensor: Tensor, dtype: torch.dtype, precision: str
) -> StoredTensor:
    """Return a trained tensor that is refused when it comes to be written and is not finite."""
    plain = stored(tensor, dtype)

    def read() -> bytes | memoryview:
        if not torch.isfinite(tensor.detach().to(dtype)).all():
            raise not_finite(path, name, precision)
        return plain.read()

    return StoredTensor(plain.dtype, plain.shape, read)


def copies_in_file(base: BaseModel, component: str, names: Collection[str]) -> list[Copy]:
    """Return where the checkpoint of a base model keeps each weight of a component.

    Args:
        base: The base model, a file or a folder.
        component: unet, vae, text_encoder or text_encoder_2.
        names: Of the component's weights.
    """
    config, source = base.configs[component], base.source
    if isinstance(source, FileSource):
        return copies_of(source.file, component, config)
    return usual_copies(base.family, component, config, names)


def _marks(base: BaseModel) -> list[str]:
    schedule = base.configs["scheduler"]
    if schedule.get("prediction_type") != "v_prediction":
        return []
    return list(_MARKS) if schedule.get("rescale_betas_zero_snr") else [_MARKS[0]]


def checkpoint_tensors(base: BaseModel, trained: Collection[str] = ()) -> dict[str, StoredTensor]:
    """Return the tensors of a base model as a single file holds them, by their names there.

    Args:
        base: Of a single file, the tensors are as they stand in it, in their own types.
        trained: Components to leave out.

    Raises:
        UnreadableError: Its file is another one by now.
    """
    found: dict[str, StoredTensor] = {}
    if isinstance(base.source, FileSource):
        found = _of_file(base.source.file)
        components = ["vae"] if base.separate_vae else []
        if components:
            found = {name: t for name, t in found.items() if not name.startswith(VAE)}
    else:
        every = ("unet", "vae", *base.text_encoders)
        components = [name for name in every if name not in trained]
    for component in components:
        found |= _of_component(base, component)
    for mark in _MARKS:
        found.pop(mark, None)
    return found | {mark: StoredTensor("F32", (0,), lambda: b"") for mark in _marks(base)}


def _of_file(file: SingleFile) -> dict[str, StoredTensor]:
    """Return the tensors of a checkpoint file in their own types.

    Raises:
        UnreadableError: It is another file by now.
    """
    again = SingleFile.open(file.path)
    if again.shapes != file.shapes:
        raise UnreadableError(
            f"{file.path} has changed since the run began.", "Put the base model back."
        )
    tensors = again.stored() or {name: stored(t) for name, t in again.tensors(again.shapes)}
    return {name: t for name, t in tensors.items() if not name.startswith(_OLD_AVERAGE)}


def _of_component(base: BaseModel, component: str) -> dict[str, StoredTensor]:
    """Return a component of a folder, in the smallest type that holds all its values exactly."""
    if component == "vae" and base.separate_vae:
        module, config = base.separate_vae.load(), base.separate_vae.config
    else:
        config = base.configs[component]
        module = base.source.load(component, config, torch.float32)
    state = dict(module.named_parameters())
    dtype = _exact_type(list(state.values()))
    copies = usual_copies(base.family, component, config, state)
    return {n: stored(t, dtype) for n, t in original_tensors(state, copies).items()}


def _exact_type(tensors: list[Tensor]) -> torch.dtype:
    for dtype in (torch.float16, torch.bfloat16):
        if all(torch.equal(tensor.to(dtype).float(), tensor) for tensor in tensors):
            return dtype
    return torch.float32
