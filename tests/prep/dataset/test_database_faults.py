import os
import random
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from prep import events
from prep.cli.recovery import with_sound_cache
from prep.dataset.database_faults import CacheDamagedError, explain
from prep.dataset.index import Index
from prep.errors import RetryError, UserError
from prep.ops import edit, scan
from prep.ops.edit import EditOptions
from prep.project import Project
from tests.conftest import MakeImage

PAGE = 4096


def using(project: Project, *statements: str) -> None:
    with Index(project) as index:
        for statement in statements:
            index.connection.execute(statement).fetchall()
            index.connection.commit()


def failing(project: Project, error: Exception) -> None:
    with Index(project):
        raise error


def finished(found: Iterable[events.Event]) -> list[events.Event]:
    return [event for event in found if isinstance(event, events.Finished)]


@pytest.fixture
def full(project: Project, make_image: MakeImage) -> Project:
    """Return a project with so many captions that the index has some dozen pages."""
    for number in range(40):
        make_image(f"10_mochi/{number}.png", number, (64, 64), f"bear, hat, tag {number}")
    list(scan.run(project))
    with Index(project) as index:
        index.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return project


def damage(file: Path, *, seed: int, share: int = 4) -> None:
    """Overwrite one in ``share`` pages, but not the first, with noise."""
    rng = random.Random(seed)
    data = bytearray(file.read_bytes())
    pages = range(1, len(data) // PAGE)
    for page in rng.sample(pages, len(pages) // share):
        data[page * PAGE : (page + 1) * PAGE] = rng.randbytes(PAGE)
    file.write_bytes(bytes(data))


def look(project: Project) -> Iterator[events.Event]:
    with Index(project) as index:
        rows = index.connection.execute("SELECT path, caption FROM images ORDER BY path").fetchall()
        yield events.Finished({"rows": [tuple(row) for row in rows]})


def test_a_damaged_cache_is_made_anew_while_a_verb_runs(full: Project) -> None:
    whole = finished(look(full))
    sound = (full.state / "cache.db").read_bytes()

    def work(project: Project) -> Iterator[events.Event]:
        yield from (e for e in scan.run(project) if isinstance(e, events.Progress))
        yield from look(project)

    told = 0
    for seed in range(12):
        (full.state / "cache.db").write_bytes(sound)
        damage(full.state / "cache.db", seed=seed)
        found = list(with_sound_cache(full, work))
        assert finished(found) == whole
        warnings = [e.message for e in found if isinstance(e, events.Warned)]
        assert all("cache.db was damaged" in message for message in warnings)
        told += len(warnings)
        with Index(full) as index:
            index.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    # Some damage is noticed on opening, and nothing has to be started again.
    assert told


def test_what_has_changed_something_is_not_repeated(full: Project) -> None:
    captions = full.dataset / "10_mochi"

    def work(project: Project) -> Iterator[events.Event]:
        yield from edit.run(project, EditOptions(replace={"bear": "bear x"}))
        raise CacheDamagedError("damaged")

    with pytest.raises(CacheDamagedError):
        list(with_sound_cache(full, work))
    assert (captions / "0.txt").read_text() == "bear x, hat, tag 0"


def test_text_that_is_not_utf8_is_damage(full: Project) -> None:
    using(full, "UPDATE images SET caption = CAST(x'ff' AS TEXT) WHERE id = 1")
    with pytest.raises(CacheDamagedError):
        using(full, "SELECT caption FROM images")
    assert not (full.state / "cache.db").exists()


def test_a_damaged_journal_is_kept_and_named(full: Project) -> None:
    list(edit.run(full, EditOptions(add=("hat 2",))))
    using(full, "PRAGMA work.wal_checkpoint(TRUNCATE)")
    file = full.state / "work.db"
    damage(file, seed=1, share=2)
    before = file.read_bytes()
    with pytest.raises(UserError, match=r"work\.db") as fault:
        failing(full, ValueError("whatever fails because of it"))
    assert "backup" in fault.value.hint
    assert file.read_bytes() == before
    assert (full.state / "cache.db").exists()


def test_errors_of_others_are_not_explained(full: Project) -> None:
    for error in (ZeroDivisionError("x"), UserError("mine"), FileNotFoundError(2, "gone")):
        with pytest.raises(type(error)) as fault:
            failing(full, error)
        assert fault.value is error
    assert (full.state / "cache.db").exists()


def test_a_full_disk_is_called_so(full: Project) -> None:
    with pytest.raises(UserError, match="disk is full") as fault:
        using(
            full,
            "PRAGMA max_page_count = 1",  # SQLite takes the present number, which is more
            "CREATE TABLE filler AS SELECT randomblob(1000000)",
        )
    assert str(full.state) in fault.value.message
    assert "Free some space" in fault.value.hint


def test_a_busy_database_can_be_tried_again(full: Project) -> None:
    with Index(full) as holder:
        holder.connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(RetryError, match="Another process"):
            using(full, "PRAGMA busy_timeout = 0", "BEGIN IMMEDIATE")


def test_the_primary_code_counts(tmp_path: Path) -> None:
    error = sqlite3.OperationalError("attempt to write")
    error.sqlite_errorcode = sqlite3.SQLITE_READONLY_DBMOVED
    fault = explain(error, tmp_path)
    assert fault is not None
    assert "writable" in fault.hint


@pytest.mark.parametrize("name", ["cache.db", "work.db"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_a_database_that_is_no_file_is_named(project: Project, name: str, kind: str) -> None:
    file = project.state / name
    file.parent.mkdir(exist_ok=True)
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    else:
        file.symlink_to("/dev/zero")
    with pytest.raises(UserError) as no:
        Index(project)
    assert str(file) in no.value.message
