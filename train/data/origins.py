"""Where the images of an export come from: their size before they were scaled and cut.

SDXL is told the size of the source and the place of the crop for every image. Exported images are
as large as their buckets, so this is read from the manifest that the export wrote beside them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prep.images.buckets import Fit, Size
from prep.training_set.manifest import Manifest
from prep.training_set.snapshot import SnapshotItem


@dataclass(frozen=True)
class Origin:
    """An image before it was scaled and cut; all in pixels.

    Attributes:
        size: Width and height of the source, or of the part of it that was taken.
        resized: The same after scaling.
        corner: Left and top of the part that was cut out of the scaled image.
    """

    size: Size
    resized: Size
    corner: tuple[int, int]

    @classmethod
    def of_fit(cls, size: Size, fit: Fit) -> "Origin":
        """Return the origin of an image that this run scales and cuts itself."""
        return cls(size, fit.resized, (fit.left, fit.top))

    def corner_of(self, bucket: Size, *, flipped: bool) -> tuple[int, int]:
        """Return left and top of the part of the scaled image, which may be mirrored whole.

        Example:
            >>> Origin((120, 80), (96, 64), (8, 0)).corner_of((64, 64), flipped=True)
            (24, 0)
        """
        left, top = self.corner
        return (self.resized[0] - bucket[0] - left if flipped else left), top


def exported_origins(folder: Path) -> dict[str, tuple[Path, Origin]]:
    """Return the origins of the images of an export, each with its file.

    Args:
        folder: The export, or any other folder, which has none.

    Returns:
        By the content hash of the exported image.
    """
    snapshot = Manifest(folder).snapshot
    found: dict[str, tuple[Path, Origin]] = {}
    for item in snapshot.items if snapshot else ():
        origin = _origin(item)
        if origin and item.file:
            found[item.file] = folder / item.name, origin
    return found


def _origin(item: SnapshotItem) -> Origin | None:
    """Return the origin that an entry tells; ``None`` where it is incomplete or makes no sense."""
    numbers = (*item.part, *item.cut)
    if len(item.part) != 4 or len(item.cut) != 4 or not all(type(n) is int for n in numbers):
        return None
    left, top, right, bottom = item.part
    if right <= left or bottom <= top or min(numbers) < 0:
        return None
    width, height, cut_left, cut_top = item.cut
    return Origin((right - left, bottom - top), (width, height), (cut_left, cut_top))


def origin_of(
    file: Path, content: str, size: Size, fit: Fit, exported: Mapping[str, tuple[Path, Origin]]
) -> Origin:
    """Return where an image comes from.

    Args:
        file: The image.
        content: Hash of it; an image that was changed after the export is its own origin.
        size: Of the image.
        fit: How this run scales and cuts it.
        exported: From ``exported_origins``.
    """
    known = exported.get(content)
    untouched = fit.resized == fit.bucket == size
    if known and untouched and known[0].resolve() == file.resolve():
        return known[1]
    return Origin.of_fit(size, fit)
