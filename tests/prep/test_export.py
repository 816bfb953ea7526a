import os
import signal
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from prep import events, manifest
from prep.edits import Journal, exclusion
from prep.errors import ConfigError, UserError
from prep.images import decode
from prep.index import Index
from prep.ops import export, scan
from prep.ops.export import ExportOptions
from prep.pixels import fitted
from prep.project import Project
from tests.conftest import MakeImage, draw_numbered
from tests.prep.pictures import scene


def run(project: Project, **options: Any) -> list[events.Event]:
    list(scan.run(project))
    return list(export.run(project, ExportOptions(**options)))


def summary(found: list[events.Event]) -> dict[str, Any]:
    last = found[-1]
    assert isinstance(last, events.Finished)
    return last.summary


def counts(found: list[events.Event]) -> tuple[int, int, int]:
    """(written, unchanged, removed) files."""
    made = summary(found)
    return made["written"], made["unchanged"], made["removed"]


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file: its time of change and its bytes."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def skipped(found: list[events.Event]) -> dict[str, str]:
    return {e.path: e.reason for e in found if isinstance(e, events.Skipped)}


def warnings(found: list[events.Event]) -> str:
    return " ".join(e.message for e in found if isinstance(e, events.Warned))


@pytest.fixture
def out(project: Project) -> Path:
    return project.output / "dataset"


@pytest.mark.parametrize("image_format", ["webp", "png"])
def test_what_is_written_is_what_the_preview_shows(
    project: Project, make_image: MakeImage, out: Path, image_format: str
) -> None:
    sizes = {"wide": (1200, 500), "tall": (300, 900), "exact": (512, 512), "small": (80, 90)}
    for number, (name, size) in enumerate(sizes.items()):
        make_image(f"10_mochi/{name}.png", number, size, caption=f"mochi, {name}\nA line.\r\n")
    exif = Image.Exif()
    exif[0x0112] = 6
    draw_numbered(9, (600, 400)).save(project.dataset / "10_mochi" / "turned.jpg", exif=exif)
    cutout = draw_numbered(5, (500, 500)).convert("RGBA")
    cutout.putalpha(Image.radial_gradient("L").resize((500, 500)))
    cutout.save(project.dataset / "10_mochi" / "alpha.webp", lossless=True)

    found = run(project, format=image_format)

    with Index(project) as index:
        rows = index.usable()
    assert len(rows) == 6
    for row in rows:
        made = out / "10_mochi" / f"{Path(row.path).stem}.{image_format}"
        fit = project.buckets.fit((row.width, row.height))
        with Image.open(made) as image:
            assert image.mode == "RGB"
            assert image.size == fit.bucket
            pixels = np.asarray(image)
        assert np.array_equal(pixels, fitted(decode(project.root / row.path), fit))
    for name in sizes:
        text = (out / "10_mochi" / f"{name}.txt").read_bytes()
        assert text == f"mochi, {name}\nA line.\r\n".encode()
    written = [e.path for e in found if isinstance(e, events.Written)]
    assert len(written) == 6 + 4 + 1
    assert written[0] == f"output/dataset/10_mochi/alpha.{image_format}"
    assert "2 images in 10_mochi have neither caption nor trigger word" in warnings(found)


def test_the_dataset_file_has_only_what_sd_scripts_reads(
    project: Project, make_image: MakeImage, out: Path
) -> None:
    make_image("10_mochi/a.png", 1, caption="mochi")
    make_image("1_bear/r.png", 2, caption="bear")
    make_image("photos/p.png", 3, caption="x")
    changed = project.saved(
        {
            "concepts": {
                "10_mochi": {"trigger": "mochi"},
                "1_bear": {"regularization": True},
                "photos": {"repeats": 4},
            },
            "buckets": {"no_upscale": True},
            "train": {"batch_size": 3},
        }
    )
    made = summary(run(changed))
    assert made["dataset_toml"] == str(out / "dataset.toml")
    data = tomllib.loads((out / "dataset.toml").read_text("utf-8"))
    assert (
        data
        == {
            "general": {"caption_extension": ".txt", "shuffle_caption": True},
            "datasets": [
                {
                    "resolution": 512,
                    "batch_size": 3,
                    "enable_bucket": True,
                    "min_bucket_reso": 256,
                    "max_bucket_reso": 1024,
                    "bucket_reso_steps": 64,
                    "bucket_no_upscale": True,
                    "subsets": [
                        {
                            "image_dir": str(out / "10_mochi"),
                            "num_repeats": 10,
                            "class_tokens": "mochi",
                            "keep_tokens": 1,
                        },
                        {
                            "image_dir": str(out / "reg" / "1_bear"),
                            "num_repeats": 1,
                            "class_tokens": "bear",
                            "keep_tokens": 0,
                            "is_reg": True,
                        },
                        {
                            "image_dir": str(out / "4_photos"),
                            "num_repeats": 4,
                            "class_tokens": "photos",
                            "keep_tokens": 0,
                        },
                    ],
                }
            ],
        }
        or sorted(s["image_dir"] for s in data["datasets"][0]["subsets"]) == []
    )
    run(changed, relative=True, shuffle=False)
    data = tomllib.loads((out / "dataset.toml").read_text("utf-8"))
    folders = [subset["image_dir"] for subset in data["datasets"][0]["subsets"]]
    assert sorted(folders) == ["10_mochi", "4_photos", "reg/1_bear"]
    assert data["general"]["shuffle_caption"] is False
    assert all((out / folder).is_dir() for folder in folders)


