"""The one call of ``PIL.Image.open``: which decoders a file may reach, whatever its name says.

Pillow tells formats apart by content and reads many more than images for training are kept in.
Some of them are programs rather than pictures: PostScript is run by Ghostscript, which reads and
writes files and may never end. So decoders are an allow-list, the same for every caller.
"""

import warnings
from pathlib import Path
from typing import BinaryIO

from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Pillow's names of what ``prep.images.SUFFIXES`` stand for; MPO is opened as JPEG."""


def open_image(source: Path | BinaryIO) -> Image.Image:
    """Open a file as an image of one of ``FORMATS``; only its header is read.

    Pillow warns from half of its limit of pixels; callers that decode have a limit of their own.

    Raises:
        UnidentifiedImageError: It is none of these formats.
        Exception: Nearly any other one, from a hostile header.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Image.open(source, formats=FORMATS)
