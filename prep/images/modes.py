"""From whatever a decoder returns to RGB of 8 bits, as people see it.

Numbers of more than 8 bits are scaled, not cut off: 16 bits by 257; 32-bit integers by their own
range if they exceed 16 bits; floats as 0 to 1 if none is larger, else as 8 or 16 bits, else by
their maximum, since TIFF does not say what white is.
"""

from typing import TYPE_CHECKING

from PIL import Image

from prep.images.colour import has_profile, to_srgb

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LAYERED = frozenset({"RGBA", "LA", "PA", "La", "RGBa"})
_BYTE, _SHORT, _LONG = 255.0, 65_535.0, 2_147_483_647.0


def is_plain(image: Image.Image) -> bool:
    """Return whether a picture is grey or RGB, opaque, and of sRGB, as far as its file says."""
    return (
        image.mode in ("L", "RGB") and "transparency" not in image.info and not has_profile(image)
    )


def flatten(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB in sRGB, composing transparency on white."""
    if not is_plain(image):
        image = to_srgb(in_bytes(image))
        if image.mode in ("RGBA", "LA"):
            layered = image.convert("RGBA")
            white = Image.new("RGBA", layered.size, (255, 255, 255, 255))
            image = Image.alpha_composite(white, layered)
    return image if image.mode == "RGB" else image.convert("RGB")


def colours(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB in sRGB, without regard to transparency."""
    return (image if is_plain(image) else to_srgb(in_bytes(image))).convert("RGB")


def opacity(image: Image.Image) -> Image.Image:
    """Return the transparency of a picture: grey, 255 where it is opaque."""
    image = in_bytes(image)
    if image.mode in ("RGBA", "LA"):
        return image.getchannel("A")
    return Image.new("L", image.size, 255)


def in_bytes(image: Image.Image) -> Image.Image:
    """Return a picture as L, LA, RGB, RGBA, CMYK or LAB of 8 bits, keeping its profile."""
    info = {key: value for key, value in image.info.items() if key != "transparency"}
    converted = _in_bytes(image)
    if converted is not image:
        converted.info = info
    return converted


def _in_bytes(image: Image.Image) -> Image.Image:
    mode = image.mode
    if mode == "F" or mode.startswith("I"):
        return _scaled(image)
    if mode in _LAYERED or "transparency" in image.info:
        if mode in ("LA", "RGBA"):
            return image
        return image.convert("LA" if mode in ("1", "L", "La") else "RGBA")
    if mode in ("L", "RGB", "CMYK", "LAB"):
        return image
    return image.convert("L" if mode == "1" else "RGB")


def _scaled(image: Image.Image) -> Image.Image:
    """Scale grey of more than 8 bits; a number that stands for transparency becomes a layer."""
    import numpy as np

    values = np.asarray(image)
    numbers = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    grey = numbers * np.float32(_BYTE / _white(image.mode, numbers))
    found = Image.fromarray(np.clip(np.rint(grey), 0, _BYTE).astype(np.uint8))
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        found.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return found


def _white(mode: str, numbers: "NDArray[np.float32]") -> float:
    """Return the number that is shown white."""
    most = float(numbers.max(initial=0.0))
    if mode != "F":
        return _SHORT if most <= _SHORT or mode != "I" else _LONG
    return next((white for white in (1.0, _BYTE, _SHORT) if most <= white), most)