def test_a_second_export_writes_nothing(project: Project, make_image: MakeImage, out: Path) -> None:
    for number in range(5):
        make_image(f"10_mochi/{number}.png", number, caption="mochi")
    assert counts(run(project)) == (11, 0, 0)
    before = tree(out)
    assert counts(run(project)) == (0, 11, 0)
    assert tree(out) == before
    # Touched, not changed.
    os.utime(project.dataset / "10_mochi" / "0.png", ns=(1, 1))
    assert counts(run(project)) == (0, 11, 0)
    assert tree(out) == before


def test_only_what_changed_is_written(project: Project, make_image: MakeImage, out: Path) -> None:
    for number in range(4):
        make_image(f"10_mochi/{number}.png", number, caption="mochi")
    run(project)
    before = tree(out)
    (project.dataset / "10_mochi" / "1.txt").write_text("mochi, hat")
    make_image("10_mochi/2.png", 77)
    assert counts(run(project)) == (2, 7, 0)
    after = tree(out)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"10_mochi/1.txt", "10_mochi/2.webp", manifest.FILE_NAME}
    # Another resolution changes every image and no caption.
    bigger = project.saved({"project": {"resolution": 768}})
    assert counts(run(bigger)) == (5, 4, 0)


def test_images_that_left_the_set_are_removed_if_they_are_ours(
    project: Project, make_image: MakeImage, out: Path
) -> None:
    for number in range(4):
        make_image(f"10_mochi/{number}.png", number, caption="mochi")
    make_image("3_other/x.png", 9, caption="x")
    run(project)
    for name in ("10_mochi/0.png", "10_mochi/1.png", "3_other/x.png"):
        (project.dataset / name).unlink()
    (out / "10_mochi" / "1.txt").write_text("touched by hand")
    found = run(project)
    assert summary(found)["removed"] == 5
    assert "1.txt is no longer part of the set" in warnings(found)
    assert {name for name in tree(out) if "/" in name} == {
        "10_mochi/1.txt",
        "10_mochi/2.txt",
        "10_mochi/2.webp",
        "10_mochi/3.txt",
        "10_mochi/3.webp",
    }
    assert not (out / "3_other").exists()


def test_files_of_others_are_never_overwritten(
    project: Project, make_image: MakeImage, out: Path
) -> None:
    make_image("10_mochi/a.png", 1, caption="mochi")
    make_image("10_mochi/b.png", 2, caption="mochi")
    (out / "10_mochi").mkdir(parents=True)
    (out / "10_mochi" / "a.txt").write_text("somebody's words")
    (out / "10_mochi" / "b.txt").write_text("mochi")  # what we would write
    (out / "10_mochi" / "holiday.jpg").write_bytes(b"somebody's picture")
    found = run(project)
    assert list(skipped(found)) == ["output/dataset/10_mochi/a.txt"]
    assert "holds 1 images that are not of this training set (holiday.jpg" in warnings(found)
    assert counts(found) == (3, 1, 0)
    # Nor removed when its image goes.
    for name in ("a", "b"):
        (project.dataset / "10_mochi" / f"{name}.png").unlink()
    make_image("10_mochi/c.png", 3, caption="mochi")
    run(project)
    assert (out / "10_mochi" / "a.txt").read_text() == "somebody's words"
    assert (out / "10_mochi" / "b.txt").read_text() == "mochi"


def test_exported_files_that_were_changed_are_left_and_missing_ones_made_again(
    project: Project, make_image: MakeImage, out: Path
) -> None:
    make_image("10_mochi/a.png", 1, caption="mochi")
    make_image("10_mochi/b.png", 2, caption="mochi")
    run(project)
    (out / "10_mochi" / "a.txt").write_text("better words")
    (out / "10_mochi" / "b.webp").unlink()
    found = run(project)
    assert "changed since it was exported" in skipped(found)["output/dataset/10_mochi/a.txt"]
    assert (out / "10_mochi" / "a.txt").read_text() == "better words"
    assert (out / "10_mochi" / "b.webp").exists()
    # A folder restored from a backup has new times and the same files.
    (out / "10_mochi" / "a.txt").unlink()
    run(project)
    for path in out.rglob("*.*"):
        os.utime(path, ns=(5, 5))
    assert counts(run(project)) == (0, 5, 0)


