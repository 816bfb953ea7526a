"""Our reading of headers against Pillow's: the same answer, or none."""

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from prep.errors import UnreadableError
from prep.images import SIDEWAYS, ImageInfo, has_its_end, headers, probe
from prep.images.headers import exif
from prep.images.headers.source import UnsupportedHeaderError
from tests.conftest import draw_numbered

ORIENTATION = 0x0112


def ours(path: Path) -> headers.ImageHeader | None:
    seen = headers.read(str(path))
    return seen[2] if seen else None


def pillows(path: Path) -> ImageInfo | None:
    try:
        return probe(path)
    except UnreadableError:
        return None


def agrees(path: Path) -> bool:
    """Is ours Pillow's answer? None of ours is no answer, and always right."""
    mine = ours(path)
    if mine is None:
        return True
    theirs = pillows(path)
    if theirs is None:
        return False
    size = (mine.width, mine.height)
    size = size[::-1] if mine.orientation in SIDEWAYS else size
    rest = (mine.orientation, mine.alpha, mine.frames, mine.profile)
    return theirs == ImageInfo(*size, mine.format, *rest)


def turned(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    tags[0x010E] = "a description that lies outside of the directory"
    return tags


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(chunks: bytes, *, late: bool = False) -> bytes:
    data = encoded(draw_numbered(1, (40, 30)), "PNG")
    place = data.index(b"IEND") - 4 if late else data.index(b"IDAT") - 4
    return data[:place] + chunks + data[place:]


def samples() -> Iterator[tuple[str, bytes]]:
    """Yield (name, file): what encoders write, and some of what only editors do."""
    picture = draw_numbered(7, (64, 48))
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        yield (
            f"{mode}.png",
            encoded((picture.convert("L") if mode == "I;16" else picture).convert(mode), "PNG"),
        )
    for mode in ("L", "RGB", "CMYK"):
        for progressive in (False, True):
            data = encoded(picture.convert(mode), "JPEG", progressive=progressive)
            yield f"{mode}{progressive}.jpg", data
    for lossless in (False, True):
        for mode in ("RGB", "RGBA"):
            data = encoded(picture.convert(mode), "WEBP", lossless=lossless)
            yield f"{mode}{lossless}.webp", data
    for orientation in range(1, 9):
        tags = turned(orientation)
        for kind in ("JPEG", "PNG", "WEBP"):
            yield f"{orientation}.{kind.lower()}", encoded(picture, kind, exif=tags)
    clear = picture.convert("RGBA")
    clear.putalpha(90)
    yield "clear.webp", encoded(clear, "WEBP", exif=turned(6))
    yield "clear.gif", encoded(clear, "GIF")
    yield "quantized.png", encoded(picture.quantize(16), "PNG", transparency=3, bits=4)
    yield "plain.gif", encoded(picture, "GIF")
    yield "grey.gif", encoded(picture.convert("L"), "GIF")
    frames = [draw_numbered(n, (20, 20)) for n in range(3)]
    for kind in ("GIF", "WEBP", "PNG", "MPO"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        yield f"moving.{kind.lower()}", data
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        yield f"{mode}.bmp", encoded(picture.convert(mode), "BMP")
    yield "a.tif", encoded(picture, "TIFF")
    yield "a.avif", encoded(picture, "AVIF") if "AVIF" in Image.SAVE else b""
    yield from odd_samples(picture)


def odd_samples(picture: Image.Image) -> Iterator[tuple[str, bytes]]:
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", "mochi, smile\nSteps: 20, Sampler: Euler" * 30)
    text.add_text("workflow", "{" + "x" * 30_000 + "}")
    text.add_text("packed", "y" * 5_000, zip=True)
    yield "texts.png", encoded(picture, "PNG", pnginfo=text, dpi=(72, 72))
    turn = turned(8).tobytes()[6:]
    yield "late.png", png_with(chunk(b"eXIf", turn), late=True)
    yield "early.png", png_with(chunk(b"eXIf", turn))
    yield "late_text.png", png_with(chunk(b"tEXt", b"date:create\x002024"), late=True)
    xmp = b'<x tiff:Orientation="6"/>'
    yield "xmp.png", png_with(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp))
    yield "late_xmp.png", png_with(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp), late=True)
    yield "key.png", png_with(chunk(b"tEXt", b"transparency\0yes"))
    yield "bomb.png", png_with(chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(1 << 21))))
    yield (
        "profile.png",
        png_with(chunk(b"iCCP", b"x\0\0" + zlib.compress(Random(5).randbytes(3000)))),
    )
    plain = encoded(picture, "JPEG")
    yield "xmp.jpg", encoded(picture, "JPEG", xmp=xmp)
    yield "xmp_and_exif.jpg", encoded(picture, "JPEG", xmp=xmp, exif=turned(3))
    yield "xmp.webp", encoded(picture, "WEBP", xmp=xmp)
    yield "profile.jpg", encoded(picture, "JPEG", icc_profile=Random(5).randbytes(70_000))
    yield "comment.jpg", encoded(picture, "JPEG", comment=b"x" * 20_000)
    yield "large_exif.jpg", plain[:2] + b"\xff\xe1\xff\xff" + bytes(65533) + plain[2:]
    resources = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", 4) + b"abcd"
    yield (
        "shop.jpg",
        plain[:2] + b"\xff\xed" + struct.pack(">H", len(resources) + 2) + resources + (plain[2:]),
    )
    yield "rest.jpg", plain + b"rubbish"
    yield "rest.png", encoded(picture, "PNG") + b"rubbish"
    yield "rest.webp", encoded(picture, "WEBP") + b"rubbish"
    yield "large.png", encoded(Image.effect_noise((900, 700), 90), "PNG")
    yield "strip.png", encoded(Image.new("L", (60_000, 3)), "PNG")
    yield "strip.jpg", encoded(Image.new("L", (60_000, 8)), "JPEG")


