"""The tables of ``cache.db``: one declaration, and what outlives a change of it."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from prep.captioner.store import DescriptionStore
from prep.curation.duplicates import hash_store, overlaps, patches, similarity
from prep.curation.duplicates.compared import ComparisonStore, ContentPair, OverlapStore
from prep.curation.duplicates.comparison import Comparison
from prep.curation.duplicates.overlaps import Overlap, OverlapBox
from prep.dataset import cache_tables
from prep.dataset.index import Index, ScannedImage
from prep.dataset.values import duplicates, quality_values, transparency_values
from prep.dataset.values.transparency_values import Transparency
from prep.errors import ConfigError
from prep.images.quality.kinds import KINDS
from prep.images.quality.thresholds import Measure
from prep.project import Project
from prep.project.creation import initialise
from prep.tagging.models.tables import GENERAL, TagTable
from prep.tagging.scores import taggers
from prep.tagging.scores.store import ScoreStore
from tests.conftest import MakeImage

FINGERPRINT = (7, "2437fbddb323aba7")
"""Caches in the field have the form of their version: a new form needs a new version."""

VERSION_3 = """
CREATE TABLE images(
    id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, folder TEXT NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    width INTEGER NOT NULL DEFAULT 0, height INTEGER NOT NULL DEFAULT 0,
    format TEXT NOT NULL DEFAULT '', orientation INTEGER NOT NULL DEFAULT 1,
    alpha INTEGER NOT NULL DEFAULT 0, frames INTEGER NOT NULL DEFAULT 1,
    mask INTEGER NOT NULL DEFAULT 0, error TEXT, faulty INTEGER NOT NULL DEFAULT 0, content TEXT,
    captioned INTEGER NOT NULL DEFAULT 0, tag_count INTEGER NOT NULL DEFAULT 0,
    more INTEGER NOT NULL DEFAULT 0, tags BLOB NOT NULL DEFAULT x'', caption_hash TEXT,
    caption_size INTEGER, caption_mtime_ns INTEGER, caption_error TEXT, caption TEXT);
CREATE INDEX images_folder ON images(folder);
CREATE INDEX images_facts ON images(width, height, folder, size, format, orientation, alpha,
    frames, mask, faulty, captioned, tag_count, more);
CREATE INDEX images_content ON images(content) WHERE content IS NOT NULL;
CREATE INDEX images_caption_hash ON images(caption_hash) WHERE caption_hash IS NOT NULL;
CREATE TABLE tags(id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
    count INTEGER NOT NULL DEFAULT 0, sentence INTEGER NOT NULL DEFAULT 0);
CREATE TABLE image_tags(
    tag INTEGER NOT NULL, image INTEGER NOT NULL, PRIMARY KEY(tag, image)) WITHOUT ROWID;
CREATE TABLE taggers(id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, tags TEXT NOT NULL);
CREATE TABLE scores(tagger INTEGER NOT NULL, content TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY(tagger, content)) WITHOUT ROWID;
CREATE TABLE scored(id INTEGER PRIMARY KEY, tagger INTEGER NOT NULL, content TEXT NOT NULL);
CREATE INDEX scored_tagger ON scored(tagger, id);
CREATE TRIGGER scores_are_noted AFTER INSERT ON scores BEGIN
    INSERT INTO scored(tagger, content) VALUES(new.tagger, new.content); END;
"""
MADE_LATER = """
CREATE TABLE looks(id INTEGER PRIMARY KEY, content TEXT NOT NULL UNIQUE, upright INTEGER NOT NULL,
    mirrored INTEGER NOT NULL, flipped INTEGER NOT NULL, turned INTEGER NOT NULL,
    sharpness REAL NOT NULL);
