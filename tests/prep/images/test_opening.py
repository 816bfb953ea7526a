"""Which decoders a file may reach: a format that nobody keeps pictures in is refused by all."""

import ast
import io
from pathlib import Path

import pytest
from PIL import EpsImagePlugin, Image

from prep.curation.checks.transparency import look
from prep.errors import UnreadableError
from prep.images import SUFFIXES, decode, decode_grey, probe
from prep.images.opening import FORMATS, open_image
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


def test_nobody_else_opens_images() -> None:
    calls = {
        f"{name}: {ast.unparse(node)}"
        for name, tree in product()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and ast.unparse(node) in ("Image.open", "PIL.Image.open", "cv2.imread", "cv2.imreadmulti")
    }
    assert calls == {"prep/images/opening.py: Image.open"}
