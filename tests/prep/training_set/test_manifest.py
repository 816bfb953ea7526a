"""What an export knows of its files: whose they are, what they were made from, and on disk when."""

import json
import os
from pathlib import Path

import pytest

from prep.errors import ConfigError, UserError
from prep.system.files import bytes_hash, content_hash
from prep.training_set.manifest import FILE_NAME, FileState, Manifest, ManifestEntry, entry_of
from prep.training_set.snapshot import ConceptItem, Snapshot, SnapshotItem
from prep.training_set.write_log import LOG_NAME

A = "10_mochi/a.txt"
HAT = bytes_hash(b"hat")
SNAPSHOT = Snapshot(
    (SnapshotItem("10_mochi/a.webp", "d/a.png", "1f", caption="mochi"),), {"mochi": ConceptItem(10)}
)


def write(manifest: Manifest, text: str, name: str = A, recipe: str = "caption 1") -> Path:
    """Write a file as an export does."""
    file = manifest.folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    manifest.record(name, entry_of(file, recipe, text.encode()))
    return file


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return Manifest(tmp_path)


def replaced(file: Path, text: str, *, later: int) -> None:
    """Give a file another text, and a time that is so many nanoseconds later than before."""
    before = file.stat().st_mtime_ns
    file.write_text(text)
    os.utime(file, ns=(before + later, before + later))


@pytest.mark.parametrize(
    ("text", "later", "state"),
    [
        ("hat, cat", 10**9, FileState.CHANGED),  # an edit that keeps the length
        ("hat", 10**9, FileState.CHANGED),
        ("hat", 0, FileState.CHANGED),  # the same time is not enough
        ("hat, cat", 0, FileState.OURS),  # size and time are: no content is read then
        ("hat, bow", 10**9, FileState.OURS),  # restored from a backup
    ],
)
def test_an_edited_file_is_told_from_ours(
    manifest: Manifest, text: str, later: int, state: FileState
) -> None:
    file = write(manifest, "hat, bow")
    replaced(file, text, later=later)
    assert manifest.state(A) is state


def test_the_new_time_of_a_restored_file_is_noted(manifest: Manifest) -> None:
    file = write(manifest, "hat, bow")
    replaced(file, "hat, bow", later=10**9)
    assert manifest.state(A) is FileState.OURS
    assert manifest.has(A, "caption 1")
    manifest.save()
    again = Manifest(manifest.folder)
    replaced(file, "hat, cat", later=0)  # nobody reads it: size and time are those on record
    assert again.state(A) is FileState.OURS
    assert again.content(A, "caption 1") != content_hash(file)


def test_whose_a_file_is(manifest: Manifest) -> None:
    assert manifest.state(A) is FileState.ABSENT
    write(manifest, "hat").unlink()
    assert manifest.state(A) is FileState.ABSENT
    (manifest.folder / A).write_text("somebody's")
    manifest.forget(A)
    manifest.forget("never known")
    assert manifest.state(A) is FileState.FOREIGN


def test_what_was_announced_can_be_forgotten(manifest: Manifest) -> None:
    announce(manifest, "hat", "caption 1")
    manifest.close()
    again = Manifest(manifest.folder)
    assert again.names() == [A]
    again.forget(A)
    assert again.names() == []


def announce(manifest: Manifest, text: str, recipe: str, name: str = A) -> None:
    data = text.encode()
    manifest.announce(name, recipe, len(data), bytes_hash(data))


@pytest.mark.parametrize(
    ("text", "state", "recipe"),
    [
        ("hat", FileState.OURS, "caption 1"),  # killed before it was replaced
        ("bow", FileState.OURS, "caption 2"),  # killed after it, before that was recorded
        ("cat", FileState.OURS, "caption 3"),  # twice
        ("dog", FileState.CHANGED, "caption 1"),  # by somebody else
    ],
)
def test_what_a_killed_export_announced_is_ours_and_nothing_else(
    manifest: Manifest, text: str, state: FileState, recipe: str
) -> None:
    file = write(manifest, "hat")
    manifest.finish(SNAPSHOT)
    manifest.save()
    manifest.begin()
    announce(manifest, "bow", "caption 2")
    manifest.close()
    second = Manifest(manifest.folder)
    announce(second, "cat", "caption 3")
    announce(second, "new", "caption 1", "10_mochi/b.txt")
    second.close()
    with (manifest.folder / LOG_NAME).open("a") as log:
        log.write('["10_mochi/a.txt", "capt')  # half a line
    replaced(file, text, later=10**9)
    after = Manifest(manifest.folder)
    assert after.snapshot is None  # an export that was begun is not finished
    assert after.names() == [A, "10_mochi/b.txt"]
    assert (after.state(A), after.recipe(A)) == (state, recipe)
    assert after.state("10_mochi/b.txt") is FileState.ABSENT
    after.complete()
    assert not (manifest.folder / LOG_NAME).exists()
    assert Manifest(manifest.folder).recipe(A) == recipe


