import os
from collections.abc import Generator
from pathlib import Path
from typing import cast

import pytest

from prep import events
from prep.dataset.index import Index
from prep.ops import scan
from prep.project import Project
from tests.conftest import MakeImage, draw_numbered


def summary(project: Project) -> dict[str, int]:
    last = list(scan.run(project))[-1]
    assert isinstance(last, events.Finished)
    return last.summary


def skipped(project: Project) -> dict[str, str]:
    return {e.path: e.reason for e in scan.run(project) if isinstance(e, events.Skipped)}


def test_a_scan_finds_images_captions_and_faults(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/a.png", 1, (96, 64), caption="mochi, hat")
    make_image("10_mochi/deep/b.jpg", 2)
    make_image("cover.webp", 3)
    (project.dataset / "10_mochi" / "a-masklabel.png").write_bytes(b"mask")
    (project.dataset / "10_mochi" / "broken.png").write_bytes(b"no image")
    whole = make_image("10_mochi/cut.png", 4).read_bytes()
    (project.dataset / "10_mochi" / "cut.png").write_bytes(whole[:-40])

    assert summary(project) == {"images": 3, "unreadable": 2, "concepts": 2}
    assert skipped(project) == {
        "dataset/10_mochi/broken.png": "not an image, despite its name",
        "dataset/10_mochi/cut.png": "the file is truncated",
    }
    with Index(project) as index:
        row = index.get("dataset/10_mochi/a.png")
        assert row is not None
        assert (row.width, row.height, row.format, row.tags) == (96, 64, "PNG", ["mochi", "hat"])
        assert index.folders() == [(".", 1), ("10_mochi", 2)]
        assert index.tag_counts() == [("hat", 1), ("mochi", 1)]


def test_changes_are_noticed(project: Project, make_image: MakeImage) -> None:
    path = make_image("10_mochi/a.png", 1, (96, 64), caption="old")
    gone = make_image("10_mochi/b.png", 2)
    summary(project)
    draw_numbered(3, (32, 32)).save(path)
    path.with_suffix(".txt").write_text("new, tags")
    gone.unlink()
    assert summary(project)["images"] == 1
    with Index(project) as index:
        row = index.get("dataset/10_mochi/a.png")
        assert row is not None
        assert (row.width, row.caption) == (32, "new, tags")
        path.with_suffix(".txt").unlink()
        summary(project)
        row = index.get("dataset/10_mochi/a.png")
        assert row is not None
        assert row.caption is None


def test_unchanged_files_are_not_opened_again(project: Project, make_image: MakeImage) -> None:
    path = make_image("10_mochi/a.png", 1, caption="x")
    summary(project)
    stat = path.stat()
    # The same size and time with other bytes: only opening it would tell.
    path.write_bytes(bytes(stat.st_size))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert summary(project)["unreadable"] == 0


def test_captions_that_are_not_utf8_are_reported(project: Project, make_image: MakeImage) -> None:
    path = make_image("10_mochi/a.png", 1)
    path.with_suffix(".txt").write_bytes("h\u00e9".encode("latin-1"))
    assert list(skipped(project)) == ["dataset/10_mochi/a.png"]
    with Index(project) as index:
        row = index.get("dataset/10_mochi/a.png")
        assert row is not None
        assert row.usable
        assert "UTF-8" in (row.caption_error or "")
    path.with_suffix(".txt").write_text("mended", encoding="utf-8")
    assert not skipped(project)


def test_a_bare_folder_is_scanned_without_its_output(tmp_path: Path) -> None:
    for name in ("a.png", "output/b.png", "model/c.png", "5_cat/d.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        draw_numbered(1, (32, 32)).save(path)
    project = Project.open(tmp_path)
    assert summary(project) == {"images": 2, "unreadable": 0, "concepts": 2}


def test_a_loop_of_links_ends(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/a.png", 1)
    (project.dataset / "10_mochi" / "loop").symlink_to(project.dataset, target_is_directory=True)
    assert summary(project)["images"] == 1


def test_names_that_are_no_text_do_not_stop_a_scan(project: Project, make_image: MakeImage) -> None:
    path = make_image("10_mochi/a.png", 1)
    raw = os.fsencode(path.parent) + b"/b\xff.png"
    os.rename(path, raw)  # noqa: PTH104  (bytes)
    make_image("10_mochi/c.png", 2)
    assert skipped(project) == {
        "dataset/10_mochi/b\\udcff.png": "its name is not UTF-8 text; rename it"
    }
    assert summary(project) == {"images": 1, "unreadable": 1, "concepts": 1}


def test_stopping_keeps_what_was_found(
    project: Project, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "_BATCH", 256)
    for number in range(300):
        make_image(f"10_mochi/{number}.png", number, (16, 16))
    stream = cast(Generator[events.Event], scan.run(project))
    next(stream)
    stream.close()
    with Index(project) as index:
        assert index.count() == 256
    assert summary(project)["images"] == 300


def test_a_damaged_cache_is_built_again(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/a.png", 1)
    summary(project)
    (project.state / "cache.db").write_bytes(b"x" * 5000)
    for suffix in ("-wal", "-shm"):
        (project.state / f"cache.db{suffix}").unlink(missing_ok=True)
    assert summary(project)["images"] == 1