def test_equal_names_get_a_file_each(project: Project, make_image: MakeImage, out: Path) -> None:
    for number, name in enumerate(
        ("a.png", "a.jpg", "A.webp", "a-2.png", "deep/a.png", "deep/b.png", "deep-b.png")
    ):
        make_image(f"10_mochi/{name}", number, caption=name)
    found = run(project)
    names = Counter(name.casefold() for name in tree(out) if name.endswith(".webp"))
    assert len(names) == 7
    assert set(names.values()) == {1}
    assert (out / "10_mochi" / "a-2.webp").exists()
    assert counts(found)[0] == 15
    assert counts(run(project))[0] == 0


def test_captions(project: Project, make_image: MakeImage, out: Path) -> None:
    make_image("10_mochi/none.png", 1)
    make_image("10_mochi/empty.png", 2, caption="")
    make_image("10_mochi/blank.png", 3, caption=" \n")
    make_image("10_mochi/mark.png", 4).with_suffix(".txt").write_bytes(
        b"\xef\xbb\xbfmochi, \xe6\xa8\xa1"
    )
    make_image("10_mochi/latin.png", 5).with_suffix(".txt").write_bytes(b"h\xe9")
    changed = project.saved({"concepts": {"10_mochi": {"trigger": "mochi"}}})
    found = run(changed)
    assert list(skipped(found)) == ["dataset/10_mochi/latin.png"]
    texts = {path.stem: path.read_bytes() for path in (out / "10_mochi").glob("*.txt")}
    assert texts == {
        "none": b"mochi",
        "empty": b"mochi",
        "blank": b"mochi",
        "mark": "mochi, 模".encode(),
    }
    # Without a trigger word there is nothing to say: no file rather than an empty one.
    run(changed.saved({"concepts": {"10_mochi": {"trigger": ""}}}))
    assert [path.stem for path in (out / "10_mochi").glob("*.txt")] == ["mark"]