CREATE TABLE small_pictures(content TEXT PRIMARY KEY, picture BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE pixels(content TEXT PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE compared_1(first TEXT NOT NULL, second TEXT NOT NULL, turn INTEGER NOT NULL,
    difference REAL NOT NULL, area REAL NOT NULL, overlay INTEGER NOT NULL,
    recoloured INTEGER NOT NULL, PRIMARY KEY(first, second, turn)) WITHOUT ROWID;
CREATE TABLE overlaps_1_1(first TEXT NOT NULL, second TEXT NOT NULL, boxes BLOB NOT NULL,
    PRIMARY KEY(first, second)) WITHOUT ROWID;
CREATE TABLE marks_384_64(content TEXT PRIMARY KEY, patches BLOB NOT NULL, tiny BLOB NOT NULL)
    WITHOUT ROWID;
CREATE TABLE dupes(path TEXT, reason TEXT, keep TEXT);
CREATE TABLE quality_values(content TEXT NOT NULL, cut TEXT NOT NULL, blur REAL NOT NULL,
    blocks REAL NOT NULL, noise REAL NOT NULL, dark REAL NOT NULL, flat REAL NOT NULL,
    clipped REAL NOT NULL, upscale REAL NOT NULL, borders REAL NOT NULL, text REAL NOT NULL,
    alpha REAL NOT NULL, PRIMARY KEY(content, cut)) WITHOUT ROWID;
CREATE TABLE transparency(content TEXT PRIMARY KEY, share REAL NOT NULL, grey REAL NOT NULL)
    WITHOUT ROWID;
CREATE TABLE tokens(text_hash TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE fits(settings TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
    bucket_width INTEGER NOT NULL, bucket_height INTEGER NOT NULL, scale REAL NOT NULL,
    PRIMARY KEY(settings, width, height)) WITHOUT ROWID;
CREATE TABLE descriptions(content TEXT NOT NULL, asked TEXT NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY(content, asked)) WITHOUT ROWID;
CREATE TABLE tagger_names(key TEXT PRIMARY KEY, name TEXT NOT NULL, model TEXT NOT NULL,
    general REAL, character REAL, used REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE score_tops(tagger INTEGER NOT NULL, content TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY(tagger, content)) WITHOUT ROWID;
CREATE TABLE score_values(key TEXT NOT NULL, content TEXT NOT NULL, value REAL NOT NULL,
    PRIMARY KEY(key, content)) WITHOUT ROWID;
CREATE INDEX score_values_value ON score_values(key, value);
CREATE TABLE score_columns(tagger INTEGER NOT NULL, key TEXT NOT NULL, seen INTEGER NOT NULL,
    PRIMARY KEY(tagger, key)) WITHOUT ROWID;
"""
ROWS = """
INSERT INTO images(id, path, folder, size, mtime_ns, content) VALUES(5, 'a.png', '.', 1, 1, 'a');
INSERT INTO looks VALUES(7, 'a', -1, 2, 3, 4, 0.5);
INSERT INTO small_pictures VALUES('a', x'00');
INSERT INTO pixels VALUES('a', 'digest');
INSERT INTO compared_1 VALUES('a', 'b', 0, 0.25, 0.5, 0, 1);
INSERT INTO overlaps_1_1 VALUES('a', 'b', x'');
INSERT INTO marks_384_64 VALUES('a', zeroblob(44), zeroblob(4096));
INSERT INTO quality_values VALUES('a', 'cut', 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
INSERT INTO transparency VALUES('a', 0.5, 7);
INSERT INTO descriptions VALUES('a', 'what', 'a bear');
INSERT INTO taggers(key, tags) VALUES('key', '[["smile", 0]]');
INSERT INTO tagger_names VALUES('key', 'named', 'model', 0.3, NULL, 1.0);
INSERT INTO scores VALUES(1, 'a', x'003c');
"""
PAIR = ContentPair("a", "b", 0)


def older(project: Project, script: str, version: int) -> None:
    """Make the cache that a project has from an older version."""
    project.state.mkdir(exist_ok=True)
    with closing(sqlite3.connect(project.state / "cache.db")) as connection:
        connection.executescript(f"{script}; PRAGMA user_version={version}")


def columns(connection: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    """Return (name, type, not null, place in the key) of the columns of each table."""
    tables = connection.execute("SELECT name FROM main.sqlite_schema WHERE type='table'").fetchall()
    info = 'SELECT name, type, "notnull", pk FROM pragma_table_info(?)'
    return {name: connection.execute(info, (name,)).fetchall() for (name,) in tables}


def schema(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """Return kind and name of whatever a cache has."""
    return set(connection.execute("SELECT type, name FROM main.sqlite_schema").fetchall())


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Index]:
    with Index(initialise(tmp_path / "fresh")) as index:
        yield index


def test_another_declaration_is_another_version() -> None:
    text = cache_tables.INDEX + cache_tables.COMPUTED + cache_tables.TRIGGER
    digest = hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:16]
    assert (cache_tables.SCHEMA_VERSION, digest) == FINGERPRINT


def test_each_measure_of_quality_has_its_column(fresh: Index) -> None:
    declared = [name for name, *_ in columns(fresh.connection)["quality_values"]]
    assert declared == ["content", "cut", *get_args(Measure)]
    values = {name: float(n) for n, name in enumerate(KINDS)}
    quality_values.save(fresh.connection, [(("a", "cut"), values)])
    assert quality_values.known(fresh.connection, [("a", "cut")]) == {("a", "cut"): values}


def test_what_was_computed_outlives_version_3(project: Project, fresh: Index) -> None:
    older(project, VERSION_3 + MADE_LATER + ROWS, 3)
    with Index(project) as index:
        assert columns(index.connection) == columns(fresh.connection)
        assert schema(index.connection) == schema(fresh.connection)
        assert index.count() == 0
        index.put([ScannedImage("a.png", ".", 1, 1, 9, 9, "PNG")])
        index.put_contents([("a.png", "a")])
        row = index.get("a.png")
        assert row is not None
        assert hash_store.pixel_digest(index, row) == "digest"
        assert not list(hash_store.make_thumbnails(index, [row]))
        assert len(patches.read(index, [row])[0].patches) == 1
        assert not list(patches.make(index, [row]))
        assert quality_values.known(index.connection, [("a", "cut")])["a", "cut"]["alpha"] == 10
        assert transparency_values.known(index.connection) == {"a": Transparency(0.5, 7.0)}
        assert DescriptionStore(index).get("a", "what") == "a bear"
        (tagger,) = taggers.stored(index)
        assert (tagger.name, tagger.images, tagger.general) == ("named", 1, 0.3)
        assert tagger.store(index).load(["a"]).tolist() == [[1.0]]
        assert list(index.ids("score:smile>0.9 dup:no")) == [row.id]
        tagger.store(index).put([("b", np.ones(1, np.float32))])
        assert tagger.store(index).known() == {"a", "b"}


@pytest.mark.parametrize("version", [1, 2])
def test_the_index_of_a_former_version_is_built_anew(project: Project, version: int) -> None:
    hashes = "CREATE TABLE hashes(content TEXT); INSERT INTO tags VALUES(1, 'a', 'a', 9, 0);"
    older(project, f"{VERSION_3}{MADE_LATER}{ROWS}{hashes}DROP TABLE scored", version)
    with Index(project) as index:
        assert index.count() == 0
        assert index.tag_counts() == []
        assert "hashes" not in columns(index.connection)
        assert ComparisonStore(index).get(PAIR) is None
        index.put([ScannedImage("a.png", ".", 1, 1, 9, 9, "PNG")])
        index.put_contents([("a.png", "a")])
        assert len(index.ids("score:smile>0.9")) == 1


def test_a_cache_in_which_no_operation_ran_is_carried_over(project: Project, fresh: Index) -> None:
    older(project, VERSION_3, 3)
    with Index(project) as index:
        assert columns(index.connection) == columns(fresh.connection)
        assert schema(index.connection) == schema(fresh.connection)


def test_that_duplicates_were_looked_for_is_not_forgotten(project: Project, fresh: Index) -> None:
    with pytest.raises(ConfigError, match="duplicates have not been searched yet"):
        fresh.ids("dup:kept")
    duplicates.save(fresh.connection, [])
    assert list(fresh.ids("dup:kept")) == []
    older(project, VERSION_3 + MADE_LATER, 3)  # its table of them is empty
    with Index(project) as index:
        assert list(index.ids("dup:kept")) == []


TABLES = [
    *sorted({former.now for former in cache_tables.FORMER_TABLES}),
    "images",
    "tags",
    "image_tags",
    "quality_values",
    "taggers",
    "scores",
    "scored",
    "score_tops",
    "score_values",
    "score_columns",
]


@pytest.mark.parametrize("table", TABLES)
def test_a_table_of_another_form_is_made_anew(project: Project, fresh: Index, table: str) -> None:
    row = ScannedImage("a.png", ".", 1, 1, 9, 9, "PNG")
    with Index(project) as index:
        index.put([row])
        index.put_contents([("a.png", "a")])
        ScoreStore(index, "key", TagTable(("smile",), (GENERAL,))).put([("a", np.ones(1))])
        duplicates.save(index.connection, [("a.png", "near", "a.png")])
        assert len(index.ids("score:smile>0.9 dup:kept")) == 1
    older(project, f"ALTER TABLE {table} ADD COLUMN more_of_it TEXT", 3)
    with Index(project) as index:
        assert columns(index.connection) == columns(fresh.connection)
        assert schema(index.connection) == schema(fresh.connection)
        count = index.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        assert count == (1 if table == "scored" else 0)  # scores are counted again
        assert index.count() == 0
        index.put([row])
        index.put_contents([("a.png", "a")])
        if table in ("taggers", "scores"):
            with pytest.raises(ConfigError, match="no image has been tagged"):
                index.ids("score:smile>0.9")
        else:
            assert len(index.ids("score:smile>0.9")) == 1
        assert duplicates.searched(index.connection) == (table != "duplicates")


def test_an_open_cache_is_left_as_it_is(project: Project) -> None:
    with Index(project) as index:
        before = index.connection.execute("PRAGMA main.schema_version").fetchone()
    with Index(project) as index:
        assert index.connection.execute("PRAGMA main.schema_version").fetchone() == before
        assert index.connection.total_changes == 0


def test_what_other_versions_compared_is_not_read(
    fresh: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    overlap = Overlap(OverlapBox(0, 0, 1, 1), OverlapBox(0, 0, 0.5, 0.5))
    asked = {"it": ("a", "b")}
    store = ComparisonStore(fresh)
    store.put(PAIR, Comparison(0.25, 0.5))
    store.save()
    OverlapStore(fresh).put([("a", "b", overlap)])
    assert ComparisonStore(fresh).get(PAIR) == Comparison(0.25, 0.5)
    assert OverlapStore(fresh).of(asked) == {"it": overlap}
    with monkeypatch.context() as patched:
        patched.setattr(overlaps, "VERSION", overlaps.VERSION + 1)
        assert ComparisonStore(fresh).get(PAIR) == Comparison(0.25, 0.5)
        assert OverlapStore(fresh).of(asked) == {}
    monkeypatch.setattr(similarity, "VERSION", similarity.VERSION + 1)
    assert ComparisonStore(fresh).get(PAIR) is None
    assert OverlapStore(fresh).of(asked) == {}
    store = ComparisonStore(fresh)
    store.put(PAIR, Comparison(0.75, 1.0))
    store.save()
    OverlapStore(fresh).put([("a", "b", None)])
    assert ComparisonStore(fresh).get(PAIR) == Comparison(0.75, 1.0)
    assert OverlapStore(fresh).of(asked) == {"it": None}


@pytest.mark.parametrize(("name", "value"), [("SIDE", 200), ("TINY", 32)])
def test_patches_of_other_sizes_are_found_again(
    project: Project,
    make_image: MakeImage,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: int,
) -> None:
    make_image("10_mochi/a.png", 1, (256, 256))
    with Index(project) as index:
        path = "dataset/10_mochi/a.png"
        index.put([ScannedImage(path, "10_mochi", 1, 1, 256, 256, "PNG")])
        index.put_contents([(path, "a")])
        rows = index.usable()
        list(patches.make(index, rows))
        (before,) = patches.read(index, rows)
        assert len(before.patches)
        monkeypatch.setattr(patches, name, value)
        (unknown,) = patches.read(index, rows)
        assert len(unknown.patches) == 0
        list(patches.make(index, rows))
        (after,) = patches.read(index, rows)
        assert len(after.patches)
        assert after.tiny.shape == (patches.TINY, patches.TINY)
        monkeypatch.undo()
        assert index.connection.execute("SELECT count(*) FROM patches").fetchone() == (1,)
        assert len(patches.read(index, rows)[0].patches) == 0
