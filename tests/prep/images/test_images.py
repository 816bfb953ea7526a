import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from prep.errors import UnreadableError
from prep.images import decode, decode_grey, is_image_name, probe
from prep.images.modes import flatten
from tests.conftest import draw_numbered

ORIENTATION = 0x0112


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_exif_turns_are_applied(tmp_path: Path, orientation: int, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    picture = draw_numbered(7, (64, 48))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    picture.save(path, exif=exif)
    info, turned, grey = probe(path), decode(path), decode_grey(path, 64)
    upright = {1: (64, 48), 2: (64, 48), 3: (64, 48), 4: (64, 48)}.get(orientation, (48, 64))
    assert (info.width, info.height, info.orientation) == (*upright, orientation)
    assert turned.size == grey.size == upright
    with Image.open(path) as stored:
        stored.load()
        expected = ImageOps.exif_transpose(stored).convert("RGB")
    assert np.array_equal(np.asarray(turned), np.asarray(expected))
    difference = np.asarray(grey, int) - np.asarray(expected.convert("L"), int)
    assert np.abs(difference).mean() < 1  # JPEG keeps less of the colours than of the grey


def test_large_jpegs_are_decoded_small_for_hashing(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    draw_numbered(3, (1600, 1200)).save(path)
    grey = decode_grey(path, 256)
    assert grey.mode == "L"
    assert 256 <= min(grey.size) < 600


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_lies_on_white(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.png"
    picture = Image.new("RGBA", (8, 8), (200, 0, 0, 0))
    picture.paste((0, 0, 0, 255), (0, 0, 4, 8))
    if mode == "P":
        index = picture.convert("RGB").quantize(4)
        index.save(path, transparency=index.getpixel((7, 0)))
    else:
        picture.convert(mode).save(path)
    for pixels in (np.asarray(decode(path)), np.asarray(decode_grey(path, 8))):
        assert pixels[0, 7].min() == 255
        assert pixels[0, 0].max() == 0
    assert probe(path).alpha


def test_half_transparent_pixels_mix_with_white(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGBA", (4, 4), (0, 0, 0, 128)).save(path)
    assert decode(path).getpixel((0, 0)) == (127, 127, 127)


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(ramp).save(path)
    expected = ramp / 257
    for pixels in (np.asarray(decode(path))[..., 0], np.asarray(decode_grey(path, 16))):
        assert np.abs(pixels - expected).max() <= 1


@pytest.mark.parametrize("mode", ["CMYK", "L", "1", "YCbCr", "I", "F", "HSV", "LAB", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    assert flatten(Image.new(mode, (3, 2))).mode == "RGB"


def test_cmyk_jpegs_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("CMYK", (32, 32), (0, 255, 255, 0)).save(path)
    red, green, blue = np.asarray(decode(path))[16, 16]
    assert red > 200
    assert max(green, blue) < 60


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_files_that_are_cut_off_are_refused(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"a.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    for read in (decode, lambda p: decode_grey(p, 32)):
        with pytest.raises(UnreadableError, match=path.name):
            read(path)


def chunk(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


def test_decompression_bombs_are_refused_by_their_header(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1 << 16))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )
    for read in (probe, decode, lambda p: decode_grey(p, 32)):
        with pytest.raises(UnreadableError, match="pixels"):
            read(path)


@pytest.mark.parametrize("data", [b"", b"no image", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP"])
def test_what_is_no_image_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with pytest.raises(UnreadableError, match=r"a\.png"):
        probe(path)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="no longer exists"):
        probe(tmp_path / "a.png")
    with pytest.raises(UnreadableError):
        decode(tmp_path)


def test_only_the_first_frame_of_an_animation_is_used(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert probe(path).frames == 2
    assert decode(path).getpixel((0, 0)) == (255, 0, 0)


def test_broken_exif_does_not_cost_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    buffer = io.BytesIO()
    draw_numbered(1, (32, 32)).save(buffer, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    path.write_bytes(buffer.getvalue())
    assert probe(path).orientation == 1
    assert decode(path).size == (32, 32)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("a.PNG", True),
        ("a.Jpg", True),
        ("a.webp", True),
        ("a.txt", False),
        (".png", False),
        ("png", False),
        ("a-masklabel.png", False),
        ("a-condlabel.PNG", False),
        ("a.b.jpeg", True),
    ],
)
def test_image_names(name: str, answer: bool) -> None:
    assert is_image_name(name) is answer
