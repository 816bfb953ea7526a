"""Image headers read without an image library: 6 us per file instead of 90.

Only plain, sound files are read here: JPEG, PNG, WebP, GIF and BMP as encoders write them. For
everything else, or in any doubt, the answer is "unsupported" and Pillow decides; so the two
never disagree (the tests compare them on generated, mutated and hostile files).
"""

import os
from collections.abc import Callable

from prep.images.headers import gif_bmp, jpeg, png, webp
from prep.images.headers.source import HeaderBytes, ImageHeader, UnsupportedHeaderError

__all__ = ["HeaderRead", "ImageHeader", "read"]

_FIRST = 16 * 1024
"""Bytes of the first read: nearly every header fits, and most thumbnails inside EXIF."""
_MOST_PIXELS = 178_956_970
"""Pillow refuses more (twice its MAX_IMAGE_PIXELS), and should report that itself."""
_FORMATS: dict[bytes, Callable[[HeaderBytes], ImageHeader]] = {
    b"\xff\xd8": jpeg.read,
    b"\x89P": png.read,
    b"RI": webp.read,
    b"GI": gif_bmp.read_gif,
    b"BM": gif_bmp.read_bmp,
}
"""Reader by the first two bytes; it checks the rest of the signature."""
_OPEN = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


HeaderRead = tuple[int, int, ImageHeader | None]
"""Size and time (ns) of a file when it was opened, and its header; ``None`` for unsupported."""


def read(path: str) -> HeaderRead | None:
    """Read the header of a file; never raises.

    Args:
        path: A regular file.

    Returns:
        ``None`` if the file cannot be opened.
    """
    try:
        descriptor = os.open(path, _OPEN)
    except OSError:
        return None
    size = mtime_ns = 0
    try:
        stat = os.fstat(descriptor)
        size, mtime_ns = stat.st_size, stat.st_mtime_ns
        head = os.read(descriptor, _FIRST)
        header = _FORMATS[head[:2]](HeaderBytes((head, size, descriptor)))
        sensible = 0 < header.width * header.height <= _MOST_PIXELS
        return size, mtime_ns, header if sensible else None
    except (UnsupportedHeaderError, OSError, ValueError, LookupError):
        # Another format, or a file that shrinks meanwhile, so that offsets are outside of it.
        return size, mtime_ns, None
    finally:
        os.close(descriptor)
