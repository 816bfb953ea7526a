"""Broken and hostile files: all runs to its end, each fault is said once, nothing is lost."""

import hashlib
import io
import os
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image

from prep import events
from prep.dataset.index import Index
from prep.images import headers
from prep.ops import buckets, dupes, export, scan
from prep.project import Project
from prep.project.creation import initialise
from tests.conftest import draw_numbered


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1 << 16))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def sound() -> Iterator[tuple[str, bytes]]:
    """Yield odd files that are pictures all the same."""
    number = iter(range(100, 200))

    def picture(size: tuple[int, int] = (96, 64)) -> Image.Image:
        return draw_numbered(next(number), size)

    frames = [draw_numbered(n, (40, 40)) for n in (61, 62, 63)]
    ramp = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    yield "cmyk.jpg", encoded(picture().convert("CMYK"), "JPEG")
    yield "sixteen_bit.png", encoded(Image.fromarray(ramp), "PNG")
    yield "palette.png", encoded(picture().quantize(16), "PNG", transparency=2)
    yield "transparent.webp", encoded(picture().convert("RGBA"), "WEBP")
    yield "one_bit.png", encoded(picture().convert("1"), "PNG")
    yield "moving.gif", encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    yield "moving.webp", encoded(frames[1], "WEBP", save_all=True, append_images=frames[:1])
    yield "moving.png", encoded(frames[2], "PNG", save_all=True, append_images=frames[:1])
    yield "really_a_png.jpg", encoded(picture(), "PNG")
    yield "really_a_jpeg.webp", encoded(picture(), "JPEG")
    yield "strip.png", encoded(picture((60_000, 4)), "PNG")
    yield "tall_strip.jpg", encoded(picture((4, 60_000)), "JPEG")
    yield "one_pixel.png", encoded(picture((1, 1)), "PNG")
    yield "broken_exif.jpg", encoded(picture(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    yield "turned.jpg", encoded(picture(), "JPEG", exif=turn(6))
    yield "rubbish_behind.jpg", encoded(picture(), "JPEG") + Random(5).randbytes(2000)
    yield "old.bmp", encoded(picture(), "BMP")
    yield "large.tif", encoded(picture(), "TIFF")
    yield f"{'long' * 62}.png", encoded(picture(), "PNG")
    for name in (
        "もち 夜空",
        "🐻‍❄️",
        "e\u0301clair",
        "\u202egnp",
        "a\nb",
        "-x",
        "100%s",
        "it's",
        "a,b",
    ):
        yield f"{name}.png", encoded(picture(), "PNG")
    good = encoded(draw_numbered(77, (64, 48)), "PNG")
    place = good.index(b"IDAT") - 4
    profile = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(1 << 24)))
    yield "profile_bomb.png", good[:place] + profile + good[place:]


