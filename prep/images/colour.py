"""Colour profiles: every picture becomes sRGB, which trainers and models take all pictures for.

What counts, in the order of browsers: cICP of a PNG (Display P3 and BT.2020 with the curve of sRGB
or a power; not HDR curves, which need tone mapping), an ICC profile, then gAMA and cHRM of a PNG
without an sRGB chunk. A profile that is broken, or for another kind of pixels, is ignored, as
browsers do. Profiles that describe sRGB itself, by whatever name, cost nothing: they are recognised
once by what they do to a set of colours.
"""

import io
import math
import struct
from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from PIL import Image

from prep.images.made_profiles import (
    SRGB_PRIMARIES,
    WHITE,
    Primaries,
    grey_profile,
    matrix_profile,
)

if TYPE_CHECKING:
    from PIL import ImageCms

ProfileKind = Literal["srgb", "other", "broken"]

_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
"""Mode of the pixels that a profile is for, by its colour space."""
_TOLERANCE = 2
"""Difference, of 255, up to which a profile is sRGB: versions of it round differently."""
_PROFILES = 32
"""Maximum of conversions that are kept; the pictures of a dataset share a few profiles."""
_SRGB_GAMMA, _NEAR = 1 / 2.2, 0.01
_CODED_PRIMARIES: dict[int, Primaries] = {
    1: SRGB_PRIMARIES,
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
"""Of ITU-T H.273: BT.709, BT.2020, Display P3."""
_SRGB_CURVE = 13
_CODED_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0, 1: 0.0, 6: 0.0, 14: 0.0, 15: 0.0, _SRGB_CURVE: 0.0}
"""Exponents; 0 for the curve of sRGB, with which browsers also show BT.709 and its relatives."""
_BROKEN = b"broken"
"""Stands for a profile that cannot be unpacked."""
_CICP = struct.Struct(">BBBB")


class _Conversion(NamedTuple):
    kind: ProfileKind
    transform: "ImageCms.ImageCmsTransform | None" = None


def has_profile(image: Image.Image) -> bool:
    """Return whether a file says which colours its numbers stand for; they may be those of sRGB."""
    info = image.info
    if info.get("icc_profile", b"") != b"" or info.get("cicp"):  # None: it cannot be unpacked
        return True
    return "srgb" not in info and ("gamma" in info or "chromaticity" in info)


def profile_kind(image: Image.Image) -> ProfileKind:
    """Return how the profile of a picture is used; ``srgb`` if there is none."""
    return _of(image).kind


def to_srgb(image: Image.Image) -> Image.Image:
    """Convert the colours of an opaque or layered picture of 8 bits to sRGB.

    Args:
        image: L, LA, RGB, RGBA, CMYK or LAB, as decoded.

    Returns:
        The picture itself if there is nothing to convert, else RGB or RGBA.
    """
    transform = _of(image).transform
    if transform is None:
        return image if image.mode != "LAB" else _applied(_lab(), image)
    if image.mode in ("LA", "RGBA"):
        opaque = image.convert(image.mode[:-1])
        layered = _applied(transform, opaque)
        layered.putalpha(image.getchannel("A"))
        return layered
    return _applied(transform, image)


def _applied(transform: "ImageCms.ImageCmsTransform", image: Image.Image) -> Image.Image:
    converted = transform.apply(image)
    converted.info.clear()  # its profile is that of sRGB now
    return converted


def _of(image: Image.Image) -> _Conversion:
    mode = image.mode.removesuffix("A") if image.mode in ("LA", "RGBA") else image.mode
    profile = _described(image.info, mode)
    return _conversion(profile, mode) if profile else _Conversion("srgb")


def _described(info: dict[Any, Any], mode: str) -> bytes:
    """Return the profile of a picture, empty for sRGB."""
    if (coded := info.get("cicp")) and len(coded) >= _CICP.size and mode == "RGB":
        primaries, curve, _, _ = _CICP.unpack_from(coded)
        if primaries in _CODED_PRIMARIES and curve in _CODED_GAMMAS:
            return matrix_profile(_CODED_PRIMARIES[primaries], WHITE, _CODED_GAMMAS[curve])
    if "icc_profile" in info and info["icc_profile"] != b"":
        return bytes(info["icc_profile"] or _BROKEN)
    if "srgb" in info or mode not in ("L", "RGB"):
        return b""
    return _from_png(info.get("gamma"), info.get("chromaticity"), mode)


def _from_png(gamma: float | None, chromaticity: Sequence[float] | None, mode: str) -> bytes:
    """Return a profile for gAMA and cHRM; without gAMA cHRM says nothing."""
    if not gamma or not 0.1 <= gamma <= 1.1:
        return b""
    exponent = 0.0 if abs(gamma - _SRGB_GAMMA) < _NEAR else round(1 / gamma, 4)
    if mode == "L":
        return grey_profile(exponent) if exponent else b""
    white, primaries = WHITE, SRGB_PRIMARIES
    if chromaticity and len(chromaticity) == 8:
        white = (chromaticity[0], chromaticity[1])
        primaries = tuple(chromaticity[2:])  # type: ignore[assignment]
    usual = (*SRGB_PRIMARIES, *WHITE)
    if not exponent and all(
        math.isclose(one, other, abs_tol=0.002)
        for one, other in zip((*primaries, *white), usual, strict=True)
    ):
        return b""
    return matrix_profile(primaries, white, exponent)


@lru_cache(maxsize=_PROFILES)
def _conversion(profile: bytes, mode: str) -> _Conversion:
    """Return the conversion from a profile to sRGB, for pixels of a mode."""
    from PIL import ImageCms

    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if _MODES.get(opened.profile.xcolor_space.strip()) != mode:
            return _Conversion("broken")
        transform = ImageCms.buildTransform(opened, _srgb(), mode, "RGB")
        if mode in ("L", "RGB") and _changes_nothing(transform, mode):
            return _Conversion("srgb")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return _Conversion("broken")
    return _Conversion("other", transform)


def _changes_nothing(transform: "ImageCms.ImageCmsTransform", mode: str) -> bool:
    import numpy as np

    steps = range(0, 256, 15)
    colours = list(product(steps, repeat=3)) if mode == "RGB" else [(n, n, n) for n in range(256)]
    before = np.array([colours], np.uint8)
    image = Image.fromarray(before)
    after = np.asarray(transform.apply(image.convert(mode)))
    return int(np.abs(after.astype(int) - before).max()) <= _TOLERANCE


@lru_cache(maxsize=1)
def _lab() -> "ImageCms.ImageCmsTransform":
    from PIL import ImageCms

    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), _srgb(), "LAB", "RGB")


@lru_cache(maxsize=1)
def _srgb() -> Any:
    from PIL import ImageCms

    return ImageCms.createProfile("sRGB")
