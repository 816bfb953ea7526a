import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import cast

import pytest

from prep import events
from prep.errors import ConfigError, UserError
from prep.ops import export, scan
from prep.project import Project
from prep.system.files import bytes_hash
from prep.training_set import manifest
from tests.conftest import MakeImage, draw_numbered
from tests.prep.exporting import counts, run, skipped, summary, tree, warnings
from tests.prep.pictures import scene


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
    assert "1.txt is no longer exported" in warnings(found)
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
    assert "contains 1 image that is not in this training set (holiday.jpg" in warnings(found)
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
    assert summary(found)["images"] == 1
    assert {n for n in tree(out) if "/" in n} == {"10_mochi/a.webp", "10_mochi/a.txt"}


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
        with pytest.raises(ConfigError, match="overlaps the dataset"):
            run(project, out=out)
    with pytest.raises(ConfigError, match="is a file"):
        run(project, out=tmp_path / "file")
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "10_mochi").symlink_to(project.dataset / "10_mochi", target_is_directory=True)
    with pytest.raises(ConfigError, match="overlaps the dataset"):
        run(project, out=linked)
    assert [p.name for p in (project.dataset / "10_mochi").iterdir()] == ["a.png"]


def test_a_file_where_a_folder_should_be_is_said(
    project: Project, make_image: MakeImage, out: Path
) -> None:
    make_image("10_mochi/a.png", 1, caption="mochi")
    out.mkdir()
    (out / "10_mochi").write_text("mine")
    with pytest.raises(ConfigError, match="is a file"):
        run(project)
    assert (out / "10_mochi").read_text() == "mine"


def test_a_bare_folder_of_images_exports_below_itself(tmp_path: Path) -> None:
    draw_numbered(1, (64, 64)).save(tmp_path / "a.png")
    (tmp_path / "5_cat").mkdir()
    draw_numbered(2, (64, 64)).save(tmp_path / "5_cat" / "b.png")
    project = Project.open(tmp_path)
    assert summary(run(project))["images"] == 2
    assert summary(run(project))["images"] == 2
    with pytest.raises(ConfigError, match="overlaps the dataset"):
        run(project, out=tmp_path / "elsewhere")


def test_nothing_to_export_is_said(project: Project) -> None:
    with pytest.raises(ConfigError, match="no usable images"):
        run(project)


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
    with pytest.raises(UserError, match="newer version of shikomi"):
        run(project)


def test_a_manifest_from_elsewhere_deletes_nothing(
    project: Project, make_image: MakeImage, out: Path, tmp_path: Path
) -> None:
    image = make_image("10_mochi/a.png", 1, caption="mochi")
    thesis, notes = tmp_path / "thesis.txt", out / "10_mochi" / "notes.txt"
    notes.parent.mkdir(parents=True)
    for file in (thesis, notes):
        file.write_text("precious")
    (out / "elsewhere").symlink_to(tmp_path, target_is_directory=True)
    inside = Path("../../dataset") / image.relative_to(project.dataset)
    size, exact = len("precious"), bytes_hash(b"precious")
    files = {str(thesis): ["caption 1", size, thesis.stat().st_mtime_ns, exact]}
    files |= {name: ["", 0, 0, ""] for name in (str(inside), "10_mochi/notes.txt")}
    files |= {"elsewhere/thesis.txt": ["caption 1", size, 0, exact]}
    (out / manifest.FILE_NAME).write_text(json.dumps({"version": 1, "files": files}))
    assert summary(run(project))["removed"] == 0
    assert (thesis.read_text(), notes.read_text()) == ("precious", "precious")
    assert image.exists()
    assert (out / "elsewhere").exists()


@pytest.mark.parametrize("layout", ["kohya", "imagefolder", "diffusers"])
def test_nothing_is_written_through_a_link(
    project: Project, make_image: MakeImage, tmp_path: Path, layout: str
) -> None:
    make_image("10_mochi/a.png", 1, caption="mochi")
    done = run(project, layout=layout)
    folder = Path(summary(done)["folder"])
    pictures = next(folder.rglob("*.webp")).parent
    shutil.rmtree(folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if pictures == folder:
        return  # this layout has no folders
    pictures.parent.mkdir(parents=True, exist_ok=True)
    pictures.symlink_to(elsewhere, target_is_directory=True)
    with pytest.raises(ConfigError, match="is a link"):
        run(project, layout=layout)
    assert not list(elsewhere.iterdir())


def test_a_shard_is_not_written_through_a_link(
    project: Project, make_image: MakeImage, tmp_path: Path
) -> None:
    make_image("10_mochi/a.png", 1, caption="mochi")
    [shard] = Path(summary(run(project, layout="webdataset"))["folder"]).glob("*.tar")
    shard.unlink()
    other = tmp_path / "thesis.txt"
    other.write_text("precious")
    shard.with_name(f".{shard.name}.part").symlink_to(other)
    run(project, layout="webdataset")
    assert shard.is_file()
    assert other.read_text() == "precious"
