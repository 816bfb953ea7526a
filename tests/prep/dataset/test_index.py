import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from prep.curation.duplicates import hash_store
from prep.dataset import work_db
from prep.dataset.index import Index, ScannedCaption, ScannedImage
from prep.errors import UserError
from prep.ops import scan
from prep.project import Project
from tests.conftest import MakeImage


@pytest.fixture
def library(project: Project, make_image: MakeImage) -> Project:
    make_image("10_mochi/a.png", 1, caption="mochi, Hat, hat")
    make_image("10_mochi/b.png", 2, caption="mochi, smile")
    make_image("10_mochi/c.png", 3)
    list(scan.run(project))
    return project


def test_rows_come_in_the_order_asked_for(library: Project) -> None:
    with Index(library) as index:
        first, second, third = index.ids()
        rows = index.rows([third, 999, first])
        assert [row.id for row in rows] == [third, first]
        assert [row.path for row in rows] == ["dataset/10_mochi/c.png", "dataset/10_mochi/a.png"]
        assert index.rows([]) == []
        many = [first, second, third] * 400
        assert [row.id for row in index.rows(many)] == many


def test_tags_are_counted_once_per_image_in_any_spelling(library: Project) -> None:
    with Index(library) as index:
        assert index.tag_counts() == [("mochi", 2), ("Hat", 1), ("smile", 1)]
        assert index.tag_counts("smile") == [("mochi", 1), ("smile", 1)]
        index.put_captions([ScannedCaption("dataset/10_mochi/a.png", "x", 1, 1)])
        assert index.tag_counts("x") == [("x", 1)]
        index.put_captions([ScannedCaption("not/indexed.png", "x", 1, 1)])
        assert index.tag_counts("x") == [("x", 1)]


def test_what_is_removed_leaves_no_tags(library: Project) -> None:
    with Index(library) as index:
        index.remove(["dataset/10_mochi/a.png"])
        assert index.count() == 2
        assert index.tag_counts("-smile") == []


def test_sizes_are_counted_without_what_is_excluded(library: Project) -> None:
    a, b, c = (f"dataset/10_mochi/{name}.png" for name in "abc")
    with Index(library) as index:
        assert list(index.sizes()) == [(96, 64, False, 3, 2)]
        index.put_captions([ScannedCaption(b, " ,\n", 1, 1)])
        index.put_error(c, "broken")
        assert sorted(index.sizes()) == [(96, 64, False, 2, 1), (96, 64, True, 1, 0)]
        with index.connection:
            index.connection.execute("INSERT INTO work.exclusions VALUES(?, 'by hand')", (a,))
        assert sorted(index.sizes()) == [(96, 64, False, 1, 0), (96, 64, True, 1, 0)]


def test_a_changed_file_is_to_be_hashed_again(library: Project) -> None:
    path = "dataset/10_mochi/a.png"
    with Index(library) as index:
        index.put_contents([(path, "abc")])
        index.put_error(path, "broken")
        row = index.get(path)
        assert row is not None
        assert (row.content, row.error, row.usable) == ("abc", "broken", False)
        index.put([ScannedImage(path, "10_mochi", 1, 2, 30, 40, "PNG")])
        row = index.get(path)
        assert row is not None
        assert (row.content, row.error, row.width, row.tags) == (
            None,
            None,
            30,
            ["mochi", "Hat", "hat"],
        )


def test_an_outdated_cache_is_made_again_and_work_is_kept(library: Project) -> None:
    with Index(library) as index, index.connection:
        index.connection.execute("INSERT INTO work.exclusions VALUES('x', 'by hand')")
        index.connection.execute("PRAGMA main.user_version = 999")
    with Index(library) as index:
        assert index.count() == 0
        assert index.connection.execute("SELECT * FROM exclusions").fetchall() == [("x", "by hand")]


