"""The one call of ``PIL.Image.open``: which decoders a file may reach, whatever its name says.

Pillow tells formats apart by content and reads many more than images for training are kept in.
Some of them are programs rather than pictures: PostScript is run by Ghostscript, which reads and
writes files and may never end. So decoders are an allow-list, the same for every caller.
"""

import struct
import warnings
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image, ImageFile, JpegImagePlugin, PngImagePlugin

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Pillow's names of what ``prep.images.SUFFIXES`` stand for; MPO is opened as JPEG."""
_MOST_PROFILE = 16 << 20
"""Bytes of an unpacked colour profile; those of printers have one or two millions."""
_BROKEN = (ValueError, SyntaxError, IndexError, struct.error, zlib.error)
"""What Pillow raises for data that it cannot use."""


class _LenientPngStream(PngImagePlugin.PngStream):
    """Reads over what is broken or too large beside the picture, as browsers and libpng do.

    Pillow refuses a picture for any text, profile or resolution that is. Generators store whole
    workflows as text; Pillow unpacks at most its ``MAX_TEXT_CHUNK``, so that memory stays bounded,
    and what is beyond is left out. It also reads colours coded by number (cICP).
    """

    def call(self, cid: bytes, pos: int, length: int) -> bytes:
        if _is_critical(cid):
            return bytes(super().call(cid, pos, length))
        data = self._again(pos, length)
        if self._stored_crc() != zlib.crc32(cid + data):
            return self._again(pos, length)
        self._again(pos, 0)
        try:
            return bytes(super().call(cid, pos, length))
        except _BROKEN:
            return self._again(pos, length)

    def crc(self, cid: bytes, data: bytes) -> None:
        if _is_critical(cid):
            super().crc(cid, data)
        else:
            self.crc_skip(cid, data)  # it was seen before the chunk was used

    def chunk_iCCP(self, pos: int, length: int) -> bytes:  # noqa: N802
        try:
            return bytes(super().chunk_iCCP(pos, length))
        except ValueError:  # larger than texts may be
            data = self._again(pos, length)
        unpacking = zlib.decompressobj()
        profile = unpacking.decompress(data.partition(b"\0")[2][1:], _MOST_PROFILE)
        if unpacking.eof:
            self.im_info["icc_profile"] = profile
        return data

    def chunk_cICP(self, pos: int, length: int) -> bytes:  # noqa: N802
        data = self._again(pos, length)
        self.im_info["cicp"] = data
        return data

    def _stored_crc(self) -> int:
        file: Any = self.fp
        return int.from_bytes(file.read(4), "big")

    def _again(self, pos: int, length: int) -> bytes:
        file: Any = self.fp
        file.seek(pos)
        return bytes(ImageFile._safe_read(file, length))


def _is_critical(cid: bytes) -> bool:
    """Return whether there is no picture without a chunk of PNG: its first letter is a capital."""
    return cid[:1].isupper()


def _lenient_app(image: JpegImagePlugin.JpegImageFile, marker: int) -> None:
    """Read what an application left in a JPEG file; where it is broken, it means nothing."""
    with suppress(*_BROKEN):  # the whole segment is read before anything is made of it
        JpegImagePlugin.APP(image, marker)


PngImagePlugin.PngStream = _LenientPngStream  # type: ignore[misc]
JpegImagePlugin.MARKER.update(
    {
        marker: (name, meaning, _lenient_app)  # type: ignore[misc]
        for marker, (name, meaning, read) in JpegImagePlugin.MARKER.items()
        if read is JpegImagePlugin.APP
    }
)

# Pillow warns of broken metadata, and from half of its limit of pixels; callers that decode have
# a limit of their own. One filter for the process: `catch_warnings` changes the filters of all
# threads, and pictures are decoded in several. It is by module: what Pillow deprecates is reported
# where it is used, and so is still seen.
warnings.filterwarnings("ignore", module=r"PIL\.")


def open_image(source: Path | BinaryIO) -> Image.Image:
    """Open a file as an image of one of ``FORMATS``; only its header is read.

    Raises:
        UnidentifiedImageError: It is none of these formats.
        Exception: Nearly any other one, from a hostile header.
    """
    return Image.open(source, formats=FORMATS)
