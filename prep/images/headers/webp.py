"""WebP: one image in a RIFF file, plain or with the extended header (RFC 9649)."""

import struct

from prep.images.headers import exif
from prep.images.headers.source import HeaderBytes, ImageHeader, UnsupportedHeaderError

_ANIMATION, _XMP, _EXIF, _ALPHA, _PROFILE = 0x02, 0x04, 0x08, 0x10, 0x20
_KNOWN_FLAGS = 0x3E
_LOSSY, _LOSSLESS, _EXTENDED = b"VP8 ", b"VP8L", b"VP8X"
_FIRST, _CHUNK = struct.Struct("<4sI4s4sI"), struct.Struct("<4sI")
_KEY_FRAME, _LOSSLESS_START = struct.Struct("<HB3sHH"), struct.Struct("<BI")
_MOST_CHUNKS = 64


def read(source: HeaderBytes) -> ImageHeader:
    """Read the header.

    Raises:
        UnsupportedHeaderError: It is not a plain, whole WebP file.
    """
    head = source.head
    if len(head) < 30:
        raise UnsupportedHeaderError
    riff, size, mark, kind, length = _FIRST.unpack_from(head)
    end = 8 + size
    # Pillow refuses truncated files; trailing data is ignored.
    if riff != b"RIFF" or mark != b"WEBP" or end > source.size:
        raise UnsupportedHeaderError
    if kind == _EXTENDED and length == 10:
        return _extended(source, end)
    if kind not in (_LOSSY, _LOSSLESS) or 20 + length + (length & 1) != end:
        raise UnsupportedHeaderError
    width, height, alpha = _picture(head[20:30], kind, length)
    return ImageHeader(width, height, "WEBP", 1, alpha, 1, True)


def _picture(data: bytes, kind: bytes, length: int) -> tuple[int, int, bool]:
    """Return width, height and transparency from the first 10 bytes of a bit stream."""
    if length < 10:
        raise UnsupportedHeaderError
    if kind == _LOSSY:
        low, high, start, width, height = _KEY_FRAME.unpack_from(data)
        # A visible key frame of a known version; then the length of its first partition.
        if low & 1 or low & 15 > 7 or not low & 16 or start != b"\x9d\x01\x2a":
            raise UnsupportedHeaderError
        if high << 11 | low >> 5 >= length:
            raise UnsupportedHeaderError
        return width & 0x3FFF, height & 0x3FFF, False
    mark, bits = _LOSSLESS_START.unpack_from(data)
    if mark != 0x2F or bits >> 29:
        raise UnsupportedHeaderError
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)


def _extended(source: HeaderBytes, end: int) -> ImageHeader:
    head, place, layered = source.head, 30, False
    flags = head[20]
    if flags & ~_KNOWN_FLAGS or flags & _ANIMATION or head[21:24] != b"\0\0\0":
        raise UnsupportedHeaderError
    picture: tuple[int, int, bool] | None = None
    found: dict[bytes, bytes] = {}
    profile = False
    for _ in range(_MOST_CHUNKS):
        if place == end:
            break
        kind, length = _CHUNK.unpack(source.at(place, 8))
        data, place = place + 8, place + 8 + length + (length & 1)
        if place > end or kind in found:
            raise UnsupportedHeaderError
        found[kind] = b""
        if kind in (_LOSSY, _LOSSLESS):
            if picture is not None or (layered and kind == _LOSSLESS):
                raise UnsupportedHeaderError
            picture = _picture(source.at(data, 10), kind, length)
        elif kind == b"EXIF" or kind == b"XMP ":
            if flags & (_EXIF if kind == b"EXIF" else _XMP):
                found[kind] = source.at(data, length)
        elif kind == b"ALPH" and picture is None and length:
            layered = True
        elif kind != b"ICCP":
            raise UnsupportedHeaderError
        else:
            profile = bool(length and flags & _PROFILE)
    if picture is None or place != end:
        raise UnsupportedHeaderError
    width, height, alpha = picture
    canvas = int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if (width, height) != canvas or bool(flags & _ALPHA) != (alpha or layered):
        raise UnsupportedHeaderError
    turn = exif.orientation(found.get(b"EXIF", b""))
    if turn is None:
        turn = exif.upright(turn, found.get(b"XMP ", b""))
    return ImageHeader(width, height, "WEBP", turn, alpha or layered, 1, True, profile)
