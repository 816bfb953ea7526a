"""Colours as people see them, whatever numbers a file has for them."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from prep.images import (
    decode,
    decode_alpha,
    decode_data,
    decode_grey,
    decode_reduced,
    decode_small,
    headers,
    probe,
    profile_of,
)
from prep.images.made_profiles import SRGB_PRIMARIES, WHITE, grey_profile, matrix_profile
from tests.conftest import draw_numbered

P3 = matrix_profile((0.68, 0.32, 0.265, 0.69, 0.15, 0.06), WHITE, 0.0)
LINEAR = matrix_profile(SRGB_PRIMARIES, WHITE, 1.0)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
MADE_SRGB = matrix_profile(SRGB_PRIMARIES, WHITE, 0.0)


def seen(image: Image.Image, profile: bytes) -> "np.ndarray[Any, Any]":
    """Return what a colour management system makes of a picture."""
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    target = ImageCms.createProfile("sRGB")
    shown = ImageCms.profileToProfile(image, opened, target, outputMode="RGB")
    assert shown is not None
    return np.asarray(shown, int)


def apart(one: Image.Image, other: Any) -> int:
    return int(np.abs(np.asarray(one, int) - np.asarray(other, int)).max())


def with_chunks(path: Path, image: Image.Image, chunks: list[tuple[bytes, bytes]]) -> Path:
    """Write a PNG with chunks of ours behind its header."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    data = buffer.getvalue()
    extra = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    path.write_bytes(data[:33] + extra + data[33:])
    return path


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_profiles_are_converted_by_everything_that_decodes(tmp_path: Path, suffix: str) -> None:
    path, picture = tmp_path / f"a{suffix}", draw_numbered(3, (96, 64))
    options: dict[str, Any] = {"lossless": True} if suffix == ".webp" else {}
    picture.save(path, icc_profile=P3, **options)
    with Image.open(path) as stored:
        expected = seen(stored.convert("RGB"), P3)
    assert np.abs(expected - np.asarray(picture, int)).max() > 20
    assert profile_of(path) == "other"
    reduced, size = decode_reduced(path, 96)
    assert size == (96, 64)
    for image in (decode(path), decode_small(path, 64), reduced):
        assert apart(image, expected) <= 1
        assert "icc_profile" not in image.info
    grey = Image.fromarray(expected.astype(np.uint8)).convert("L")
    assert apart(decode_grey(path, 64), grey) <= 1


@pytest.mark.parametrize("profile", [SRGB, MADE_SRGB], ids=["with a curve", "made"])
def test_profiles_of_srgb_change_nothing(tmp_path: Path, profile: bytes) -> None:
    path, picture = tmp_path / "a.png", draw_numbered(3, (96, 64))
    picture.save(path, icc_profile=profile)
    assert apart(decode(path), picture) == 0
    assert profile_of(path) == "srgb"
    assert probe(path).profile


def test_a_made_profile_has_the_curve_and_the_white_of_its_numbers() -> None:
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None].repeat(3, 0)).convert("RGB")
    linear = np.arange(256) / 255
    expected = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(seen(ramp, LINEAR)[0, :, 1] - expected * 255).max() <= 1
    assert np.abs(seen(ramp, P3)[0] - np.arange(256)[:, None]).max() <= 1  # grey stays grey
    assert matrix_profile((0.3, 0.0, 0.3, 0.6, 0.1, 0.1), WHITE, 0.0) == b""
    assert matrix_profile((0.3, 0.3, 0.3, 0.3, 0.3, 0.3), WHITE, 0.0) == b""


def test_transparency_is_kept_while_colours_are_converted(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    picture = draw_numbered(3, (32, 32)).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize((32, 32)))
    picture.save(path, icc_profile=P3)
    colours = seen(picture.convert("RGB"), P3).astype(np.uint8)
    layered = np.dstack((colours, np.asarray(picture)[..., 3]))
    white = Image.new("RGBA", (32, 32), "white")
    expected = Image.alpha_composite(white, Image.fromarray(layered)).convert("RGB")
    assert apart(decode(path), expected) <= 1
    assert apart(decode_alpha(path), picture.getchannel("A")) == 0


