"""Which tensors of a single file make up each component, and are all of them there? No torch."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from prep.errors import UnreadableError, UserError
from train.checkpoints.configs import vae_shapes
from train.checkpoints.names import Copy, clip_copies, open_clip_copies, unet_copies, vae_copies
from train.checkpoints.recognition import SD15_TEXT, SDXL_TEXT, TITLES, UNET, VAE
from train.checkpoints.single_file import SingleFile
from train.lora.layout import TextLayout, UNetLayout
from train.settings.model import FamilyName

_TEXT_MODEL = "text_model."
_PROJECTION = "text_projection"


def copies_of(file: SingleFile, component: str, config: Mapping[str, Any]) -> list[Copy]:
    """Return where each weight of a component comes from, by full names in the file.

    Args:
        file: A checkpoint, or for the VAE a file of its own.
        component: unet, vae, text_encoder or text_encoder_2.
        config: Of the component.
    """
    if component == "unet":
        return _placed(UNET, unet_copies(UNetLayout.from_config(config)))
    if component == "vae":
        return _vae(file, config)
    layout = TextLayout.from_config(config)
    if component == "text_encoder":
        prefix = next(part for part in (SD15_TEXT, SDXL_TEXT[0]) if file.has(part))
        inner = _TEXT_MODEL if file.has(f"{prefix}{_TEXT_MODEL}") else ""
        return _placed(prefix, clip_copies(layout, inner))
    copies = _placed(SDXL_TEXT[1], open_clip_copies(layout))
    return [_linear(copy, file) for copy in copies]


def check_complete(
    file: SingleFile, family: FamilyName, configs: Mapping[str, Mapping[str, Any]]
) -> None:
    """Refuse a file that lacks weights, or whose UNet has more of them than the family.

    Raises:
        UnreadableError: It is incomplete.
        UserError: It is built otherwise.
    """
    components = [name for name in configs if name != "scheduler"]
    needed = {c.source: c for name in components for c in copies_of(file, name, configs[name])}
    missing = sorted(needed.keys() - file.shapes.keys())
    if missing:
        raise UnreadableError(
            f"{file.path.name} is incomplete: it lacks {_tensors(missing)}, for example"
            f" {missing[0]}.",
            "Download or copy it again.",
        )
    more = sorted(name for name in file.shapes if name.startswith(UNET) and name not in needed)
    if more:
        raise UserError(
            f"{file.path.name} is built otherwise than {TITLES[family]}: its UNet has"
            f" {_tensors(more)} more than {TITLES[family]} has, for example {more[0]}.",
            "Choose an SD 1.5 or SDXL checkpoint as base.",
        )


def _tensors(names: list[str]) -> str:
    return f"{len(names)} tensor{'s' if len(names) > 1 else ''}"


def _placed(prefix: str, copies: Iterable[Copy]) -> list[Copy]:
    return [replace(copy, source=prefix + copy.source) for copy in copies]


def _vae(file: SingleFile, config: Mapping[str, Any]) -> list[Copy]:
    shapes = vae_shapes(file.shapes)
    copies = vae_copies(
        len(config["block_out_channels"]),
        config["layers_per_block"],
        lambda resnet: f"{resnet}.nin_shortcut.weight" in shapes,
    )
    return _placed(VAE if file.has(VAE) else "", copies)


def _linear(copy: Copy, file: SingleFile) -> Copy:
    """Some programs save the text projection as a linear layer, which is not transposed."""
    linear = f"{copy.source}.weight"
    if (
        copy.source.endswith(_PROJECTION)
        and copy.source not in file.shapes
        and linear in file.shapes
    ):
        return replace(copy, source=linear, change="")
    return copy