def turn(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def unsound() -> Iterator[tuple[str, bytes, str]]:
    """Yield files that cannot be used, with a part of the reason."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    for kind in ("PNG", "JPEG", "WEBP", "BMP", "TIFF"):
        data = encoded(noise, kind)
        yield f"cut_off.{kind.lower()}", data[: len(data) // 2], ""
        yield f"only_a_mark.{kind.lower()}", data[:12], ""
    moving = encoded(noise, "GIF", save_all=True, append_images=[noise.rotate(90)])
    yield "cut_off.gif", moving[: len(moving) // 3], ""
    yield "empty.png", b"", "not an image"
    yield "zeros.jpg", bytes(5000), "not an image"
    yield "page.jpg", b"<!DOCTYPE html><html>404</html>", "not an image"
    yield "movie.webp", b"RIFF\x24\0\0\0AVI LIST", ""
    yield "bomb.png", bomb(60_000, 60_000), "pixels"
    yield "larger_bomb.png", bomb(0x7FFFFFFF, 0x7FFFFFFF), ""
    yield "no_size.png", bomb(0, 0), ""


@pytest.fixture
def hostile(tmp_path: Path) -> Project:
    project = initialise(tmp_path / "made")
    folder = project.dataset / "10_odd"
    folder.mkdir()
    for name, data in sound():
        (folder / name).write_bytes(data)
        (folder / name).with_suffix(".txt").write_text("odd", encoding="utf-8")
    for name, data, _ in unsound():
        (folder / name).write_bytes(data)
    draw_numbered(1, (64, 64)).save(folder / "twice.png")
    (folder / "deep").mkdir()
    (folder / "deep" / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "deep" / "folder.png").mkdir()
    (folder / "nowhere.png").symlink_to("missing.png")
    (folder / "itself.png").symlink_to("itself.png")
    os.mkfifo(folder / "pipe.png")
    if Path("/proc/self/mem").exists():
        (folder / "unreadable.png").symlink_to("/proc/self/mem")
    os.rename(folder / "twice.png", os.fsencode(folder) + b"/no\xfftext.png")  # noqa: PTH104
    draw_numbered(1, (64, 64)).save(folder / "twice.png")
    (folder / "not_utf8.txt").write_bytes("é".encode("latin-1"))
    draw_numbered(2, (64, 64)).save(folder / "not_utf8.png")
    return project


LINKS = ("nowhere.png", "itself.png", "pipe.png")


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if not path.is_symlink() and path.is_file()
    }


def skipped(found: list[events.Event]) -> dict[str, str]:
    reports = [event for event in found if isinstance(event, events.Skipped)]
    assert not [p for p, n in Counter(event.path for event in reports).items() if n > 1]
    return {event.path.removeprefix("dataset/10_odd/"): event.reason for event in reports}


def test_a_scan_reports_each_once_with_its_reason(hostile: Project) -> None:
    before = contents(hostile.dataset)
    found = list(scan.run(hostile))
    reports = skipped(found)
    expected = {name: reason for name, _, reason in unsound()}
    expected |= dict.fromkeys(LINKS, "")
    expected |= {"no\\udcfftext.png": "not UTF-8", "not_utf8.png": "not UTF-8"}
    if Path("/proc/self/mem").exists():
        expected["unreadable.png"] = ""
    assert set(reports) == set(expected)
    for name, reason in expected.items():
        assert reason in reports[name]
        assert reports[name].strip()
    last = found[-1]
    assert isinstance(last, events.Finished)
    usable = [name for name, _ in sound()]
    assert last.summary["images"] == len(usable) + 2
    assert last.summary["unreadable"] == len(expected) - 1  # the caption's image is readable
    with Index(hostile) as index:
        assert {Path(row.path).name for row in index.usable()} >= set(usable)
    assert contents(hostile.dataset) == before
    # Once more: the same reports, from what is known.
    assert skipped(list(scan.run(hostile))) == reports


def test_the_other_operations_run_to_their_end(hostile: Project) -> None:
    before = contents(hostile.dataset)
    list(scan.run(hostile))
    with Index(hostile) as index:
        usable = [row.path for row in index.usable() if row.caption_error is None]
    found = list(dupes.run(hostile))
    assert isinstance(found[-1], events.Finished)
    assert skipped(found) == {}
    placed = [event for event in buckets.run(hostile) if isinstance(event, events.Bucket)]
    assert sorted(path for event in placed for path in event.images) == sorted(usable)
    exported = list(export.run(hostile))
    last = exported[-1]
    assert isinstance(last, events.Finished)
    assert set(skipped(exported)).isdisjoint(name for name, _ in sound())
    # An image whose caption cannot be read is left out, and said to be.
    assert last.summary["images"] == len(usable)
    assert contents(hostile.dataset) == before


def test_files_that_vanish_while_they_are_read(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project.dataset / "10_mochi"
    for number in range(6):
        draw_numbered(number, (64, 48)).save(folder / f"{number}.png")
    real = headers.read

    def read(path: str) -> headers.HeaderRead | None:
        if path.endswith("3.png"):
            Path(path).unlink()
        return real(path)

    monkeypatch.setattr(headers, "read", read)
    found = list(scan.run(project))
    assert [e.reason for e in found if isinstance(e, events.Skipped)] == [
        "the file no longer exists"
    ]
    monkeypatch.undo()

    # Gone after the scan: whoever opens it next says so, and works on.
    (folder / "1.png").unlink()
    found = list(dupes.run(project))
    assert isinstance(found[-1], events.Finished)
    assert [e.path for e in found if isinstance(e, events.Skipped)] == ["dataset/10_mochi/1.png"]
    (folder / "2.png").unlink()
    exported = list(export.run(project))
    assert isinstance(exported[-1], events.Finished)
    assert "dataset/10_mochi/2.png" in {
        e.path for e in exported if isinstance(e, events.Skipped)
    } or not any("2.png" in row for row in indexed(project))
    # The next scan forgets them.
    list(scan.run(project))
    assert indexed(project) == [f"dataset/10_mochi/{n}.png" for n in (0, 4, 5)]


def indexed(project: Project) -> list[str]:
    with Index(project) as index:
        return [row.path for row in index.select()]


def test_a_folder_that_may_not_be_read_is_reported(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project.dataset / "10_mochi" / "locked"
    folder.mkdir()
    draw_numbered(1, (64, 48)).save(folder.parent / "a.png")
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = list(scan.run(project))
    assert [(e.path, e.reason) for e in found if isinstance(e, events.Skipped)] == [
        ("dataset/10_mochi/locked", "the folder cannot be read: Permission denied")
    ]
