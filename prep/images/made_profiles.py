"""ICC profiles made from chromaticities and an exponent, which PNG chunks hold (ICC.1:2001-04)."""

import math
import struct
from collections.abc import Sequence
from functools import lru_cache

Primaries = tuple[float, float, float, float, float, float]
"""x and y of red, green and blue."""
SRGB_PRIMARIES: Primaries = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
WHITE = (0.3127, 0.3290)
"""D65, the white of sRGB."""
_KEPT = 32
_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))


@lru_cache(maxsize=_KEPT)
def matrix_profile(primaries: Primaries, white: tuple[float, float], exponent: float) -> bytes:
    """Return an RGB profile.

    Args:
        primaries: x and y of red, green and blue (CIE 1931).
        white: x and y of white.
        exponent: Of the curve from numbers to light; 0 for the curve of sRGB.

    Returns:
        The bytes of a profile; empty if the chromaticities are impossible.
    """
    import numpy as np

    points = [_xyz(primaries[n], primaries[n + 1]) for n in (0, 2, 4)]
    target = _xyz(*white)
    if any(point is None for point in (*points, target)):
        return b""
    columns = np.array(points).T
    try:
        matrix = columns * np.linalg.solve(columns, np.array(target))
    except np.linalg.LinAlgError:
        return b""
    bradford = np.array(_BRADFORD)
    cone = (bradford @ np.array(_D50)) / (bradford @ np.array(target))
    adapted = np.linalg.inv(bradford) @ np.diag(cone) @ bradford @ matrix
    tags = {f"{name}TRC".encode(): _curve(exponent) for name in "rgb"}
    tags |= {f"{n}XYZ".encode(): _xyz_tag(adapted[:, k]) for k, n in enumerate("rgb")}
    return _profile(b"RGB ", tags)


@lru_cache(maxsize=_KEPT)
def grey_profile(exponent: float) -> bytes:
    """Return a profile of grey pixels; see ``matrix_profile``."""
    return _profile(b"GRAY", {b"kTRC": _curve(exponent)})


def _xyz(x: float, y: float) -> tuple[float, float, float] | None:
    if not (0 < y <= 1 and 0 <= x <= 1):
        return None
    return x / y, 1.0, (1 - x - y) / y


def _curve(exponent: float) -> bytes:
    """Return a curve: a power, or that of sRGB for 0."""
    if exponent:
        return struct.pack(">4sIIH", b"curv", 0, 1, round(exponent * 256)) + b"\0\0"
    values = (n / 1023 for n in range(1024))
    linear = (v / 12.92 if v <= 0.04045 else math.pow((v + 0.055) / 1.055, 2.4) for v in values)
    return struct.pack(">4sII1024H", b"curv", 0, 1024, *(round(v * 65535) for v in linear))


def _xyz_tag(values: Sequence[float]) -> bytes:
    return struct.pack(">4sIiii", b"XYZ ", 0, *(round(float(v) * 65536) for v in values))


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    name = b"made of PNG chunks"
    description = struct.pack(">4sII", b"desc", 0, len(name) + 1) + name + b"\0" * 79
    tags = {
        b"desc": description,
        b"cprt": b"text\0\0\0\0CC0\0",
        b"wtpt": _xyz_tag(_D50),
        **tags,
    }
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for tag, data in tags.items():
        table += struct.pack(">4sII", tag, start + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    head = struct.pack(
        ">II I4s4s4s 6H 4s 28x iii 48x",
        *(start + len(body), 0, 0x02400000, b"mntr", space, b"XYZ ", 2024, 1, 1, 0, 0, 0, b"acsp"),
        *(round(v * 65536) for v in _D50),
    )
    return head + struct.pack(">I", len(tags)) + table + body
