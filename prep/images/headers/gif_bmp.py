"""GIF (89a) and the common kind of BMP: formats that are rare in datasets."""

from prep.images.headers.source import HeaderBytes, ImageHeader, UnsupportedHeaderError

_WHOLE_GIF = 1 << 18
"""Maximum file size, bytes: counting frames means walking over all data."""


def read_gif(source: HeaderBytes) -> ImageHeader:
    """Read the header from the blocks of a GIF file.

    Raises:
        UnsupportedHeaderError: It is large, or not plainly encoded.
    """
    if source.size > _WHOLE_GIF:
        raise UnsupportedHeaderError
    data = source.at(0, source.size)
    if data[:6] not in (b"GIF87a", b"GIF89a"):
        raise UnsupportedHeaderError
    size = int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    place = 13 + (3 << (data[10] & 7) + 1 if data[10] & 128 else 0)
    frames, alpha = 0, False
    while data[place] != 0x3B:
        if data[place] == 0x21:
            control = data[place + 1] == 0xF9
            if control and (data[place + 2] < 4 or place + 7 > len(data)):
                raise UnsupportedHeaderError
            alpha |= control and frames == 0 and bool(data[place + 3] & 1)
            place = _over_blocks(data, place + 2)
        elif data[place] == 0x2C:
            box = [int.from_bytes(data[place + n : place + n + 2], "little") for n in (1, 3, 5, 7)]
            if box[0] + box[2] > size[0] or box[1] + box[3] > size[1]:
                raise UnsupportedHeaderError
            flags = data[place + 9]
            place += 10 + (3 << (flags & 7) + 1 if flags & 128 else 0)
            place = _over_blocks(data, place + 1)
            frames += 1
        else:
            raise UnsupportedHeaderError
    if not frames:
        raise UnsupportedHeaderError
    return ImageHeader(*size, "GIF", 1, alpha, frames, True)


def _over_blocks(data: bytes, place: int) -> int:
    """Return the offset behind a series of data sub-blocks."""
    while length := data[place]:
        place += 1 + length
    return place + 1


def read_bmp(source: HeaderBytes) -> ImageHeader:
    """Read the header of an uncompressed BMP file of 24 or 32 bits.

    Raises:
        UnsupportedHeaderError: It is of another kind.
    """
    data = source.at(0, 54)
    start, header = (int.from_bytes(data[n : n + 4], "little") for n in (10, 14))
    width, height = (int.from_bytes(data[n : n + 4], "little", signed=True) for n in (18, 22))
    bits, packed = int.from_bytes(data[28:30], "little"), int.from_bytes(data[30:34], "little")
    if header not in (40, 108, 124) or bits not in (24, 32) or packed or min(width, height) < 1:
        raise UnsupportedHeaderError
    source.at(0, 14 + header)
    needed = start + -(-width * bits // 32) * 4 * height
    return ImageHeader(width, height, "BMP", 1, False, 1, source.size >= needed)
