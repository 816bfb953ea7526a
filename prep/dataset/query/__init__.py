"""The filter language: text -> tree (here), tree -> ids, evaluated in SQLite (``evaluate``).

``docs/topics/filters.md`` describes it for users. The index imports this package, not the reverse.
"""

from dataclasses import dataclass, field

from prep.dataset.query.parser import Parser
from prep.dataset.query.tree import And, Node, Not, Or, Term, terms

__all__ = ["And", "Node", "Not", "Or", "Query", "Term"]


@dataclass(frozen=True)
class Query:
    """A parsed filter; ``tree`` is ``None`` for an empty one, which matches everything.

    Example:
        >>> Query.parse('long_hair or name:beach').tree.parts[1].value
        'beach'
    """

    text: str
    tree: Node | None = field(compare=False)

    @classmethod
    def parse(cls, text: str) -> "Query":
        """Read a filter.

        Raises:
            ConfigError: It is not valid; the hint points at the character.
        """
        return cls(text, Parser(text).tree())

    def uses(self, field: str) -> bool:
        """Return whether the filter uses this field."""
        return self.tree is not None and any(term.field == field for term in terms(self.tree))
