"""Which decoders a file may reach: a format that nobody keeps pictures in is refused by all."""

import ast
import io
import subprocess
import sys
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import EpsImagePlugin, Image
from PIL.ImageCms import ImageCmsProfile, createProfile

from prep.curation.checks.transparency import look
from prep.errors import UnreadableError
from prep.images import SUFFIXES, decode, decode_grey, probe
from prep.images.opening import FORMATS, open_image
from tests.conftest import draw_numbered
from tests.test_architecture import product

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n{} loop\n"


def test_postscript_named_png_never_reaches_ghostscript(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_: object) -> None:
        raise AssertionError("the PostScript was run")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", run)
    path = tmp_path / "photo.png"
    path.write_bytes(POSTSCRIPT)
    for read in (probe, decode, lambda file: decode_grey(file, 8)):
        with pytest.raises(UnreadableError, match="not an image, despite its name"):
            read(path)
    assert look(path) is None


@pytest.mark.filterwarnings("ignore::DeprecationWarning:PIL")
def test_exactly_the_formats_of_the_suffixes_are_read(tmp_path: Path) -> None:
    picture = Image.new("RGB", (16, 16), "red")
    Image.init()
    wanted = {Image.EXTENSION[suffix] for suffix in SUFFIXES}
    assert set(FORMATS) == wanted
    read = set()
    for name in Image.SAVE:
        data = io.BytesIO()
        try:
            picture.save(data, name)
            data.seek(0)
            with open_image(data) as opened:
                read.add(opened.format)
        except (OSError, ValueError, KeyError, AttributeError):
            continue
    assert read == wanted


def test_mpo_is_a_jpeg_of_several_pictures(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    first, second = (Image.new("RGB", (16, 16), colour) for colour in ("red", "blue"))
    first.save(path, "MPO", save_all=True, append_images=[second])
    assert probe(path).format == "MPO"
    assert decode(path).getpixel((8, 8))[0] > 200  # type: ignore[index]


def chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data).to_bytes(4, "big")
    return len(data).to_bytes(4, "big") + kind + data + check


PROFILE = ImageCmsProfile(createProfile("LAB")).tobytes()
BESIDE_PNG = {
    "text of an unknown packing": chunk(b"zTXt", b"k\0\5text"),
    "text with a wrong checksum": chunk(b"tEXt", b"k\0text")[:-4] + bytes(4),
    "empty profile": chunk(b"iCCP", b""),
    "profile with a wrong checksum": chunk(b"iCCP", b"p\0\0" + zlib.compress(PROFILE))[:-4]
    + bytes(4),
    **{f"short {kind}": chunk(kind.encode(), b"") for kind in ("cHRM", "gAMA", "pHYs", "sRGB")},
    "short transparency": chunk(b"tRNS", b"\0"),
    "short animation": chunk(b"acTL", b"\0"),
}
BESIDE_JPEG = {
    "short JFIF": (0xE0, b"JFIF\0"),
    "short Adobe": (0xEE, b"Adobe\0"),
    "cut off resources": (0xED, b"Photoshop 3.0\0" + b"8BIM\x03\xed"),
}


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("name", BESIDE_PNG)
def test_what_is_broken_beside_a_png_does_not_cost_the_picture(
    tmp_path: Path, name: str, late: bool
) -> None:
    data, path = io.BytesIO(), tmp_path / "a.png"
    picture = draw_numbered(3, (64, 48))
    picture.save(data, "PNG")
    place = -12 if late else 33
    plain = data.getvalue()
    path.write_bytes(plain[:place] + BESIDE_PNG[name] + plain[place:])
    found = decode(path)
    assert found.tobytes() == picture.tobytes()
    assert probe(path).profile is False


def test_a_broken_picture_is_still_told(tmp_path: Path) -> None:
    data, path = io.BytesIO(), tmp_path / "a.png"
    draw_numbered(3, (64, 48)).quantize(16).save(data, "PNG")
    plain = bytearray(data.getvalue())
    plain[plain.index(b"PLTE") + 5] ^= 255
    path.write_bytes(plain)
    with pytest.raises(UnreadableError):
        decode(path)


@pytest.mark.parametrize("name", BESIDE_JPEG)
def test_what_is_broken_beside_a_jpeg_does_not_cost_the_picture(tmp_path: Path, name: str) -> None:
    data, path = io.BytesIO(), tmp_path / "a.jpg"
    draw_numbered(3, (64, 48)).save(data, "JPEG", xmp=b"kept")
    plain, (marker, body) = data.getvalue(), BESIDE_JPEG[name]
    segment = bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body
    path.write_bytes(plain[:2] + segment + plain[2:])
    with open_image(path) as opened, open_image(data) as expected:
        assert opened.convert("RGB").tobytes() == expected.convert("RGB").tobytes()
        assert opened.info["xmp"] == b"kept"


def test_nobody_else_opens_images() -> None:
    calls = {
        f"{name}: {ast.unparse(node)}"
        for name, tree in product()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and ast.unparse(node) in ("Image.open", "PIL.Image.open", "cv2.imread", "cv2.imreadmulti")
    }
    assert calls == {"prep/images/opening.py: Image.open"}


class _Held(io.BytesIO):
    """A file whose first read waits until it is told to go on."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.inside, self.go_on = threading.Event(), threading.Event()

    def read(self, size: int | None = -1, /) -> bytes:
        self.inside.set()
        assert self.go_on.wait(20)
        return super().read(size)


def test_threads_that_open_at_once_leave_the_filters_of_warnings_alone() -> None:
    data = io.BytesIO()
    Image.new("RGB", (8, 8)).save(data, "PNG")
    first, second = (_Held(data.getvalue()) for _ in range(2))
    before = list(warnings.filters)
    with ThreadPoolExecutor(2) as threads:
        opening = {}
        for each in (first, second):
            opening[each] = threads.submit(open_image, each)
            assert each.inside.wait(20)
        # The first to come is not the last to leave.
        for each, future in opening.items():
            each.go_on.set()
            future.result(20).close()
    assert list(warnings.filters) == before


_READ_IN_THREADS = """
import sys, warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from prep.errors import UnreadableError
from prep.images import probe

def read(path):
    try:
        return f"{path.name} {probe(path).width}"
    except UnreadableError as error:
        return str(error)

with ThreadPoolExecutor(4) as threads:
    for line in threads.map(read, map(Path, 4 * sys.argv[1:])):
        print(line)
warnings.warn("still seen")
"""


def test_no_warning_of_pillow_reaches_the_terminal_and_bombs_are_refused(tmp_path: Path) -> None:
    sizes = {"large.gif": (12_000, 10_000), "bomb.gif": (20_000, 20_000)}
    for name, (width, height) in sizes.items():
        one = io.BytesIO()
        Image.new("P", (1, 1)).save(one, "GIF")
        size = width.to_bytes(2, "little") + height.to_bytes(2, "little")
        (tmp_path / name).write_bytes(one.getvalue()[:6] + size + one.getvalue()[10:])
    paths = [str(tmp_path / name) for name in sizes]
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", _READ_IN_THREADS, *paths],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == 4 * [
        "large.gif 12000",
        "bomb.gif: far too many pixels (a decompression bomb?)",
    ]
    assert "still seen" in done.stderr
    assert "PIL" not in done.stderr
    assert "limit of" not in done.stderr
