"""What a base model predicts, read from its files, since other trainers have to be told.

Source: ``scheduler_config.json`` of diffusers' layout; the keys ``v_pred`` and ``ztsnr`` that
ComfyUI looks for in single files, and ``modelspec.prediction_type`` of their metadata.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prep.texts import parse_json, read_text

_MAX_HEADER = 100_000_000


@dataclass(frozen=True)
class NoiseKind:
    """What a base model was trained on.

    Attributes:
        v_prediction: It predicts velocities, not noise.
        zero_terminal_snr: Its last timestep is pure noise.
    """

    v_prediction: bool = False
    zero_terminal_snr: bool = False


def noise_kind(base: str) -> NoiseKind:
    """Return what the base model at a path predicts; noise for one that is not there."""
    place = Path(base)
    with suppress(OSError, ValueError, AttributeError):
        if place.is_dir():
            config = parse_json(read_text(place / "scheduler" / "scheduler_config.json"))
            return NoiseKind(
                config.get("prediction_type") == "v_prediction",
                bool(config.get("rescale_betas_zero_snr")),
            )
        if place.suffix == ".safetensors":
            return _of_checkpoint(_header(place))
    return NoiseKind()


def _of_checkpoint(header: dict[str, Any]) -> NoiseKind:
    kind = str(header.get("__metadata__", {}).get("modelspec.prediction_type", ""))
    return NoiseKind("v_pred" in header or kind.startswith("v"), "ztsnr" in header)


def _header(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = parse_json(stream.read(min(length, _MAX_HEADER)))
    return header if isinstance(header, dict) else {}