def test_hashes_and_scores_outlive_a_new_form_of_the_index(library: Project) -> None:
    with Index(library) as index, index.connection:
        execute = index.connection.execute
        assert hash_store.phashes(index) == {}
        execute("INSERT INTO perceptual_hashes VALUES(7, 'abc', -1, 2, 3, 4, 5, 6, 7, 8, 0.5)")
        execute("INSERT INTO taggers(key, tags) VALUES('t', '[[\"smile\", 0]]')")
        execute("INSERT INTO scores VALUES(1, 'abc', x'003c')")
        execute("DROP TABLE scored")
        execute("DROP TRIGGER scores_are_noted")
        execute("PRAGMA main.user_version = 1")
    with Index(library) as index:
        assert index.count() == 0
        assert hash_store.phashes(index) == {"abc": 2**64 - 1}
        index.put([ScannedImage("dataset/a.png", ".", 1, 1, 9, 9, "PNG")])
        index.put_contents([("dataset/a.png", "abc")])
        assert len(index.ids("score:smile>0.9")) == 1


def test_counts_of_tags_are_kept_through_all_changes(library: Project) -> None:
    with Index(library) as index:
        a, b = "dataset/10_mochi/a.png", "dataset/10_mochi/b.png"
        index.put_captions(
            [ScannedCaption(a, "smile, bow", 1, 1), ScannedCaption(b, None, None, None)]
        )
        assert index.tag_counts() == [("bow", 1), ("smile", 1)]
        index.put_captions([ScannedCaption(b, "x", 1, 1), ScannedCaption(b, "bow, Bow", 1, 1)])
        assert index.tag_counts() == [("bow", 2), ("smile", 1)]
        index.put_error(b, "broken")
        assert index.tag_counts() == [("bow", 1), ("smile", 1)]
        index.rename(a, b, "10_mochi")
        assert index.tag_counts() == [("bow", 1), ("smile", 1)]
        assert index.tag_counts("bow") == index.tag_counts("name:b.png")
        index.remove([b, "not/there.png"])
        assert index.tag_counts() == []
        total = index.connection.execute("SELECT sum(count) FROM tags").fetchone()
        assert total == (0,)
        assert index.connection.execute("SELECT count(*) FROM image_tags").fetchone() == (0,)


def test_the_order_of_ids_follows_changes(library: Project) -> None:
    with Index(library) as index, Index(library) as other:
        first, second, third = index.ids()
        other.rename("dataset/10_mochi/a.png", "dataset/10_mochi/z.png", "10_mochi")
        assert list(index.ids()) == [second, third, first]
        index.remove(["dataset/10_mochi/z.png"])
        assert list(index.ids()) == [second, third]
        assert index.highest_id() == third
        index.keep_only(bytearray(third + 1))
        assert list(index.ids()) == []


def test_work_of_a_newer_version_is_left_alone(library: Project) -> None:
    file = library.state / "work.db"
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(UserError, match="newer version of shikomi"):
        Index(library)
    assert file.read_bytes() == before


def test_damaged_work_is_never_replaced(library: Project) -> None:
    file = library.state / "work.db"
    for suffix in ("-wal", "-shm"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)
    file.write_bytes(b"not a database" * 100)
    with pytest.raises(UserError, match="is damaged"):
        Index(library)
    assert file.read_bytes().startswith(b"not a database")


def test_many_may_open_a_new_project_at_once(tmp_path: Path) -> None:
    def count(_number: int) -> int:
        with Index(Project.open(tmp_path)) as index:
            return index.count()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(count, range(16))) == [0] * 16


def test_migrations_run_once(tmp_path: Path) -> None:
    for _ in range(2):
        work_db.prepare(tmp_path / "work.db")
    connection = sqlite3.connect(tmp_path / "work.db")
    assert connection.execute("PRAGMA user_version").fetchone()[0] == len(work_db.MIGRATIONS)
    connection.close()


def test_a_state_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / ".shikomi").write_text("a file where the folder should be")
    with pytest.raises(UserError, match="cannot be"):
        Index(Project.open(tmp_path))
