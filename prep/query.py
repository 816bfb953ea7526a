"""The filter language: text -> SQL.

Terms are separated by spaces and must all hold:

- ``smile`` or ``"long hair"``: the caption has the tag; ``hat*``: a tag begins with it
- ``-smile``: it has not (``-`` negates any term)
- ``name:beach``: the path contains it; ``in:10_mochi``: the concept folder
- ``excluded:yes|no``, ``has:caption``, ``has:error``
"""

import re
from dataclasses import dataclass
from difflib import get_close_matches

from prep import captions
from prep.errors import ConfigError

_TERM = re.compile(r'(-?)(?:([a-z]+):)?(?:"([^"]*)"|(\S+))\s*')
_FIELDS = ("name", "in", "excluded", "has")
_HAS = {"caption": "i.caption IS NOT NULL", "error": "i.error IS NOT NULL"}
_TAGGED = "i.id IN (SELECT image FROM image_tags WHERE tag IN (SELECT id FROM tags WHERE {}))"


@dataclass(frozen=True)
class Term:
    """One condition; ``field`` is empty for a tag."""

    field: str
    value: str
    negated: bool
    column: int


@dataclass(frozen=True)
class Query:
    """A parsed filter.

    Example:
        >>> Query.parse('smile -"night sky"').terms[1].value
        'night sky'
    """

    terms: tuple[Term, ...]

    @classmethod
    def parse(cls, text: str) -> "Query":
        """Read a filter; an empty one matches everything.

        Raises:
            ConfigError: With the place of the fault.
        """
        terms, position = [], len(text) - len(text.lstrip())
        while position < len(text):
            match = _TERM.match(text, position)
            if match is None:
                raise _fault(text, position, "this cannot be read")
            minus, field, quoted, plain = match.groups()
            value = plain if quoted is None else quoted
            if field is not None and field not in _FIELDS:
                # Tags may hold a colon (":d", "re:zero"): only near misses of a field are faults.
                if get_close_matches(field, _FIELDS, 1, 0.75):
                    raise _fault(text, position, f"no field {field!r}")
                value, field = f"{field}:{value}", None
            if plain is not None and plain.startswith('"'):
                raise _fault(text, match.start(4), "the quotation mark is not closed")
            terms.append(Term(field or "", value, bool(minus), position + 1))
            _check(text, terms[-1])
            position = match.end()
        return cls(tuple(terms))

    def sql(self) -> tuple[str, list[str]]:
        """Return a condition over ``images i`` and ``exclusions x``, and its values."""
        parts, values = [], []
        for term in self.terms:
            condition, value = _condition(term)
            parts.append(f"NOT ({condition})" if term.negated else condition)
            values += value
        return " AND ".join(parts) or "1", values


def _check(text: str, term: Term) -> None:
    if term.field == "has" and term.value not in _HAS:
        raise _fault(text, term.column - 1, "has: takes " + " or ".join(_HAS))
    if term.field == "excluded" and term.value not in ("yes", "no"):
        raise _fault(text, term.column - 1, "excluded: takes yes or no")


def _condition(term: Term) -> tuple[str, list[str]]:
    if term.field == "has":
        return _HAS[term.value], []
    if term.field == "excluded":
        return f"x.reason IS {'NOT ' if term.value == 'yes' else ''}NULL", []
    if term.field == "name":
        return "instr(lower(i.path), ?)", [term.value.lower()]
    if term.field == "in":
        return "i.folder = ?", [term.value]
    if len(term.value) > 1 and term.value.endswith("*"):
        return _TAGGED.format("substr(key, 1, length(?)) = ?"), [captions.key(term.value[:-1])] * 2
    return _TAGGED.format("key = ?"), [captions.key(term.value)]


def _fault(text: str, position: int, what: str) -> ConfigError:
    return ConfigError(
        f"The filter has a fault at character {position + 1}: {what}.",
        f"\n  {text}\n  {' ' * position}^",
    )
