"""All tables of ``cache.db``: their declarations, and the migration of older versions.

No other module creates any. A change of a declaration must raise ``SCHEMA_VERSION``; tables whose
columns have changed are then recreated, all others are kept (see ``cache_db``).

Rows from an algorithm with its own version have it in the column ``version``: rows of
other versions are never read, and replaced as soon as there are new ones.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

SCHEMA_VERSION = 7
INDEX_VERSION = 5
"""The version since which the tables of ``INDEX`` have their current meaning."""

INDEX = """
CREATE TABLE IF NOT EXISTS images(
    id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, natural TEXT NOT NULL,
    folder TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    width INTEGER NOT NULL DEFAULT 0, height INTEGER NOT NULL DEFAULT 0,
    format TEXT NOT NULL DEFAULT '', orientation INTEGER NOT NULL DEFAULT 1,
    alpha INTEGER NOT NULL DEFAULT 0, frames INTEGER NOT NULL DEFAULT 1,
    mask INTEGER NOT NULL DEFAULT 0, profile INTEGER NOT NULL DEFAULT 0,
    error TEXT, faulty INTEGER NOT NULL DEFAULT 0, content TEXT,
    captioned INTEGER NOT NULL DEFAULT 0, tag_count INTEGER NOT NULL DEFAULT 0,
    more INTEGER NOT NULL DEFAULT 0, tags BLOB NOT NULL DEFAULT x'', caption_hash TEXT,
    caption_size INTEGER, caption_mtime_ns INTEGER, caption_error TEXT, caption TEXT);
CREATE INDEX IF NOT EXISTS images_natural ON images(natural, path);
CREATE INDEX IF NOT EXISTS images_folder ON images(folder);
CREATE INDEX IF NOT EXISTS images_facts ON images(width, height, folder, size, format, orientation,
    alpha, frames, mask, faulty, captioned, tag_count, more);
CREATE INDEX IF NOT EXISTS images_content ON images(content) WHERE content IS NOT NULL;
CREATE INDEX IF NOT EXISTS images_caption_hash ON images(caption_hash)
    WHERE caption_hash IS NOT NULL;
