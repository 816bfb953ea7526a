"""A parsed filter: terms joined by and, or, not; and errors that point at their place."""

import dataclasses
from dataclasses import dataclass

from prep.errors import ConfigError


@dataclass(frozen=True)
class Term:
    """One condition of a filter.

    Attributes:
        field: Name of the field; empty for a tag.
        value: What the field is compared with; for ``tag``, ``phrase`` and ``regex`` the text.
        relation: ``=``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``; ``:`` reads as ``=``.
        literal: The value was quoted, so ``*`` is not a wildcard in it.
        position: Where the term begins in the text of the filter, from 0.
        of: For ``score``: the tag whose score is compared.
    """

    field: str
    value: str
    relation: str = "="
    literal: bool = False
    position: int = dataclasses.field(default=0, compare=False)
    of: str = ""


@dataclass(frozen=True)
class Not:
    """True where ``part`` is not."""

    part: "Node"


@dataclass(frozen=True)
class And:
    """True where all parts are."""

    parts: tuple["Node", ...]


@dataclass(frozen=True)
class Or:
    """True where at least one part is."""

    parts: tuple["Node", ...]


Node = Term | Not | And | Or


def terms(node: Node) -> list[Term]:
    """Return all terms of a tree, from left to right."""
    if isinstance(node, Term):
        return [node]
    if isinstance(node, Not):
        return terms(node.part)
    return [term for part in node.parts for term in terms(part)]


def fault(text: str, position: int, what: str, hint: str = "") -> ConfigError:
    """Return the error that shows the filter with a caret below the fault.

    Args:
        text: The filter.
        position: Index of the fault, from 0.
        what: The fault, continuing "The filter is not valid at character 3: ".
        hint: What to do about it; comes first in the error's hint.
    """
    line = " ".join(text.split("\n"))
    pointer = " " * _width(line[:position]) + "^"
    return ConfigError(
        f"The filter is not valid at character {position + 1}: {what}.",
        "\n".join(filter(None, (hint, line, pointer))),
    )


def _width(text: str) -> int:
    """Return how many terminal cells a text takes: East Asian characters take two."""
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)