def test_broken_images_are_skipped_and_their_old_export_removed(
    project: Project, make_image: MakeImage, out: Path
) -> None:
    make_image("10_mochi/a.png", 1, caption="mochi")
    broken = make_image("10_mochi/b.png", 2, caption="mochi")
    run(project)
    # The header and the end are fine, the middle is not: only decoding tells.
    scene(2).save(broken)
    data = bytearray(broken.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    broken.write_bytes(data)
    found = run(project)
    assert list(skipped(found)) == ["dataset/10_mochi/b.png"]
    assert {n for n in tree(out) if "/" in n} == {"10_mochi/a.webp", "10_mochi/a.txt"}


def test_excluded_images_are_left_out(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/a.png", 1, caption="mochi")
    make_image("10_mochi/b.png", 2, caption="mochi")
    assert summary(run(project))["images"] == 2
    with Index(project) as index:
        Journal(index).apply("x", [exclusion("dataset/10_mochi/b.png", None, "blurred")])
    found = run(project)
    assert (summary(found)["images"], summary(found)["removed"]) == (1, 2)
    assert not skipped(found)


def test_targets_that_would_mix_with_the_dataset_are_refused(
    project: Project, make_image: MakeImage, tmp_path: Path
) -> None:
    make_image("10_mochi/a.png", 1)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(project.dataset, target_is_directory=True)
    for out in (
        project.dataset,
        project.dataset / "10_mochi",
        project.root,
        project.state / "x",
        tmp_path,
        tmp_path / "link",
    ):
        with pytest.raises(ConfigError, match="mixed up"):
            run(project, out=out)
    with pytest.raises(ConfigError, match="is a file"):
        run(project, out=tmp_path / "file")
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "10_mochi").symlink_to(project.dataset / "10_mochi", target_is_directory=True)
    with pytest.raises(ConfigError, match="mixed up"):
        run(project, out=linked)
    assert [p.name for p in (project.dataset / "10_mochi").iterdir()] == ["a.png"]


def test_a_bare_folder_of_images_exports_below_itself(tmp_path: Path) -> None:
    draw_numbered(1, (64, 64)).save(tmp_path / "a.png")
    (tmp_path / "5_cat").mkdir()
    draw_numbered(2, (64, 64)).save(tmp_path / "5_cat" / "b.png")
    project = Project.open(tmp_path)
    assert summary(run(project))["images"] == 2
    assert summary(run(project))["images"] == 2
    with pytest.raises(ConfigError, match="mixed up"):
        run(project, out=tmp_path / "elsewhere")


def test_nothing_to_export_is_said(project: Project) -> None:
    with pytest.raises(ConfigError, match="no usable images"):
        run(project)


def test_latent_caches_of_changed_images_are_reported(
    project: Project, make_image: MakeImage, out: Path
) -> None:
    make_image("10_mochi/a [1].png", 1)
    make_image("10_mochi/b.png", 2)
    run(project)
    for name in ("a [1]_0512x0512_sd.npz", "b_0512x0512_sd.npz", "ab_0512x0512_sd.npz"):
        (out / "10_mochi" / name).touch()
    assert "caches" not in warnings(run(project))
    make_image("10_mochi/a [1].png", 3)
    found = run(project)
    assert "1 latent caches belong to images that have changed" in warnings(found)
    assert "a [1]_0512x0512_sd.npz" in warnings(found)


def test_thin_strips_do_not_take_gigabytes(project: Project, out: Path) -> None:
    strip = project.dataset / "10_mochi" / "strip.png"
    Image.linear_gradient("L").resize((2, 6000)).save(strip)
    run(project)
    with Image.open(out / "10_mochi" / "strip.webp") as image:
        assert image.size == (256, 1024)


def test_a_full_disk_is_said_and_the_next_export_goes_on(
    project: Project, make_image: MakeImage, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        make_image(f"10_mochi/{number}.png", number, caption="mochi")
    real = os.fsync
    calls: list[int] = []

    def fills_up(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 5:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fills_up)
    with pytest.raises(UserError, match="disk is full"):
        run(project)
    monkeypatch.undo()
    assert not list(out.rglob(".shikomi-*[!n]"))
    found = run(project)
    assert not skipped(found)
    assert len(tree(out)) == 14
    assert counts(run(project)) == (0, 13, 0)


def test_stopping_keeps_what_is_done(project: Project, make_image: MakeImage, out: Path) -> None:
    for number in range(12):
        make_image(f"10_mochi/{number}.png", number, caption="mochi")
    list(scan.run(project))
    stream = cast(Generator[events.Event], export.run(project))
    for event in stream:
        if isinstance(event, events.Written):
            break
    stream.close()
    written, unchanged, _ = counts(run(project))
    assert unchanged >= 1
    assert written + unchanged == 25


KILLED_IN_THE_MIDDLE = """
import os, signal, sys
from pathlib import Path
from prep.ops import export
from prep.project import Project
real, written = export.write_bytes, []
def write(path, data):
    real(path, data)
    written.append(path)
    if len(written) == 9:
        os.kill(os.getpid(), signal.SIGKILL)
export.write_bytes = write
list(export.run(Project.open(Path(sys.argv[1]))))
"""


def test_a_killed_export_is_finished_by_the_next(
    project: Project, make_image: MakeImage, out: Path, tmp_path: Path
) -> None:
    for number in range(12):
        make_image(f"10_mochi/{number:02}.png", number, (600, 400), caption="mochi")
    run(project)
    # Every image changes, so that files of an older export are being replaced, too.
    for number in range(12):
        make_image(f"10_mochi/{number:02}.png", number + 50, (600, 400), caption="mochi, hat")
    list(scan.run(project))
    done = subprocess.run(
        [sys.executable, "-c", KILLED_IN_THE_MIDDLE, str(project.root)], stdin=subprocess.DEVNULL
    )
    assert done.returncode == -signal.SIGKILL
    # Even when the intentions have changed in between.
    bigger = project.saved({"project": {"resolution": 768}})
    found = run(bigger)
    assert not skipped(found)
    assert not warnings(found)
    fresh = tmp_path / "fresh"
    run(bigger, out=fresh)
    ours = {n: data for n, (_, data) in tree(out).items() if n.startswith("10_mochi")}
    expected = {n: data for n, (_, data) in tree(fresh).items() if n.startswith("10_mochi")}
    assert ours == expected


def test_a_damaged_manifest_costs_no_file(
    project: Project, make_image: MakeImage, out: Path
) -> None:
    make_image("10_mochi/a.png", 1, caption="mochi")
    run(project)
    before = tree(out)
    (out / manifest.FILE_NAME).write_text("{")
    found = run(project)
    assert counts(found) == (0, 3, 0)
    after = tree(out)
    del before[manifest.FILE_NAME], after[manifest.FILE_NAME]
    assert after == before
    (out / manifest.FILE_NAME).write_text('{"version": 99, "files": {}}')
    with pytest.raises(UserError, match="newer shikomi"):
        run(project)
