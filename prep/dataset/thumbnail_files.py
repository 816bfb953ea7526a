"""Small pictures of images, kept as files in ``.shikomi/thumbnails``, which may be deleted.

They are named after the content of the image, so that a changed image is never taken for the old
one, and renamed images and copies share one. Nothing waits for the disk: a file that a
crash left half written is no picture, and is made again.

JPEG loses a little: a picture that was made now is decoded from what is written, too, so that it
looks the same the second time.
"""

import os
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from secrets import token_hex

from PIL import Image

from prep.errors import UnreadableError, UserError
from prep.images import PIXELS_VERSION, decode_small
from prep.images.opening import open_image
from prep.project import Project
from prep.project.boundary import refuse_links
from prep.system.files import content_hash

SIDE = 256
"""Pixels of the longer side."""
MOST_BYTES = 256 << 20
"""What all of them may take together; then the oldest go."""
_QUALITY = 85
_ROUND = 1000
"""Pictures that are written between two looks at the size of the whole."""


class ThumbnailFiles:
    """The small pictures of one project. Threads may share it."""

    def __init__(self, project: Project, most: int = MOST_BYTES) -> None:
        self._project, self._most = project, most
        self._folder = project.state / "thumbnails"
        self._written = 0

    def get(self, path: str, content: str | None = None) -> Image.Image:
        """Return the small picture of an image as RGB, from the disk or made now.

        Args:
            path: Of the image in the project.
            content: The hash of its bytes, if it is known.

        Raises:
            UnreadableError: The image cannot be decoded.
        """
        file = self._project.root / path
        try:
            kept = self._file(content or content_hash(file))
        except OSError as error:
            raise UnreadableError(f"{file.name}: {error.strerror}") from error
        if (known := _read(kept)) is not None:
            return known
        image = decode_small(file, SIDE)
        image.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC)
        data = BytesIO()
        image.save(data, "JPEG", quality=_QUALITY)
        with suppress(OSError, UserError):  # a full or read-only disk only costs time
            self._keep(kept, data.getvalue())
        with open_image(data) as written:
            return written.convert("RGB")

    def _file(self, content: str) -> Path:
        return self._folder / content[:2] / f"{content}-{PIXELS_VERSION}.jpg"

    def _keep(self, file: Path, data: bytes) -> None:
        refuse_links(self._project, file)
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_name(f"{file.name}.{token_hex(4)}")
        beside.write_bytes(data)
        os.replace(beside, file)  # noqa: PTH105  (nothing is lost with it: no sync)
        if self._written % _ROUND == 0:
            self._prune()
        self._written += 1

    def _prune(self) -> None:
        """Delete the oldest until the rest is small enough; and what is no picture any more."""
        found = [(file, file.stat()) for file in self._folder.glob("*/*")]
        newest_first = sorted(found, key=lambda each: -each[1].st_mtime_ns)
        room = self._most
        for file, facts in newest_first:
            room -= facts.st_size
            if room < 0:
                file.unlink(missing_ok=True)


def _read(file: Path) -> Image.Image | None:
    """Return a picture that was kept; ``None`` if there is none, or what is there is none."""
    try:
        with open_image(file) as image:
            return image.convert("RGB") if max(image.size) <= SIDE else None
    except Exception:  # the file may be anybody's: decoders of broken ones raise nearly anything
        return None
