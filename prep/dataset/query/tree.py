"""A parsed filter: terms joined by and, or, not; and faults that point at their place."""

import dataclasses
from dataclasses import dataclass

from prep.errors import ConfigError


@dataclass(frozen=True)
class Term:
    """One condition.

    Attributes:
        field: Name of the field; empty for a tag.
        value: What the field is compared with; for ``tag``, ``phrase`` and ``regex`` the text.
        relation: ``=``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``; ``:`` reads as ``=``.
        literal: The value was quoted: ``*`` is no wildcard in it.
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
    """Holds where ``part`` does not."""

    part: "Node"


@dataclass(frozen=True)
class And:
    """Holds where all parts do."""

    parts: tuple["Node", ...]


@dataclass(frozen=True)
class Or:
    """Holds where at least one part does."""

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
    """Return the error that shows the filter with a caret below the place.

    Args:
        text: The filter.
        position: Of the fault, from 0.
        what: The fault, in words that go on "The filter has a fault at character 3: ".
        hint: What to do about it; comes first in the error's hint.
    """
    line = " ".join(text.split("\n"))
    pointer = " " * _width(line[:position]) + "^"
    return ConfigError(
        f"The filter has a fault at character {position + 1}: {what}.",
        "\n".join(filter(None, (hint, line, pointer))),
    )


def _width(text: str) -> int:
    """Return how many terminal cells a text takes: East Asian characters take two."""
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)
