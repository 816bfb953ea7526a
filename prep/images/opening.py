"""The one call of ``PIL.Image.open``: which decoders a file may reach, whatever its name says.

Pillow tells formats apart by content and reads many more than images for training are kept in.
Some of them are programs rather than pictures: PostScript is run by Ghostscript, which reads and
writes files and may never end. So decoders are an allow-list, the same for every caller.
"""

import warnings
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image, ImageFile, PngImagePlugin

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Pillow's names of what ``prep.images.SUFFIXES`` stand for; MPO is opened as JPEG."""
_MOST_PROFILE = 16 << 20
"""Bytes of an unpacked colour profile; those of printers have one or two millions."""


class _LenientPngStream(PngImagePlugin.PngStream):
    """Reads over texts that are too large, which Pillow refuses with the picture they are in.

    Generators store whole workflows as text. Pillow unpacks at most its ``MAX_TEXT_CHUNK``, so that
    memory stays bounded; what is beyond is left out. It also reads colours coded by number (cICP).
    """

    def chunk_tEXt(self, pos: int, length: int) -> bytes:  # noqa: N802
        return self._read_over("chunk_tEXt", pos, length)

    def chunk_zTXt(self, pos: int, length: int) -> bytes:  # noqa: N802
        return self._read_over("chunk_zTXt", pos, length)

    def chunk_iTXt(self, pos: int, length: int) -> bytes:  # noqa: N802
        return self._read_over("chunk_iTXt", pos, length)

    def chunk_iCCP(self, pos: int, length: int) -> bytes:  # noqa: N802
        data = self._read_over("chunk_iCCP", pos, length)
        if "icc_profile" not in self.im_info:
            packed = data.partition(b"\0")[2][1:]
            unpacking = zlib.decompressobj()
            try:
                profile = unpacking.decompress(packed, _MOST_PROFILE)
            except zlib.error:
                return data
            if unpacking.eof:
                self.im_info["icc_profile"] = profile
        return data

    def chunk_cICP(self, pos: int, length: int) -> bytes:  # noqa: N802
        data = self._again(pos, length)
        self.im_info["cicp"] = data
        return data

    def _read_over(self, kind: str, pos: int, length: int) -> bytes:
        try:
            return bytes(getattr(super(), kind)(pos, length))
        except ValueError:
            return self._again(pos, length)

    def _again(self, pos: int, length: int) -> bytes:
        file: Any = self.fp
        file.seek(pos)
        return bytes(ImageFile._safe_read(file, length))


PngImagePlugin.PngStream = _LenientPngStream  # type: ignore[misc]

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