@pytest.mark.parametrize(
    "name",
    ["../b.txt", "10_mochi/../../b.txt", "/{}/b.txt", "linked/b.txt", "..", "", "a\0b"],
)
def test_names_that_lead_outside_are_not_ours(tmp_path: Path, name: str) -> None:
    folder, name = tmp_path / "out", name.format(tmp_path).replace("//", "/")
    (folder / "10_mochi").mkdir(parents=True)
    (folder / "linked").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "b.txt").write_text("precious")
    entry = ["r", 8, 0, bytes_hash(b"precious")]
    (folder / FILE_NAME).write_text(json.dumps({"version": 1, "files": {name: entry}}))
    (folder / LOG_NAME).write_text(json.dumps([name, "r", 8, entry[3]]) + "\n")
    manifest = Manifest(folder)
    assert manifest.names() == []
    with pytest.raises(ConfigError, match="is outside of"):
        manifest.refuse_outside([name])


@pytest.mark.parametrize(
    ("entry", "state"),
    [
        (["", 3, 0, HAT], FileState.FOREIGN),  # no recipe
        (["", 0, 0, ""], FileState.FOREIGN),
        ([1, 3, 0, HAT], FileState.FOREIGN),
        (["r", "3", 0, HAT], FileState.FOREIGN),
        (["r"], FileState.CHANGED),  # no content: of whatever lies there we wrote nothing
        (["r", 3, 0, HAT], FileState.OURS),
    ],
)
def test_an_entry_must_say_what_we_wrote(
    tmp_path: Path, entry: list[object], state: FileState
) -> None:
    (tmp_path / "a.txt").write_text("hat")
    (tmp_path / FILE_NAME).write_text(json.dumps({"version": 1, "files": {"a.txt": entry}}))
    assert Manifest(tmp_path).state("a.txt") is state


def test_a_log_that_is_a_link_is_not_written_through(manifest: Manifest, tmp_path: Path) -> None:
    other = tmp_path / "profile"
    other.write_text("mine")
    (manifest.folder / LOG_NAME).symlink_to(other)
    announce(manifest, "hat", "caption 1")
    manifest.close()
    assert other.read_text() == "mine"


def test_a_file_is_known_by_its_recipe(manifest: Manifest) -> None:
    file = write(manifest, "hat")
    assert manifest.has(A, "caption 1")
    assert not manifest.has(A, "caption 2")
    assert not manifest.has("b", "caption 1")
    assert manifest.content(A, "caption 1") == content_hash(file)
    assert manifest.content(A, "caption 2") == manifest.content("b", "caption 1") == ""
    assert (manifest.recipe(A), manifest.recipe("b")) == ("caption 1", "")


def test_an_entry_of_a_file_that_is_gone_matches_no_file(tmp_path: Path) -> None:
    entry = entry_of(tmp_path / "gone", "r", b"hat")
    assert (entry.recipe, entry.size, entry.mtime_ns) == ("r", 0, 0)


def test_saving_keeps_everything_and_writes_only_what_is_new(manifest: Manifest) -> None:
    write(manifest, "hat")
    manifest.finish(SNAPSHOT)
    manifest.save()
    file = manifest.folder / FILE_NAME
    assert json.loads(file.read_text("utf-8"))["version"] == 1
    again = Manifest(manifest.folder)
    assert (again.names(), again.hashes()) == (manifest.names(), manifest.hashes())
    assert again.state(A) is FileState.OURS
    assert again.snapshot == SNAPSHOT

    file.unlink()
    for unchanged in (manifest, again):
        unchanged.save()
    assert not file.exists()
    again.finish(Snapshot())  # another snapshot of the same files
    again.save()
    assert Manifest(manifest.folder).snapshot == Snapshot()
    manifest.record("b", ManifestEntry("r", 1, 1, "c"))
    manifest.save()
    assert Manifest(manifest.folder).names() == [A, "b"]


def test_no_manifest_is_made_for_no_files(manifest: Manifest) -> None:
    assert manifest.names() == []
    manifest.save()
    assert list(manifest.folder.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "1",
        '{"files": {}}',
        '{"version": "1", "files": {"a": ["r", 1, 2, "c"]}, "made_of": {}}',
        '{"version": 1}',
        '{"version": 1, "files": [], "made_of": []}',
        '{"version": 1, "files": {"a": 1}, "made_of": 1}',
        '{"version": 1, "files": {"a": ["r", 1, 2, "c", 3]}, "made_of": {"images": 1}}',
    ],
)
def test_a_damaged_manifest_knows_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    damaged = Manifest(tmp_path)
    assert damaged.names() == []
    assert damaged.snapshot is None
    (tmp_path / FILE_NAME).write_bytes(b"\xff")
    assert Manifest(tmp_path).names() == []


def test_damage_in_one_half_does_not_cost_the_other(manifest: Manifest) -> None:
    write(manifest, "hat")
    manifest.finish(SNAPSHOT)
    manifest.save()
    file = manifest.folder / FILE_NAME
    data = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({**data, "made_of": None}))
    assert Manifest(manifest.folder).names() == [A]
    file.write_text(json.dumps({**data, "files": None}))
    assert Manifest(manifest.folder).snapshot == SNAPSHOT


def test_a_manifest_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text('{"version": 2, "files": {}}')
    with pytest.raises(UserError, match="newer version of shikomi"):
        Manifest(tmp_path)