CREATE TABLE IF NOT EXISTS tags(id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL, count INTEGER NOT NULL DEFAULT 0, sentence INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS image_tags(
    tag INTEGER NOT NULL, image INTEGER NOT NULL, PRIMARY KEY(tag, image)) WITHOUT ROWID;
"""
"""The results of a scan; another scan recreates them."""
INDEX_TABLES = ("images", "tags", "image_tags")

COMPUTED = """
CREATE TABLE IF NOT EXISTS perceptual_hashes(
    id INTEGER PRIMARY KEY, content TEXT NOT NULL UNIQUE, upright INTEGER NOT NULL,
    mirrored INTEGER NOT NULL, flipped INTEGER NOT NULL, turned INTEGER NOT NULL,
    middle INTEGER NOT NULL, middle_mirrored INTEGER NOT NULL, middle_flipped INTEGER NOT NULL,
    middle_turned INTEGER NOT NULL, clean_detail REAL NOT NULL);
CREATE TABLE IF NOT EXISTS other_hashes(
    content TEXT NOT NULL, kind TEXT NOT NULL, hashes BLOB NOT NULL, PRIMARY KEY(content, kind)
    ) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS thumbnails(
    content TEXT PRIMARY KEY, picture BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pixel_digests(
    content TEXT PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS comparisons(
    first TEXT NOT NULL, second TEXT NOT NULL, turn INTEGER NOT NULL, difference REAL NOT NULL,
    area REAL NOT NULL, overlay INTEGER NOT NULL, recoloured INTEGER NOT NULL,
    uncertain INTEGER NOT NULL, version TEXT NOT NULL, PRIMARY KEY(first, second, turn)
    ) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS overlaps(
    first TEXT NOT NULL, second TEXT NOT NULL, boxes BLOB NOT NULL, version TEXT NOT NULL,
    PRIMARY KEY(first, second)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS patches(
    content TEXT PRIMARY KEY, patches BLOB NOT NULL, tiny BLOB NOT NULL, version TEXT NOT NULL
    ) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS patches_version ON patches(version);
CREATE TABLE IF NOT EXISTS duplicates(path TEXT, reason TEXT, keep TEXT);
CREATE TABLE IF NOT EXISTS finished(operation TEXT PRIMARY KEY) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS quality_values(
    content TEXT NOT NULL, cut TEXT NOT NULL, blur REAL NOT NULL, blocks REAL NOT NULL,
    noise REAL NOT NULL, dark REAL NOT NULL, flat REAL NOT NULL, clipped REAL NOT NULL,
    upscale REAL NOT NULL, borders REAL NOT NULL, text REAL NOT NULL, alpha REAL NOT NULL,
    PRIMARY KEY(content, cut)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS transparency(
    content TEXT PRIMARY KEY, share REAL NOT NULL, grey REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS detectors(
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, model TEXT NOT NULL, threshold REAL NOT NULL,
    used REAL NOT NULL);
CREATE TABLE IF NOT EXISTS heads(
    detector INTEGER NOT NULL, content TEXT NOT NULL, heads BLOB NOT NULL,
    PRIMARY KEY(detector, content)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tokens(
    text_hash TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fits(
    settings TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
    bucket_width INTEGER NOT NULL, bucket_height INTEGER NOT NULL, scale REAL NOT NULL,
    PRIMARY KEY(settings, width, height)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS descriptions(
    content TEXT NOT NULL, asked TEXT NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY(content, asked)) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS taggers(
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, tags TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tagger_names(
    key TEXT PRIMARY KEY, name TEXT NOT NULL, model TEXT NOT NULL, general REAL, character REAL,
    used REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tagger_thresholds(
    key TEXT PRIMARY KEY, more TEXT NOT NULL, columns BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS embeddings(
    tagger INTEGER NOT NULL, content TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY(tagger, content)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS scores(
    tagger INTEGER NOT NULL, content TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY(tagger, content)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS score_tops(
    tagger INTEGER NOT NULL, content TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY(tagger, content)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS scored(
    id INTEGER PRIMARY KEY, tagger INTEGER NOT NULL, content TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS scored_tagger ON scored(tagger, id);
CREATE TABLE IF NOT EXISTS score_values(
    key TEXT NOT NULL, content TEXT NOT NULL, value REAL NOT NULL,
    PRIMARY KEY(key, content)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS score_values_value ON score_values(key, value);
CREATE TABLE IF NOT EXISTS score_columns(
    tagger INTEGER NOT NULL, key TEXT NOT NULL, seen INTEGER NOT NULL,
    PRIMARY KEY(tagger, key)) WITHOUT ROWID;
"""
"""Results of operations on contents and texts, whatever the paths. ``finished`` names operations
whose result may be empty, to distinguish that from not having run. The index
``patches_version`` exists because a version behind two blobs is slow to read."""

TRIGGER = """CREATE TRIGGER IF NOT EXISTS scores_are_noted AFTER INSERT ON scores BEGIN
    INSERT INTO scored(tagger, content) VALUES(new.tagger, new.content); END"""
"""``scored`` numbers the scores in order of arrival, so that new ones are found quickly."""


class FormerTable(NamedTuple):
    """A table of an older version that is kept under another name.

    Attributes:
        name: Its old name.
        now: Its current name.
        version: Value of the column ``version``, if it used to be in the name.
    """

    name: str
    now: str
    version: str = ""


FORMER_TABLES = (
    FormerTable("small_pictures", "thumbnails"),
    FormerTable("pixels", "pixel_digests"),
    FormerTable("marks_384_64", "patches", "384 64"),
    FormerTable("dupes", "duplicates"),
)
"""Tables up to version 3."""
DROPPED_TABLES = ("hashes", "looks", "compared_1", "overlaps_1_1")
"""Tables up to version 3 whose contents are computed in another way now."""

_OF_SCORES = ("scores", "scored", "score_tops", "score_values", "score_columns", "embeddings")
DEPENDENT_TABLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys(INDEX_TABLES, INDEX_TABLES),
        **dict.fromkeys(("taggers", "scores"), _OF_SCORES),
        "score_values": ("score_columns",),
        "score_columns": ("score_values",),
        "detectors": ("heads",),
        "duplicates": ("finished",),
    }
)
"""Table -> tables that are outdated once it has been recreated."""
