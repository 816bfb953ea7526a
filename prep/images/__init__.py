"""Image files: their properties (from the header only) and one safe way to decode them.

All code that uses pixels (hashes, tagger, previews, export) decodes through ``decode``, so that
it sees the same picture: rotated by EXIF, transparency composed on white, sRGB, 8 bits.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from prep.errors import UnreadableError
from prep.images.colour import ProfileKind, has_profile, profile_kind
from prep.images.modes import colours, flatten, in_bytes, is_plain, opacity
from prep.images.opening import open_image

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"})
PIXELS_VERSION = 2
"""Raise it when ``decode`` gives other pixels for the same file: caches of them are keyed by it."""
MASK_SUFFIXES = ("-masklabel.png", "-condlabel.png")
MAX_PIXELS = 256_000_000
"""Pixels above which an image is taken for a decompression bomb (16,000 x 16,000)."""

_ORIENTATION_TAG = 0x0112
SIDEWAYS = frozenset({5, 6, 7, 8})


@dataclass(frozen=True)
class ImageInfo:
    """Properties of an image, read from its header.

    Attributes:
        width: Pixels, after EXIF rotation.
        height: Pixels, after EXIF rotation.
        format: Pillow's name: PNG, JPEG, WEBP…
        orientation: EXIF orientation, 1 (upright) to 8.
        alpha: The file can hold transparency.
        frames: More than 1 for animations, of which only the first is used; pages of a TIFF and
            the further pictures of a photograph (MPO) are none.
        profile: The file says which colours its numbers stand for (ICC profile, gAMA, cICP).
    """

    width: int
    height: int
    format: str
    orientation: int = 1
    alpha: bool = False
    frames: int = 1
    profile: bool = False


_ANIMATED = frozenset({"GIF", "PNG", "WEBP", "AVIF"})
"""Formats whose frames follow each other in time."""
_TAIL = 64 * 1024


def has_its_end(file: Path, image_format: str) -> bool:
    """Return whether a file has the end marker of its format; reads only its tail."""
    try:
        with file.open("rb") as stream:
            head = stream.read(12)
            size = stream.seek(0, 2)
            stream.seek(max(0, size - _TAIL))
            tail = stream.read()
    except OSError:
        return False
    if image_format in ("JPEG", "MPO"):
        return b"\xff\xd9" in tail
    if image_format == "PNG":
        return b"IEND" in tail
    if image_format == "WEBP":
        return size >= int.from_bytes(head[4:8], "little") + 8
    return image_format == "GIF" and tail.rstrip(b"\0").endswith(b";")


def is_image_name(name: str) -> bool:
    """Return whether this names an image that is not a mask or condition of another image."""
    lower = name.lower()
    dot = lower.rfind(".")
    return dot > 0 and lower[dot:] in SUFFIXES and not lower.endswith(MASK_SUFFIXES)


def probe(path: Path) -> ImageInfo:
    """Read the properties of an image from its header.

    Raises:
        UnreadableError: It is not an image, its header is broken, or it has far too many pixels.
    """
    with _open(path) as image:
        orientation = _orientation(image)
        width, height = image.size
        if orientation in SIDEWAYS:
            width, height = height, width
        return ImageInfo(
            width,
            height,
            image.format or "?",
            orientation,
            "A" in image.getbands() or "transparency" in image.info,
            getattr(image, "n_frames", 1) if image.format in _ANIMATED else 1,
            has_profile(image),
        )


def profile_of(path: Path) -> ProfileKind:
    """Return how the colour profile of an image is used: it is (that of) sRGB, other, or broken.

    Raises:
        UnreadableError: As ``probe``.
    """
    with _open(path) as image:
        return profile_kind(image)


def decode(path: Path) -> Image.Image:
    """Return the picture as people see it: sRGB, rotated by EXIF, transparency on white.

    Raises:
        UnreadableError: The file is not an image, is truncated or broken, or is far too large.
    """
    return _decoded(path, flatten)


def decode_alpha(path: Path) -> Image.Image:
    """Return the transparency of a picture, rotated by EXIF: grey, 255 where it is opaque.

    Raises:
        UnreadableError: As ``decode``.
    """
    return _decoded(path, opacity)


def decode_opaque(path: Path) -> Image.Image:
    """Return the colours of a picture, rotated by EXIF, also where it is transparent.

    An alpha channel that is a mask hides nothing: the colours below it are those of the picture.

    Raises:
        UnreadableError: As ``decode``.
    """
    return _decoded(path, colours)


def decode_data(path: Path) -> Image.Image:
    """Return the numbers of a mask as RGB, rotated by EXIF; colour profiles do not apply to them.

    Raises:
        UnreadableError: As ``decode``.
    """

    def numbers(image: Image.Image) -> Image.Image:
        plain = in_bytes(image)
        plain.info = {}
        return flatten(plain)

    return _decoded(path, numbers)


def decode_raw(path: Path, *, upright: bool) -> Image.Image:
    """Return the picture as trainers read files: RGB, transparency dropped instead of composed.

    Args:
        path: The file.
        upright: Rotate it by EXIF, which OneTrainer does and sd-scripts does not.

    Raises:
        UnreadableError: As ``decode``.
    """
    return _decoded(path, lambda image: image.convert("RGB"), upright=upright)


def decode_grey(path: Path, side: int) -> Image.Image:
    """Return a grey picture of at least ``side`` pixels in width and height, for hashing.

    JPEG files are decoded at a reduced size, which takes a third of the time; EXIF rotation
    is applied to the reduced picture.

    Raises:
        UnreadableError: As ``decode``.
    """
    return _decode_small(path, side, "L")


def decode_small(path: Path, side: int) -> Image.Image:
    """Return an RGB picture of at least ``side`` pixels both ways; otherwise like ``decode_grey``.

    Raises:
        UnreadableError: As ``decode``.
    """
    return _decode_small(path, side, "RGB")


def decode_reduced(path: Path, side: int) -> tuple[Image.Image, tuple[int, int]]:
    """Return a picture like ``decode``, JPEG at 1/2, 1/4 or 1/8 of its size if that is enough.

    Args:
        path: The file.
        side: Minimum of pixels of the longer side, if it has as many.

    Returns:
        The picture, and its full width and height. A reduced picture has these divided by
        2, 4 or 8 and rounded up.

    Raises:
        UnreadableError: As ``decode``.
    """
    with _open(path) as image:
        try:
            full = image.size
            part = min(1.0, side / max(full))
            image.draft("RGB", (max(1, int(full[0] * part)), max(1, int(full[1] * part))))
            times = max(1, round(full[0] / image.width), round(full[1] / image.height))
            turned = _orientation(image)
            # Rotation would move the rounded-up pixel to the other end: decode at full size then.
            if turned == 1 or not (full[0] % times or full[1] % times):
                image.load()
                upright = flatten(_turn(image, turned))
                return upright, (full[1], full[0]) if turned in SIDEWAYS else full
        except Exception as error:
            raise UnreadableError(f"{path.name}: {_reason(error)}") from error
    whole = decode(path)
    return whole, whole.size


def _decoded(
    path: Path, convert: Callable[[Image.Image], Image.Image], *, upright: bool = True
) -> Image.Image:
    """Return what a function makes of a whole picture, rotated by EXIF if ``upright``."""
    with _open(path) as image:
        try:
            image.load()
            turned = _orientation(image) if upright else 1  # conversion may drop it
            return _turn(convert(image), turned)
        except Exception as error:  # decoders of broken files raise nearly anything
            raise UnreadableError(f"{path.name}: {_reason(error)}") from error


def _decode_small(path: Path, side: int, mode: str) -> Image.Image:
    with _open(path) as image:
        try:
            image.draft("RGB" if has_profile(image) else mode, (side, side))
            image.load()
            small = image if is_plain(image) else flatten(image)
            turned = _turn(small, _orientation(image))
            return turned.convert(mode)
        except Exception as error:
            raise UnreadableError(f"{path.name}: {_reason(error)}") from error


@contextmanager
def _open(path: Path) -> Iterator[Image.Image]:
    """Open a file as an image; always closes it, which Pillow does not if reading fails."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
            image = stack.enter_context(open_image(file))
        except Exception as error:  # a hostile header may raise nearly anything
            raise UnreadableError(f"{path.name}: {_reason(error)}") from error
        if image.width * image.height > MAX_PIXELS:
            size = f"{image.width}x{image.height}"
            raise UnreadableError(
                f"{path.name}: {size} is more than {MAX_PIXELS:,} pixels (a decompression bomb?)"
            )
        yield image


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # broken EXIF must not lose the picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _turn(image: Image.Image, orientation: int) -> Image.Image:
    """Rotate a picture upright; unlike ``exif_transpose``, without copying one that is."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file no longer exists"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, UnidentifiedImageError):
        return "not an image, despite its name"
    if isinstance(error, Image.DecompressionBombError):
        return "far too many pixels (a decompression bomb?)"
    text = str(error).strip() or type(error).__name__
    if "truncated" in text.lower():
        return "the file is truncated"
    return f"broken image data ({text})"
