"""What killed processes leave: swept by the next run, and nothing else is."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from prep.system import leftovers
from prep.system.leftovers import sweep, unfinished_folder, unfinished_name

KILLED = """
import os, signal, sys
from pathlib import Path
from prep.system.leftovers import unfinished_folder, unfinished_name
place = Path(sys.argv[1])
(place / unfinished_name()).write_text("half")
(place / unfinished_name("shard")).write_text("half")
with unfinished_folder(place, "unpacked") as folder:
    (folder / "a.png").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], stdin=subprocess.DEVNULL)
    assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 3
    (tmp_path / "a.txt").touch()
    sweep(tmp_path)
    sweep(tmp_path / "missing")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_what_is_alive_or_not_ours_stays(tmp_path: Path) -> None:
    kept = [
        unfinished_name(),  # of this process, which is alive
        unfinished_name().replace(str(os.getpid()), "1"),
        ".shikomi-export.json",
        ".shikomi-exporting.json",
        ".shikomi-notes",
        f"{unfinished_name()}.txt",
    ]
    for name in kept:
        (tmp_path / name).touch()
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(kept)


@pytest.mark.parametrize(("days", "stays"), [(0, True), (2, False)])
def test_other_machines_get_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, stays: bool
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(leftovers, "_machine", lambda: "0123abcd")
        file = tmp_path / unfinished_name()
    file.touch()
    then = file.stat().st_mtime - days * 86_400
    os.utime(file, (then, then))
    sweep(tmp_path)
    assert file.exists() == stays


def test_a_link_is_removed_and_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "thesis.txt").touch()
    link = tmp_path / unfinished_name("unpacked")
    link.symlink_to(elsewhere, target_is_directory=True)
    monkeypatch.setattr(leftovers, "_is_alive", lambda _: False)
    sweep(tmp_path)
    assert not link.is_symlink()
    assert (elsewhere / "thesis.txt").exists()


def test_a_folder_goes_with_its_content_at_the_end(tmp_path: Path) -> None:
    with unfinished_folder(tmp_path, "unpacked") as folder:
        (folder / "a" / "b").mkdir(parents=True)
        assert folder.name.startswith(".shikomi-unpacked-")
    assert list(tmp_path.iterdir()) == []
