"""PNG: chunks before the image data, and those after it, where EXIF may also be (ISO 15948).

The image data itself is skipped: encoders write it in chunks of equal length, so that the last
one is found with one or two reads instead of one for each.
"""

import struct
import zlib
from collections.abc import Iterator

from prep.images.headers import exif
from prep.images.headers.source import HeaderBytes, ImageHeader, UnsupportedHeaderError

_MARK = b"\x89PNG\r\n\x1a\n"
_FIRST = struct.Struct(">8sI4sIIBBBBBI")
"""Length of the signature and IHDR, bytes."""
_START, _SUM = struct.Struct(">I4s"), struct.Struct(">I")
_DEPTHS = frozenset(
    (depth, colour)
    for colour, depths in {
        0: (1, 2, 4, 8, 16),
        2: (8, 16),
        3: (1, 2, 4, 8),
        4: (8, 16),
        6: (8, 16),
    }.items()
    for depth in depths
)
"""Valid combinations of bit depth and colour type."""
_INDEXED, _COLOUR = 3, 2
_LEAST = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9}
_IGNORED = frozenset(
    {b"PLTE", b"bKGD", b"sBIT", b"hIST", b"tIME", b"sPLT", b"vpAg", b"iDOT", b"caBX", b"orNT"}
    | {b"mDCV", b"cLLI", b"oFFs", b"pCAL", b"sCAL"}
)
_PROFILES, _MEASURED = frozenset({b"iCCP", b"cICP"}), frozenset({b"gAMA", b"cHRM"})
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_OWN_KEYS = frozenset({b"exif", b"xmp", b"transparency", b"Raw profile type exif"})
"""Text keys with a special meaning in Pillow."""
_XMP_KEY = b"XML:com.adobe.xmp"
_MOST_TEXT = 1000
"""Compressed bytes that cannot exceed Pillow's limit of 1 MiB when unpacked."""
_EMPTY = 32
"""Bytes that nothing, packed, does not exceed."""
_MOST_CHUNKS, _FEW_CHUNKS = 4096, 3


class _Notes:
    """Properties found in the chunks."""

    __slots__ = ("alpha", "colours", "exif", "xmp")

    def __init__(self, alpha: bool) -> None:
        self.alpha = alpha
        self.exif: bytes | None = None
        self.xmp = b""
        self.colours: set[bytes] = set()

    @property
    def profile(self) -> bool:
        """Whether the file says which colours its numbers stand for."""
        colours = self.colours
        named = bool(colours & _PROFILES)
        return named or (b"sRGB" not in colours and bool(colours & _MEASURED))


def read(source: HeaderBytes) -> ImageHeader:
    """Read the header.

    Raises:
        UnsupportedHeaderError: It is not a plain PNG file.
    """
    head, place = source.head, 33
    if len(head) < 41:
        raise UnsupportedHeaderError
    mark, length, kind, width, height, depth, colour, _, odd, _, check = _FIRST.unpack_from(head)
    if mark != _MARK or kind != b"IHDR" or length != 13 or odd or (depth, colour) not in _DEPTHS:
        raise UnsupportedHeaderError
    if zlib.crc32(head[12:29]) != check:
        raise UnsupportedHeaderError
    notes = _Notes(colour in (4, 6))
    while True:
        if place + 8 > len(head):
            head = source.longer(place + 8)
        length, kind = _START.unpack_from(head, place)
        if kind == b"IDAT":
            break
        end = place + 12 + length
        if end > len(head):
            head = source.longer(end)
        if zlib.crc32(head[place + 4 : end - 4]) != _SUM.unpack_from(head, end - 4)[0]:
            raise UnsupportedHeaderError
        if kind == b"eXIf" and notes.exif is not None:
            raise UnsupportedHeaderError
        _note(kind, head[place + 8 : end - 4], colour, notes)
        place = end
    early = notes.exif
    for kind, data in _behind(source, place, length):
        # If EXIF comes first, Pillow does not read these.
        if early is None:
            if kind in (b"eXIf", b"tRNS"):
                raise UnsupportedHeaderError
            _note(kind, data, colour, notes)
    turn = None if early is None else exif.orientation(early)
    if turn is None:
        turn = exif.upright(turn, notes.xmp)
    return ImageHeader(width, height, "PNG", turn, notes.alpha, 1, True, notes.profile)


def _note(kind: bytes, data: bytes, colour: int, notes: _Notes) -> None:
    if kind in _LEAST:
        if len(data) < _LEAST[kind]:
            raise UnsupportedHeaderError
        notes.colours.add(kind)
    elif kind == b"eXIf":
        notes.exif = data
    elif kind in _TEXTS:
        _text(kind, data, notes)
    elif kind == b"iCCP":
        if _is_profile(data):
            notes.colours.add(kind)
    elif kind == b"tRNS":
        least = {_INDEXED: 1, _COLOUR: 6, 0: 2}.get(colour)
        if least is None or len(data) < least:
            raise UnsupportedHeaderError
        notes.alpha = True
    elif kind == b"cICP":
        if data:
            notes.colours.add(kind)
    elif kind not in _IGNORED:
        raise UnsupportedHeaderError


def _is_profile(data: bytes) -> bool:
    """Return whether there is a profile; refuse one that unpacks to more than Pillow's limit."""
    name, found, rest = data.partition(b"\0")
    if not found or not rest or rest[0] != 0 or len(name) > 79:
        raise UnsupportedHeaderError
    if _EMPTY < len(rest) <= _MOST_TEXT:
        return True
    stream = zlib.decompressobj()
    try:
        profile = stream.decompress(rest[1:], 1 << 20)
    except zlib.error:
        return True
    if stream.unconsumed_tail:
        raise UnsupportedHeaderError
    return bool(profile)


def _text(kind: bytes, data: bytes, notes: _Notes) -> None:
    key, found, value = data.partition(b"\0")
    if not found or key in _OWN_KEYS:
        raise UnsupportedHeaderError
    packed = kind == b"zTXt" or (kind == b"iTXt" and value[:1] != b"\0")
    if packed and (len(value) > _MOST_TEXT or key == _XMP_KEY or value[:1] not in b"\0\1"):
        raise UnsupportedHeaderError
    if kind == b"zTXt" and value[:1] != b"\0":
        raise UnsupportedHeaderError
    if key == _XMP_KEY:
        notes.xmp += data


def _behind(source: HeaderBytes, place: int, length: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks after the image data, up to the end chunk.

    Args:
        source: The file.
        place: Offset of the first chunk of image data.
        length: Length of its data, bytes.
    """
    place = _after_data(source, place, length)
    for _ in range(_MOST_CHUNKS):
        # Including the four bytes of a checksum: those of the end chunk must be there.
        length, kind = _START.unpack_from(source.at(place, 12))
        if kind == b"IEND":
            return
        if kind != b"IDAT":
            yield kind, source.at(place + 8, length)
        place += 12 + length
    raise UnsupportedHeaderError


def _after_data(source: HeaderBytes, place: int, length: int) -> int:
    """Return where a late chunk of image data ends, going by chunks of one length."""
    step = length + 12
    steps = (source.size - 12 - place) // step
    if steps > _FEW_CHUNKS:
        for guess in (steps, steps - 1):
            candidate = place + guess * step
            if candidate + 8 <= source.size:
                found, kind = _START.unpack_from(source.at(candidate, 8))
                if kind == b"IDAT" and 0 < found <= length:
                    return int(candidate + 12 + found)
    return place + step