def test_grey_and_palettes_have_profiles_too(tmp_path: Path) -> None:
    grey, palette = tmp_path / "grey.png", tmp_path / "palette.png"
    picture = draw_numbered(3, (64, 64))
    dark = grey_profile(1.0)
    picture.convert("L").save(grey, icc_profile=dark)
    assert apart(decode(grey), seen(picture.convert("L"), dark)) <= 1
    picture.quantize(32).save(palette, icc_profile=P3)
    assert apart(decode(palette), seen(picture.quantize(32).convert("RGB"), P3)) <= 1
    layered = picture.convert("LA")
    layered.save(grey, icc_profile=dark)
    assert apart(decode(grey), seen(picture.convert("L"), dark)) <= 1


def test_a_profile_of_cmyk_is_for_cmyk(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(path, icc_profile=P3)
    assert profile_of(path) == "broken"
    assert decode(path).getpixel((8, 8))[0] > 200  # type: ignore[index]


@pytest.mark.parametrize("profile", [b"x", P3[:200], P3[:-300], b"\0" * 200, grey_profile(1.8)])
def test_broken_profiles_are_ignored_and_known(tmp_path: Path, profile: bytes) -> None:
    path, picture = tmp_path / "a.png", draw_numbered(3, (32, 32))
    picture.save(path, icc_profile=profile)
    assert profile_of(path) == "broken"
    assert apart(decode(path), picture) == 0


def test_profiles_that_cannot_be_unpacked_are_broken(tmp_path: Path) -> None:
    picture = draw_numbered(3, (32, 32))
    body = b"p\0\0" + zlib.compress(P3)[:-9]
    path = with_chunks(tmp_path / "a.png", picture, [(b"iCCP", body)])
    assert profile_of(path) == "broken"
    assert apart(decode(path), picture) == 0
    photo = tmp_path / "a.jpg"
    picture.save(photo)
    plain = photo.read_bytes()
    body = b"ICC_PROFILE\0\1\2" + P3
    photo.write_bytes(plain[:2] + b"\xff\xe2" + struct.pack(">H", len(body) + 2) + body + plain[2:])
    found = headers.read(str(photo))
    assert found is not None
    assert found[2] is not None
    assert (found[2].profile, profile_of(photo)) == (True, "broken")


# ---- what PNG chunks say -----------------------------------------------------------------------


def gama(value: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(value * 100_000))


CHRM_P3 = (
    b"cHRM",
    struct.pack(">8I", *(31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)),
)
CICP_P3 = (b"cICP", bytes((12, 13, 0, 1)))


@pytest.mark.parametrize(
    ("chunks", "profile"),
    [
        ([gama(1.0)], LINEAR),
        ([gama(0.45455), CHRM_P3], P3),
        ([CICP_P3], P3),
        ([CICP_P3, gama(1.0)], P3),
        ([(b"cICP", bytes((1, 13, 0, 1))), gama(1.0)], MADE_SRGB),
        ([(b"cICP", bytes((9, 16, 0, 1))), gama(1.0)], LINEAR),
        ([gama(0.45455)], MADE_SRGB),
        ([CHRM_P3], MADE_SRGB),
        ([gama(1.0), (b"sRGB", b"\0")], MADE_SRGB),
        ([gama(0.0)], MADE_SRGB),
        ([(b"cICP", b"")], MADE_SRGB),
    ],
)
def test_chunks_say_what_numbers_mean(
    tmp_path: Path, chunks: list[tuple[bytes, bytes]], profile: bytes
) -> None:
    picture = draw_numbered(3, (32, 32))
    path = with_chunks(tmp_path / "a.png", picture, chunks)
    assert apart(decode(path), seen(picture, profile)) <= 1


def test_a_profile_outranks_gamma(tmp_path: Path) -> None:
    picture = draw_numbered(3, (32, 32))
    body = b"p\0\0" + zlib.compress(P3)
    path = with_chunks(tmp_path / "a.png", picture, [gama(1.0), (b"iCCP", body)])
    assert apart(decode(path), seen(picture, P3)) <= 1


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [gama(0.45455)],
        [CHRM_P3],
        [gama(1.0), (b"sRGB", b"\0")],
        [CICP_P3],
        [CICP_P3, (b"sRGB", b"\0")],
        [(b"cICP", b"")],
        [(b"iCCP", b"p\0\0" + zlib.compress(P3))],
        [(b"iCCP", b"p\0\0" + zlib.compress(b""))],
        [(b"iCCP", b"p\0\0nonsense")],
        [(b"iCCP", b"p\0\0" + zlib.compress(P3)[:-9])],
    ],
)
def test_headers_know_of_profiles_without_pillow(
    tmp_path: Path, chunks: list[tuple[bytes, bytes]]
) -> None:
    path = with_chunks(tmp_path / "a.png", draw_numbered(3, (32, 32)), chunks)
    found = headers.read(str(path))
    assert found is not None
    if found[2] is not None:
        assert found[2].profile == probe(path).profile


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".png"])
@pytest.mark.parametrize("size", [0, 500, 200_000])
def test_headers_know_of_profiles_of_any_length(tmp_path: Path, suffix: str, size: int) -> None:
    path = tmp_path / f"a{suffix}"
    draw_numbered(3, (32, 32)).save(path, icc_profile=bytes(size))
    found = headers.read(str(path))
    assert found is not None
    assert found[2] is not None
    assert found[2].profile == probe(path).profile == (size > 0)


