"""Masks and conditioning images: found, checked, and scaled to the size of their image.

White is trained on, black is not, grey less. OneTrainer reads ``a-masklabel.png``
and ``a-condlabel.png`` beside ``a.jpg``; sd-scripts reads ``a.png`` in a separate folder
(``conditioning_data_dir``), or the alpha channel (``alpha_mask``). shikomi looks beside the image,
then in ``masks/`` and ``conditioning/`` of the project, then uses the image's own transparency.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from PIL import Image, ImageOps

from prep.dataset.index import ImageRow
from prep.errors import UnreadableError
from prep.images import decode, decode_alpha, decode_data
from prep.project import Project
from prep.system.files import content_hash
from prep.system.names import same_name

MaskSource = Literal["label", "folder", "alpha"]

FOLDERS = ("masks", "conditioning")
_LABEL, _CONDITION = "-masklabel.png", "-condlabel.png"
_SUFFIXES = (".png", ".webp", ".jpg", ".jpeg", ".bmp")
_SIDEWAYS = frozenset({5, 6, 7, 8})
_ALIKE = 0.02
"""Tolerance of the aspect ratio: a mask may be smaller than its image, not of another shape."""


@dataclass(frozen=True)
class Mask:
    """The mask of an image: a separate file, or the transparency of the image (``alpha``)."""

    file: Path
    source: MaskSource


class Finder:
    """Finds the masks of a project's images; each folder is listed once."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._listed: dict[Path, dict[str, str]] = {}

    def mask(self, row: ImageRow) -> Mask | None:
        """Return the mask of an image, if there is one."""
        image = self._project.root / row.path
        label = self._find(image.parent, f"{image.stem}{_LABEL}")
        if label is not None:
            return Mask(label, "label")
        for place in self._places(row.path):
            for suffix in _SUFFIXES:
                file = self._find(place, image.stem + suffix)
                if file is not None:
                    return Mask(file, "folder")
        return Mask(image, "alpha") if row.alpha else None

    def condition(self, row: ImageRow) -> Path | None:
        """Return the conditioning picture of an image (``a-condlabel.png``), if there is one."""
        image = self._project.root / row.path
        return self._find(image.parent, f"{image.stem}{_CONDITION}")

    def _places(self, path: str) -> list[Path]:
        """Return the mask folders of an image; a plain folder of images has none."""
        project = self._project
        if project.dataset == project.root:
            return []
        inside = PurePosixPath(path).relative_to(project.relative(project.dataset)).parent
        return [project.root / name / inside for name in FOLDERS]

    def _find(self, folder: Path, name: str) -> Path | None:
        """Return a file of a folder, whatever form the accents in its name have."""
        if folder not in self._listed:
            try:
                self._listed[folder] = {same_name(e.name): e.name for e in folder.iterdir()}
            except OSError:
                self._listed[folder] = {}
        found = self._listed[folder].get(same_name(name))
        return folder / found if found else None


def mark(file: Path) -> str:
    """Return a string that changes with the mask file; empty if the file is missing."""
    try:
        return content_hash(file)
    except OSError:
        return ""


def read(mask: Mask, row: ImageRow) -> Image.Image:
    """Return the mask, grey, in the size of the upright image.

    Raises:
        UnreadableError: It is not an image, or has another aspect ratio than its image.
    """
    if mask.source == "alpha":
        return decode_alpha(mask.file)
    return read_file(mask.file, (row.width, row.height), row.orientation)


def read_file(file: Path, size: tuple[int, int], orientation: int) -> Image.Image:
    """Return the mask in a file, grey, in the size of its image.

    Args:
        file: The mask.
        size: Width and height of the upright image.
        orientation: EXIF orientation of the image.

    Raises:
        UnreadableError: As in ``read``.
    """
    grey = decode_data(file).convert("L")
    if grey.size == size[::-1] and orientation in _SIDEWAYS and size[0] != size[1]:
        # Painted on the stored picture, by a tool that ignores EXIF.
        grey = _turned(grey, orientation)
    return _to_size(grey, size, file)


def read_condition(file: Path, row: ImageRow) -> Image.Image:
    """Return a conditioning picture, RGB, in the size of the upright image.

    Raises:
        UnreadableError: As in ``read``.
    """
    return _to_size(decode(file), (row.width, row.height), file)


def white(size: tuple[int, int]) -> Image.Image:
    """Return an all-white mask of this size."""
    return Image.new("L", size, 255)


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.info["exif"] = exif.tobytes()
    turned: Image.Image = ImageOps.exif_transpose(image)
    return turned


def _to_size(image: Image.Image, size: tuple[int, int], file: Path) -> Image.Image:
    if image.size == size:
        return image
    ratio = image.width / image.height * size[1] / size[0]
    if not 1 - _ALIKE < ratio < 1 + _ALIKE:
        shape = f"{image.width}x{image.height}"
        raise UnreadableError(
            f"{file.name}: its aspect ratio {shape} is not that of the image ({size[0]}x{size[1]})"
        )
    return image.resize(size, Image.Resampling.BILINEAR)
