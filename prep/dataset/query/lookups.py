"""Terms evaluated in other tables: exclusions, duplicates, manual edits, buckets, scores.

Each returns a select of ids. An error names missing data, with the command that creates it.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from prep import captions
from prep.dataset.query import fields
from prep.dataset.query.condition import Condition, Context, comparison
from prep.dataset.query.tree import Term
from prep.dataset.values import duplicates
from prep.images.buckets import Buckets
from prep.system.files import text_hash
from prep.system.names import spellings

_BY_PATH = "SELECT j.id AS n FROM {} s CROSS JOIN images j ON j.path = s.path"
_ABOVE = 1 << 40
"""Greater than any id: sorts the row of the current caption first."""
_AMONG = "SELECT value FROM json_each(?)"
_FOLDERS = """WITH RECURSIVE found(folder) AS (
    SELECT min(folder) FROM images UNION ALL
    SELECT (SELECT min(folder) FROM images WHERE folder > found.folder) FROM found
    WHERE found.folder IS NOT NULL) SELECT folder FROM found WHERE folder IS NOT NULL"""
"""Skips from one folder to the next in the SQL index, instead of reading all of it."""
_FORMATS = {"JPG": ("JPEG", "MPO"), "JPEG": ("JPEG", "MPO"), "TIF": ("TIFF",)}


def _folder(term: Term, context: Context) -> Condition:
    del context
    how = "=" if term.literal or "*" not in term.value else "GLOB"
    names = spellings(term.value)
    # The plus keeps SQLite from using images_folder: images_facts covers all tests.
    return Condition(test=f"({' OR '.join([f'+i.folder {how} ?'] * len(names))})", values=names)


def _concept(term: Term, context: Context) -> Condition:
    """Match the name, the trigger word or the folder of a concept."""
    wanted = captions.key(term.value)
    rows = context.connection.execute(_FOLDERS)
    folders = []
    for (folder,) in rows:
        concept = context.project.concept(folder)
        names = {captions.key(name) for name in (folder, concept.name, concept.trigger)}
        if wanted in names or (
            not term.literal and any(name and fnmatchcase(name, wanted) for name in names)
        ):
            folders.append(folder)
    return Condition(test=f"(+i.folder IN ({_AMONG}))", values=(json.dumps(folders),))


def _format(term: Term, context: Context) -> Condition:
    del context
    name = term.value.upper().removeprefix(".")
    wanted = _FORMATS.get(name, (name,))
    return Condition(test=f"(i.format IN ({_AMONG}))", values=(json.dumps(wanted),))


def _excluded(term: Term, context: Context) -> Condition:
    del term, context
    return Condition(select=_BY_PATH.format("work.exclusions"))


def _reviewed(term: Term, context: Context) -> Condition:
    """Match marks that cover the caption as it is now; see ``prep.dataset.journal.reviewed``."""
    del term, context
    return Condition(
        select="SELECT j.id AS n FROM work.decisions d CROSS JOIN images j ON j.path = d.path"
        " WHERE ifnull(j.caption_hash, ?) IN (SELECT value FROM json_each("
        "CASE WHEN json_valid(d.kept) THEN d.kept ELSE '{}' END, '$.reviewed'))",
        values=(text_hash(""),),
    )


def _dup(term: Term, context: Context) -> Condition:
    """Use the groups found last, if stored, and the reasons of exclusions."""
    if term.value == "kept":
        if not duplicates.searched(context.connection):
            raise context.fault(
                term, "duplicates have not been searched yet", "Run: shikomi dupes PROJECT"
            )
        return Condition(
            select=_BY_PATH.format(
                "(SELECT DISTINCT keep AS path FROM duplicates WHERE reason != 'uncertain')"
            )
        )
    reasons = tuple(r for r in fields.REASONS if r not in ("crop", "variant", "uncertain"))
    excluded = "SELECT path FROM work.exclusions WHERE reason GLOB 'duplicate of *'"
    values: tuple[str, ...] = ()
    if term.value != "yes":
        reasons, values = (term.value,), (f"* ({term.value})",)
        excluded += " AND reason GLOB ?"
    others = f"SELECT path FROM duplicates WHERE path != keep AND reason IN ({_AMONG})"
    return Condition(
        select=_BY_PATH.format(f"({excluded} UNION {others})"),
        values=(*values, json.dumps(reasons)),
    )


def _crop(term: Term, context: Context) -> Condition:
    del term, context
    return Condition(select=_BY_PATH.format("work.crops"))


def _hand(term: Term, context: Context) -> Condition:
    """Match the manual edits behind the current caption.

    If a caption has changed since they were recorded, infer them by comparison with the caption of
    the last ones.
    """
    # Imported late: these import the index, which imports filters.
    from prep.captions.layers import ManualEdits, infer_manual_edits
    from prep.project.caption_rules import rules_for

    sign, tag = term.value[0], term.value[1:]
    wanted, rules = captions.key(tag), cache(lambda folder: rules_for(context.project, folder))

    def holds(packed: str | None) -> bool:
        compiled, plus, minus, caption, folder = json.loads(packed or "")
        manual = ManualEdits(*(tuple(json.loads(part)) for part in (compiled, plus, minus)))
        if folder is not None:
            manual = infer_manual_edits(manual, captions.split(caption), rules(folder))
        tags = manual.added if sign == "+" else manual.removed
        return any(captions.key(name) == wanted for name in tags) if tag else bool(tags)

    name = context.function(holds)
    known = "h.text = ifnull(i.caption_hash, '')"
    return Condition(
        select=f"""SELECT i.id AS n FROM (SELECT DISTINCT path FROM work.hand) s
            CROSS JOIN images i ON i.path = s.path
            JOIN work.hand h ON h.id = (SELECT max(
                    k.id + (k.text = ifnull(i.caption_hash, '')) * {_ABOVE}) % {_ABOVE}
                FROM work.hand k WHERE k.path = i.path)
            WHERE CASE WHEN {known} AND h.{"plus" if sign == "+" else "minus"} = '[]' THEN 0
                WHEN i.captioned = 0 AND NOT {known} THEN 0
                ELSE {name}(json_array(h.compiled, h.plus, h.minus, i.caption,
                    CASE WHEN {known} THEN NULL ELSE i.folder END)) END"""
    )


def _tokens(term: Term, context: Context) -> Condition:
    del context  # the index has already counted them
    test, values = comparison("t.count", term)
    return Condition(
        select="SELECT j.id AS n FROM tokens t CROSS JOIN images j"
        f" ON j.caption_hash = t.text_hash WHERE {test}",
        values=values,
    )


def _score(term: Term, context: Context) -> Condition:
    from prep.dataset.values import score_columns  # it needs numpy

    key = captions.key(term.of)
    fault = score_columns.prepare(context.connection, key)
    if fault is not None:
        raise context.fault(term, *fault)
    test, values = comparison("v.value", term)
    return Condition(
        select="SELECT j.id AS n FROM score_values v CROSS JOIN images j"
        f" ON j.content = v.content WHERE v.key = ? AND {test}",
        values=(key, *values),
    )


def _bucket(term: Term, context: Context) -> Condition:
    wanted = fields.size(term.value)
    assert wanted is not None, "the lexer has checked it"
    return _fitting(
        context,
        "f.bucket_width = ? AND f.bucket_height = ?",
        wanted,
        lambda buckets, size: buckets.fit(size).bucket == wanted,
    )


def _upscaled(term: Term, context: Context) -> Condition:
    del term
    return _fitting(context, "f.scale > 1.0", (), lambda buckets, size: buckets.fit(size).upscaled)


def _fitting(
    context: Context, test: str, values: tuple[int, ...], holds: Callable[[Buckets, Any], bool]
) -> Condition:
    """Return the images whose fit passes a test: by size, or by crops for images with crops.

    Args:
        context: Context of the filter.
        test: SQL over ``fits f``.
        values: Its parameters.
        holds: The same test for the size of a crop.
    """
    from prep.images.crops import from_text, rects

    connection, buckets = context.connection, context.project.buckets
    settings = _fits(context)
    cropped = connection.execute(
        "SELECT j.id, j.width, j.height, s.boxes FROM work.crops s"
        " CROSS JOIN images j ON j.path = s.path WHERE j.width > 0"
    ).fetchall()
    chosen = [
        image
        for image, width, height, boxes in cropped
        if any(holds(buckets, rect.size) for rect in rects(from_text(boxes), (width, height)))
    ]
    return Condition(
        select="SELECT j.id AS n FROM fits f CROSS JOIN images j"
        f" ON j.width = f.width AND j.height = f.height WHERE f.settings = ? AND {test}"
        f" AND j.id NOT IN ({_AMONG}) UNION ALL {_AMONG}",
        values=(settings, *values, json.dumps([row[0] for row in cropped]), json.dumps(chosen)),
    )


def _fits(context: Context) -> str:
    """Compute the bucket of every image size; return the name of the bucket settings."""
    connection, buckets = context.connection, context.project.buckets
    settings = "{}x{} {} {} {} {:d}".format(
        *buckets.resolution, buckets.step, buckets.minimum, buckets.maximum, buckets.no_upscale
    )
    with connection:
        missing = connection.execute(
            "SELECT DISTINCT width, height FROM images WHERE width > 0 AND NOT EXISTS"
            " (SELECT 1 FROM fits f WHERE f.settings = ? AND f.width = images.width"
            " AND f.height = images.height)",
            (settings,),
        ).fetchall()
        fits = [(size, buckets.fit(size)) for size in missing]
        connection.executemany(
            "INSERT OR REPLACE INTO fits VALUES(?, ?, ?, ?, ?, ?)",
            ((settings, *size, *fit.bucket, fit.scale) for size, fit in fits),
        )
    return settings


def positive(term: Term) -> tuple[Term, bool]:
    """Return the term for presence, and whether the given one asks for absence."""
    if term.field in fields.FIELDS and fields.FIELDS[term.field].kind == fields.NUMBER:
        return term, False
    absent = term.relation == "!="
    if term.value == "no" and fields.YES_NO[1] in _choices(term):
        return replace(term, value="yes", relation="="), not absent
    return replace(term, relation="="), absent


def _choices(term: Term) -> tuple[str, ...]:
    field = fields.FIELDS.get(term.field)
    return field.choices if field else ()


KINDS: dict[str, Callable[[Term, Context], Condition]] = {
    "in": _folder,
    "concept": _concept,
    "format": _format,
    "excluded": _excluded,
    "reviewed": _reviewed,
    "dup": _dup,
    "hand": _hand,
    "tokens": _tokens,
    "score": _score,
    "bucket": _bucket,
    "upscaled": _upscaled,
}
