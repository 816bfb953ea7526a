import errno
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from prep.errors import UserError
from prep.system import files
from prep.system.leftovers import unfinished_name


def test_writing_replaces_the_file_whole_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    files.write_text(target, "old\r\n")
    files.write_text(target, "new\n日本")
    assert target.read_bytes() == "new\n日本".encode()
    assert [p.name for p in target.parent.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(("patience", "written"), [(5.0, True), (0.0, False)])
def test_a_file_that_somebody_reads_is_replaced_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: float, written: bool
) -> None:
    """Windows refuses to replace an open file; elsewhere such a refusal is final."""
    target, replace, refused = tmp_path / "a.txt", os.replace, list[str]()
    files.write_text(target, "old")

    def busy(source: str, place: str) -> None:
        if len(refused) < 2:
            refused.append(source)
            raise PermissionError(errno.EACCES, "in use", place)
        replace(source, place)

    monkeypatch.setattr(os, "replace", busy)
    monkeypatch.setattr(files, "_READING", patience)
    if written:
        files.write_text(target, "new")
    else:
        with pytest.raises(UserError, match="No permission"):
            files.write_text(target, "new")
    assert target.read_text() == ("new" if written else "old")
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def _whole(file: BinaryIO) -> None:
    file.write(b"whole")


def test_the_first_write_into_a_folder_removes_what_killed_processes_left(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = tmp_path / unfinished_name().replace(str(os.getpid()), str(gone.pid))
    left.touch()
    mine = tmp_path / unfinished_name()
    mine.touch()
    files.write_large(tmp_path / "state", _whole)
    assert sorted(tmp_path.iterdir()) == sorted([mine, tmp_path / "state"])


def test_permissions_of_a_replaced_file_are_kept(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    files.write_text(target, "a")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~mask
    target.chmod(0o640)
    files.write_text(target, "b")
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "disk is full"), (errno.EACCES, "No permission")]
)
def test_a_failed_write_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    target = tmp_path / "a.txt"
    files.write_text(target, "old")

    def fails(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(UserError, match=words) as caught:
        files.write_text(target, "new")
    assert caught.value.hint
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_real_limit_on_file_size_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    program = (
        "import signal, sys\nfrom pathlib import Path\nfrom prep.system.files import write_bytes\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "try: write_bytes(Path(sys.argv[1]), bytes(1 << 20))\n"
        "except Exception as error: print(type(error).__name__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", program, str(target)],  # no .pyc of 4096 bytes for others
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "UserError\n"
    assert target.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_a_new_folder_may_be_made_by_another_thread_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, wanted = os.open, tmp_path / "new" / "folder" / "a.txt"

    def beaten(path: str, flags: int, mode: int = 0o777) -> int:
        try:
            return real(path, flags, mode)
        except FileNotFoundError:
            wanted.parent.mkdir(parents=True)
            raise

    monkeypatch.setattr(os, "open", beaten)
    files.write_bytes(wanted, b"here")
    assert wanted.read_bytes() == b"here"


def test_a_folder_that_is_removed_every_time_ends_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "makedirs", lambda *_, **__: None)
    with pytest.raises(UserError, match="was not written"):
        files.write_bytes(tmp_path / "new" / "a.txt", b"x")


def test_a_folder_that_is_a_file_cannot_be_written_into(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="was not written"):
        files.write_text(tmp_path / "file" / "a.txt", "x")


def test_a_file_that_changes_while_it_is_replaced_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, real = tmp_path / "a.txt", os.fsync
    target.write_text("old")

    def slow(descriptor: int) -> None:
        target.write_text("saved by an editor")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    with pytest.raises(files.FileChangedError):
        files.write_text(target, "new", lambda: target.read_text() == "old")
    assert target.read_text() == "saved by an editor"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_fingerprints_and_hashes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert files.fingerprint(path) is None
    (tmp_path / "file").touch()
    assert files.fingerprint(tmp_path / "file" / "a") is None
    path.write_bytes(b"abc")
    mark = files.fingerprint(path)
    assert mark is not None
    assert mark.size == 3
    # The first half of the SHA-256 of "abc" (FIPS 180-2, appendix B.1).
    assert files.content_hash(path) == "ba7816bf8f01cfea414140de5dae2223"
    assert files.text_hash("abc") == files.content_hash(path)
