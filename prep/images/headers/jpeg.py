"""JPEG: markers from the start of the image to the start of the first scan (ITU T.81, annex B).

The loop is written for speed: otherwise a scan spends more time here than in the file system.
"""

import re
import struct

from prep.images.headers import exif
from prep.images.headers.source import HeaderBytes, ImageHeader, UnsupportedHeaderError

_SCAN, _HUFFMAN, _TABLES, _COMMENT, _RESTART = 0xDA, 0xC4, 0xDB, 0xFE, 0xDD
_PASSED = frozenset({_HUFFMAN, _COMMENT, _RESTART})
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
"""Baseline, extended and progressive; arithmetic and lossless ones are left to Pillow."""
_APP, _APP1, _APP15 = 0xE0, 0xE1, 0xEF
_JFIF, _JFIF_REST = b"\xff\xd8\xff\xe0\0\x10JFIF\0", 9
"""How most files begin, and the length of the rest of that segment."""
_LAYERS = {1: 9, 3: 15, 4: 18}
"""Length of the frame header by number of components."""
_ONE_TABLE = 65
_USUAL = re.compile(
    rb"(?:\xff\xdb\0\x43[\0-\x0f].{64}){1,4}"  # tables of one byte per value
    rb"\xff[\xc0-\xc2]\0\x11\x08(....)\x03.{9}"  # the frame: 8 bits, height, width, 3 components
    rb"((?:\xff\xc4\0\x1f.{29}\xff\xc4\0\xb5.{179}){2}\xff\xda\0\x0c.{10})?",  # default codes
    re.DOTALL,
).match
"""What most encoders write from the tables on, checked in one go instead of nine."""
_SIZE = struct.Struct(">HH")
_END = b"\xff\xd9"
_TAIL = 64 * 1024
_ICC, _ICC_START = b"ICC_PROFILE\0", 14
"""How segments of a profile begin, and the length of that with their number and their count."""
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"


def read(source: HeaderBytes) -> ImageHeader:
    """Read the header.

    Raises:
        UnsupportedHeaderError: It is not a plain JPEG file.
    """
    head = source.head
    known = len(head)
    width = height = 0
    place = len(_JFIF) + _JFIF_REST if head.startswith(_JFIF) else 2
    if not head.startswith(b"\xff\xd8\xff"):
        raise UnsupportedHeaderError
    turn: int | None = None
    found, xmp, profile = False, b"", list[bytes]()
    while True:
        if place + 4 > known:
            head = source.longer(place + 4)
            known = len(head)
        if head[place] != 0xFF:
            raise UnsupportedHeaderError
        marker, length = head[place + 1], head[place + 2] << 8 | head[place + 3]
        if marker == _TABLES and not width and (usual := _USUAL(head, place)):
            height, width = _SIZE.unpack_from(head, usual.start(1))
            place = usual.end()
            if usual[2]:
                break
            continue
        data, place = place + 4, place + 2 + length
        if place > known:
            head = source.longer(place)
            known = len(head)
        if marker == _APP1:
            if head.startswith(_EXIF, data):
                if found:
                    raise UnsupportedHeaderError
                found, turn = True, exif.orientation(head[data + 6 : place])
            elif head.startswith(_XMP, data):
                xmp = head[data:place]
        elif marker in _PASSED or (marker == _APP and length > 14):
            pass
        elif marker == _TABLES:
            if length != _ONE_TABLE + 2 or head[data] > 15:
                _check_tables(head[data:place])
        elif marker in _FRAMES:
            if width:
                raise UnsupportedHeaderError
            width, height = _frame(head[data:place])
        elif marker == _SCAN:
            break
        elif _APP <= marker <= _APP15:
            profile += _application(marker - _APP, head[data:place])
        else:
            raise UnsupportedHeaderError
        if length < 2:
            raise UnsupportedHeaderError
    if not width:
        raise UnsupportedHeaderError
    if turn is None:
        turn = exif.upright(turn, xmp)
    return ImageHeader(width, height, "JPEG", turn, False, 1, _is_whole(source), _is_any(profile))


def _is_any(profile: list[bytes]) -> bool:
    """Return whether a profile has bytes, or lacks segments: the first one says how many it has."""
    missing = bool(profile) and min(profile)[13] != len(profile)
    return missing or any(len(data) > _ICC_START for data in profile)


def _frame(data: bytes) -> tuple[int, int]:
    """Return width and height of a frame of 8 bits and 1, 3 or 4 components."""
    if len(data) < 6 or data[0] != 8 or _LAYERS.get(data[5]) != len(data):
        raise UnsupportedHeaderError
    return data[3] << 8 | data[4], data[1] << 8 | data[2]


def _is_whole(source: HeaderBytes) -> bool:
    """Return whether the end marker is there: usually last, else in memory for small files."""
    if source.size == len(source.head):
        return source.head.endswith(_END) or _END in source.tail(_TAIL)
    return source.tail(2) == _END or _END in source.tail(_TAIL)


def _check_tables(data: bytes) -> None:
    """Walk over quantization tables of one or two bytes per value."""
    while data:
        length = 65 if data[0] < 16 else 129
        if len(data) < length:
            raise UnsupportedHeaderError
        data = data[length:]


def _application(number: int, data: bytes) -> list[bytes]:
    """Refuse malformed application segments of the kinds that Pillow parses.

    Returns:
        The segment if it is one of a colour profile, else nothing.
    """
    least = 0
    if number == 0 and data.startswith(b"JFIF"):
        least = 12
    elif number == 2 and data.startswith(_ICC):
        least = _ICC_START
    elif number == 2 and data.startswith(b"MPF\0"):
        raise UnsupportedHeaderError  # several pictures in one file
    elif number == 13 and data.startswith(b"Photoshop 3.0\0"):
        _check_resources(data)
    elif number == 14 and data.startswith(b"Adobe"):
        least = 12
    if len(data) < least:
        raise UnsupportedHeaderError
    return [data] if least == _ICC_START else []


def _check_resources(data: bytes) -> None:
    """Walk over Photoshop's image resources; a short one raises an IndexError."""
    place = 14
    while data[place : place + 4] == b"8BIM":
        place += 6
        place += 1 + data[place]
        place += place & 1
        size = int.from_bytes(data[place : place + 4], "big")
        if place + 4 > len(data):
            raise UnsupportedHeaderError
        place += 4 + size
        place += place & 1
