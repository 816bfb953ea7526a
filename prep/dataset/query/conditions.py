"""Terms of a filter -> SQL conditions.

This module has terms about the image's row and its tags; ``lookups`` has the others.
"""

import json
import re
from collections.abc import Callable

from prep import captions
from prep.captions.structure import split_lines
from prep.dataset.query import lookups, narrowing
from prep.dataset.query.condition import Condition, Context, comparison
from prep.dataset.query.quality import quality
from prep.dataset.query.tree import Term
from prep.regexes import Expression
from prep.system.names import spellings
from prep.texts import composed

_TRANSPARENT = 0x2E80
"""From this character on (CJK), words are not separated by spaces."""
_BETWEEN_TAGS = re.compile(r",|\|\|\||;;;|[.!?] ")
"""Separators of two tags, or of a tag and a sentence; after ``normalize``."""


def condition(term: Term, context: Context) -> Condition:
    """Return the condition of a term.

    Raises:
        ConfigError: It needs data that is not there yet; the hint says how to get it.
    """
    return _KINDS[term.field](term, context)


def _tag(term: Term, context: Context) -> Condition:
    if term.value == "*" and not term.literal:
        return _HAS["tags"]
    literal = term.literal or "*" not in term.value
    key = captions.key(term.value)
    how = "key = ?" if literal else "key GLOB ?"
    pattern = key if literal else re.sub(r"([\[?])", r"[\1]", key)
    found = context.connection.execute(f"SELECT id, count FROM tags WHERE {how}", (pattern,))
    return _having(found.fetchall())


def _having(found: list[tuple[int, int]]) -> Condition:
    return Condition(tags=tuple(tag for tag, _ in found), count=sum(n for _, n in found))


def _phrase(term: Term, context: Context) -> Condition:
    """Consecutive words. On the first line they are within a tag, or continue behind it."""
    wanted = normalize(term.value)
    holds = phrase_pattern(wanted).search
    if _BETWEEN_TAGS.search(wanted):
        name = context.function(lambda text: bool(text and holds(normalize(text))))
        return Condition(test=f"(i.captioned AND {name}(i.caption))", costly=True)
    rows = context.connection.execute(
        "SELECT id, key FROM tags WHERE instr(key, ?)", (wanted.partition(" ")[0],)
    )
    tags = json.dumps([tag for tag, key in rows if holds(normalize(key))])
    name = context.function(lambda text: bool(text and holds(normalize(split_lines(text)[2]))))
    return Condition(
        select="SELECT image AS n FROM image_tags WHERE tag IN (SELECT value FROM json_each(?))"
        " UNION ALL SELECT j.id FROM (SELECT id FROM images WHERE more) m"
        f" CROSS JOIN images j ON j.id = m.id WHERE {name}(j.caption)",
        values=(tags,),
    )


def normalize(text: str) -> str:
    """Return a text in the form in which phrases are compared: lower case, single spaces."""
    return " ".join(composed(composed(text).casefold()).replace("_", " ").split())


def phrase_pattern(phrase: str) -> re.Pattern[str]:
    """Return a pattern that finds a phrase as whole words; both texts must be normalized."""
    letter = rf"[^\W{chr(_TRANSPARENT)}-\U0010ffff]"
    before = rf"(?<!{letter})" if re.match(letter, phrase) else ""
    after = rf"(?!{letter})" if re.match(letter, phrase[-1:]) else ""
    return re.compile(before + re.escape(phrase) + after)


def _regex(term: Term, context: Context) -> Condition:
    holds = Expression(term.value, ignore_case=True).search
    name = context.function(lambda text: text is not None and holds(text))
    return Condition(
        test=f"(i.captioned AND {name}(i.caption))",
        costly=True,
        within=context.tags_around(narrowing.literal(composed(term.value))),
    )


def _text(term: Term, context: Context) -> Condition:
    test, values = _holding("i.caption", term.value, context)
    within = context.tags_around(composed(term.value))
    return Condition(test=f"(i.captioned AND {test})", values=values, costly=True, within=within)


def _name(term: Term, context: Context) -> Condition:
    test, values = _holding("i.path", term.value, context)
    return Condition(test=test, values=values, costly=True)


def _file(term: Term, context: Context) -> Condition:
    del context
    names = spellings(term.value)
    places = ", ".join("?" * len(names))
    return Condition(select=f"SELECT id AS n FROM images WHERE path IN ({places})", values=names)


def _holding(column: str, text: str, context: Context) -> tuple[str, tuple[str, ...]]:
    """Return the test whether a column holds a text in any case (of A to Z), and its values."""
    wanted = ascii_lower(composed(text))
    if wanted.isascii():
        return f"(instr(lower({column}), ?) > 0)", (wanted,)
    name = context.function(lambda held: bool(held and wanted in ascii_lower(composed(held))))
    return f"{name}({column})", ()


def ascii_lower(text: str) -> str:
    """Convert only A to Z to lower case, like SQLite's ``lower``."""
    return text.encode().lower().decode()


def _number(term: Term, context: Context) -> Condition:
    del context
    column = {
        "w": "i.width",
        "h": "i.height",
        "mp": "(i.width * i.height / 1000000.0)",
        "ar": "(i.width * 1.0 / i.height)",
        "tags": "i.tag_count",
    }.get(term.field, f"i.{term.field}")
    test, values = comparison(column, term)
    if term.field in ("w", "h", "mp", "ar", "orientation", "frames"):
        test = f"(i.width > 0 AND {test})"
    return Condition(test=test, values=values)


_HAS = {
    "caption": Condition(test="i.captioned"),
    "tags": Condition(test="(i.tag_count > 0)"),
    "mask": Condition(test="i.mask"),
    "crop": Condition(
        select="SELECT j.id AS n FROM work.crops c CROSS JOIN images j ON j.path = c.path"
    ),
    "error": Condition(test="i.faulty"),
}
_FLAGS = {
    "error": Condition(test="i.faulty"),
    "alpha": Condition(test="i.alpha"),
    "animated": Condition(test="(i.frames > 1)"),
}


def _has(term: Term, context: Context) -> Condition:
    del context
    return _HAS[term.value]


def _flag(term: Term, context: Context) -> Condition:
    del context
    return _FLAGS[term.field]


_KINDS: dict[str, Callable[[Term, Context], Condition]] = {
    "": _tag,
    "tag": _tag,
    "phrase": _phrase,
    "regex": _regex,
    "text": _text,
    "name": _name,
    "file": _file,
    "has": _has,
    "quality": quality,
    **dict.fromkeys(("w", "h", "mp", "ar", "size", "orientation", "frames", "tags"), _number),
    **dict.fromkeys(_FLAGS, _flag),
    **lookups.KINDS,
}