SAMPLES = dict(samples())
PLAIN = [
    *("L.png", "LA.png", "P.png", "RGB.png", "RGBA.png", "quantized.png", "texts.png"),
    *("early.png", "late_text.png", "large.png", "strip.png", "strip.jpg", "profile.png"),
    *("LFalse.jpg", "RGBTrue.jpg", "CMYKFalse.jpg", "xmp_and_exif.jpg", "profile.jpg"),
    *("comment.jpg", "shop.jpg", "rest.jpg", "rest.png", "rest.webp", "1.jpeg", "6.png"),
    *("8.webp", "RGBFalse.webp", "RGBATrue.webp", "clear.webp", "moving.gif", "clear.gif"),
    *("RGB.bmp",),
]


@pytest.mark.parametrize("name", SAMPLES)
def test_the_answer_is_pillows_or_none(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(SAMPLES[name])
    assert agrees(path)
    header = ours(path)
    if header is not None and header.format != "GIF":
        assert header.whole is has_its_end(path, header.format) or header.format == "BMP"


@pytest.mark.parametrize("name", PLAIN)
def test_plain_files_are_known(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(SAMPLES[name])
    header = ours(path)
    assert header is not None
    assert header.whole


@pytest.mark.parametrize("name", ["1.jpeg", "RGB.png", "RGB.bmp", "plain.gif", "RGBFalse.webp"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_off_is_never_whole(name: str, share: float, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(SAMPLES[name][: int(len(SAMPLES[name]) * share)])
    header = ours(path)
    assert header is None or not header.whole
    assert agrees(path)


@given(st.data())
@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
def test_mutated_files_never_tell_us_something_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from([n for n in SAMPLES if len(SAMPLES[n]) < 50_000]))
    content = bytearray(SAMPLES[name])
    # The interesting bytes are at the beginning and at the end.
    places = st.one_of(st.integers(0, 400), st.integers(-120, -1), st.integers(0, 50_000))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(places)
        if content:
            content[place % len(content)] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    path = tmp_path_factory.getbasetemp() / f"mutated.{name.rpartition('.')[2]}"
    path.write_bytes(bytes(content))
    assert agrees(path)


def test_many_random_mutations(tmp_path: Path) -> None:
    """The same with a fixed seed and more files; it takes a second."""
    rng = Random(20)
    small = [content for content in SAMPLES.values() if 0 < len(content) < 5_000]
    path = tmp_path / "a"
    for _ in range(1500):
        content = bytearray(rng.choice(small))
        for _ in range(rng.randint(1, 3)):
            content[rng.randrange(min(len(content), 300))] = rng.choice((0, 1, 127, 255, 0xDA))
        path.write_bytes(bytes(content))
        assert agrees(path), bytes(content)


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_exif_of_any_bytes_is_read_or_not_known(data: bytes) -> None:
    for content in (data, b"Exif\0\0II*\0\x08\0\0\0" + data, b"MM\0*\0\0\0\x08" + data):
        try:
            found = exif.orientation(content)
        except UnsupportedHeaderError:
            continue
        tags = Image.Exif()
        tags.load(content)
        assert tags.get(ORIENTATION) == found


def test_what_is_not_there_is_not_known(tmp_path: Path) -> None:
    assert headers.read(str(tmp_path / "missing.png")) is None
    assert ours(tmp_path) is None
    (tmp_path / "empty.png").touch()
    assert ours(tmp_path / "empty.png") is None
    (tmp_path / "shrunk.jpg").write_bytes(SAMPLES["RGBTrue.jpg"][:100])
    assert ours(tmp_path / "shrunk.jpg") is None