# ---- other kinds of numbers --------------------------------------------------------------------

RAMP = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0, 1e6])
def test_floats_are_shown_from_black_to_white(tmp_path: Path, white: float) -> None:
    path = tmp_path / "a.tif"
    ramp = RAMP * white
    ramp[0, 1], ramp[0, 2], ramp[0, 3] = np.nan, np.inf, -5
    Image.fromarray(ramp).save(path)
    shown = np.asarray(decode(path))[..., 0]
    assert np.abs(shown[1:] - RAMP[1:] * 255).max() <= 1
    assert shown[0, 1:4].tolist() == [0, 0, 0]
    assert apart(decode_grey(path, 16), shown) == 0


@pytest.mark.parametrize(
    ("suffix", "dtype", "white"),
    [
        (".png", np.uint16, 65_535),
        (".tif", np.uint16, 65_535),
        (".tif", np.int32, 65_535),
        (".tif", np.int32, 2_147_483_000),
    ],
)
def test_whole_numbers_are_scaled(tmp_path: Path, dtype: Any, white: int, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray((RAMP.astype(float) * white).astype(dtype)).save(path)
    assert np.abs(np.asarray(decode(path))[..., 0] - RAMP * 255).max() <= 1


def test_dark_pictures_of_16_bits_stay_dark(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray((RAMP * 200).astype(np.uint16)).save(path)
    assert np.asarray(decode(path)).max() <= 1


def test_a_grey_number_can_stand_for_transparency(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    values = np.zeros((4, 4), np.uint16)
    values[0] = 40_000
    Image.fromarray(values).save(path, transparency=40_000)
    assert np.asarray(decode(path))[:, 0, 0].tolist() == [255, 0, 0, 0]
    assert np.asarray(decode_alpha(path))[:, 0].tolist() == [0, 255, 255, 255]


def test_one_bit_and_palettes_with_holes(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    bits = Image.new("1", (8, 8), 0)
    bits.paste(1, (0, 0, 4, 8))
    bits.save(path)
    assert np.asarray(decode(path))[0, :, 0].tolist() == [255] * 4 + [0] * 4
    bits.save(path, transparency=0)
    assert np.asarray(decode(path)).min() == 255
    assert np.asarray(decode_alpha(path))[0].tolist() == [255] * 4 + [0] * 4


def test_lab_is_shown_in_its_colours(tmp_path: Path) -> None:
    path, picture = tmp_path / "a.tif", draw_numbered(3, (32, 32))
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    to_lab.apply(picture).save(path)
    assert np.abs(np.asarray(decode(path), int) - np.asarray(picture, int)).mean() < 3


def test_inverted_cmyk_of_photoshop_is_not_a_negative(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("CMYK", (32, 32), (255, 0, 0, 0)).save(path, quality=95)
    assert b"Adobe" in path.read_bytes()  # then the numbers in the file are inverted
    red, green, blue = np.asarray(decode(path))[16, 16]
    assert red < 10
    assert min(green, blue) > 200


def test_masks_are_numbers_without_colours(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    grey = Image.linear_gradient("L").resize((16, 16))
    grey.save(path, icc_profile=grey_profile(1.0))
    assert apart(decode_data(path).convert("L"), grey) == 0
    assert apart(decode(path).convert("L"), grey) > 20
    grey.convert("RGB").save(path, icc_profile=LINEAR)
    assert apart(decode_data(path).convert("L"), grey) == 0


# ---- several pictures in one file --------------------------------------------------------------


def test_further_pictures_of_a_photograph_are_no_frames(tmp_path: Path) -> None:
    first, second = draw_numbered(1, (64, 48)), draw_numbered(2, (32, 24))
    photo, pages = tmp_path / "a.jpg", tmp_path / "a.tif"
    first.save(photo, format="MPO", save_all=True, append_images=[second])
    first.copy().save(pages, save_all=True, append_images=[second.copy(), second.copy()])
    for path in (photo, pages):
        info = probe(path)
        assert (info.frames, info.width, info.height) == (1, 64, 48)
        assert np.abs(np.asarray(decode(path), int) - np.asarray(first, int)).mean() < 8


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp"])
def test_animations_stay_animations(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    others = [draw_numbered(n, (32, 32)) for n in (2, 3)]
    draw_numbered(1, (32, 32)).save(path, save_all=True, append_images=others, duration=99)
    assert probe(path).frames == 3


# ---- large texts -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["itxt", "packed itxt", "ztxt"])
@pytest.mark.parametrize("late", [False, True])
def test_a_picture_with_large_texts_is_a_picture(tmp_path: Path, kind: str, late: bool) -> None:
    path, picture = tmp_path / "a.png", draw_numbered(3, (32, 32))
    info, text = PngImagePlugin.PngInfo(), '{"n":1}' * 300_000
    if kind == "ztxt":
        info.add_text("workflow", text, zip=True)
    else:
        info.add_itxt("workflow", text, zip=kind != "itxt")
    info.add_text("parameters", "a bear")
    picture.save(path, pnginfo=info)
    if late:
        data = path.read_bytes()
        start = data.index(b"IDAT") - 4
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        path.write_bytes(data[:33] + data[start:end] + data[33:start] + data[end:])
    assert apart(decode(path), picture) == 0
    assert probe(path).width == 32
    if kind != "itxt" and not late:
        with Image.open(path) as opened:
            assert opened.info["parameters"] == "a bear"


def test_text_bombs_are_not_unpacked(tmp_path: Path) -> None:
    import tracemalloc

    packed = zlib.compress(bytes(1 << 28), 9)
    body = b"workflow\0\0" + packed
    path = with_chunks(tmp_path / "a.png", draw_numbered(3, (32, 32)), [(b"zTXt", body)] * 20)
    tracemalloc.start()
    decode(path)
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()


def test_a_large_profile_is_used(tmp_path: Path) -> None:
    picture = draw_numbered(3, (32, 32))
    large = bytearray(P3 + bytes(3 << 20))
    struct.pack_into(">I", large, 0, len(large))
    body = b"p\0\0" + zlib.compress(bytes(large))
    path = with_chunks(tmp_path / "a.png", picture, [(b"iCCP", body)])
    assert apart(decode(path), seen(picture, P3)) <= 1
    bomb = b"p\0\0" + zlib.compress(bytes(1 << 28), 9)
    path = with_chunks(tmp_path / "b.png", picture, [(b"iCCP", bomb)])
    assert apart(decode(path), picture) == 0
