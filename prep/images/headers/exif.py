"""The orientation in EXIF data, which is a small TIFF file (TIFF 6.0; Exif 2.32, tag 274)."""

import re
import struct

from prep.images.headers.source import UnsupportedHeaderError

_PREFIX = re.compile(rb"(Exif\0\0){1,2}")
_ORDERS = {
    b"II*\0": (struct.Struct("<I"), struct.Struct("<IH"), struct.Struct("<HHIHxx")),
    b"MM\0*": (struct.Struct(">I"), struct.Struct(">IH"), struct.Struct(">HHIHxx")),
}
"""The structures of an offset, of the usual beginning, and of an entry."""
_USUAL_PLACE = 8
"""The directory follows the header, which is 8 bytes long."""
_ORIENTATION, _SHORT = 0x0112, 3
_LENGTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of one value, by type."""
_XMP_ORIENTATION = b"tiff:Orientation"


def orientation(data: bytes) -> int | None:
    """Return the orientation, 1 to 8; ``None`` if the data is valid and has none.

    Raises:
        UnsupportedHeaderError: The data is unusual in any way.
    """
    order = _ORDERS.get(data[:4])
    if order is None:
        if prefix := _PREFIX.match(data):
            data = data[prefix.end() :]
        if not data:
            return None
        order = _ORDERS.get(data[:4])
        if order is None:
            raise UnsupportedHeaderError
    long, beginning, entry = order
    elsewhere = 0
    try:
        place, count = beginning.unpack_from(data, 4)
        if place != _USUAL_PLACE:
            _, count = beginning.unpack_from(data, place - 4)
        for start in range(place + 2, place + 2 + 12 * count, 12):
            tag, kind, number, value = entry.unpack_from(data, start)
            if tag == _ORIENTATION:
                if kind != _SHORT or number != 1 or not 1 <= value <= 8:
                    raise UnsupportedHeaderError
                return int(value)
            length = number * _LENGTHS[kind]
            if length > 4:
                (offset,) = long.unpack_from(data, start + 8)
                elsewhere += length
                # Pillow stops reading at values outside the data, or more than it can hold.
                if offset + length > len(data) or elsewhere > len(data):
                    raise UnsupportedHeaderError
    except (struct.error, KeyError) as error:
        raise UnsupportedHeaderError from error
    return None


def upright(exif: int | None, xmp: bytes) -> int:
    """Return the orientation to use: that of EXIF, else upright.

    Raises:
        UnsupportedHeaderError: Only XMP has one.
    """
    if exif is None and _XMP_ORIENTATION in xmp:
        raise UnsupportedHeaderError
    return exif or 1
