"""The SQL of one term, and the context in which terms are evaluated."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

from prep.dataset.query import fields, narrowing
from prep.dataset.query.sets import Value
from prep.dataset.query.tree import Term, fault
from prep.errors import ConfigError
from prep.project import Project


@dataclass(frozen=True)
class Condition:
    """One condition: ``test``, ``select`` or ``tags``; ``evaluate`` decides how to use it.

    Attributes:
        test: SQL over a row of ``images i``.
        select: SQL that yields the ids as column ``n``.
        values: Parameters of the SQL.
        tags: Ids of tags; an image needs one of them.
        count: Maximum of images that have one of ``tags``.
        costly: The test reads texts: better run on few images.
        within: Ids of tags; an image that passes the test has one of them, or more lines
            than the first. ``None`` if that is not known, or helps little.
    """

    test: str = ""
    select: str = ""
    values: tuple[Value, ...] = ()
    tags: tuple[int, ...] | None = None
    count: int = 0
    costly: bool = False
    within: tuple[int, ...] | None = None


@dataclass
class Context:
    """The context in which terms are evaluated.

    Attributes:
        text: The filter, for error messages.
        raised: The error raised in a Python function: SQLite only reports that there was one.
    """

    text: str
    project: Project
    connection: sqlite3.Connection
    functions: int = field(default=0)
    raised: BaseException | None = field(default=None)

    def function(self, function: Callable[[str | None], bool]) -> str:
        """Register an SQL function of one text; return its name."""
        self.functions += 1
        name = f"shikomi_{self.functions}"

        def guarded(text: str | None) -> bool:
            try:
                return function(text)
            except BaseException as error:
                self.raised = error
                raise

        self.connection.create_function(name, 1, guarded, deterministic=True)
        return name

    def tags_around(self, text: str) -> tuple[int, ...] | None:
        """Return the tags that may contain a text, unless they are in too many images to help."""
        counts = narrowing.tags_around(self.connection, text)
        (total,) = self.connection.execute("SELECT ifnull(max(id), 0) FROM images").fetchone()
        return tuple(counts) if counts is not None and sum(counts.values()) * 2 <= total else None

    def fault(self, term: Term, what: str, hint: str = "") -> ConfigError:
        """Return the error that points at a term."""
        return fault(self.text, term.position, what, hint)


def comparison(column: str, term: Term) -> tuple[str, tuple[float, ...]]:
    """Return the SQL that compares a column with a number term, and its parameters."""
    bounds = fields.bounds(term)
    assert bounds is not None, "the lexer has checked it"
    low, high = bounds
    if term.relation not in ("=", "!="):
        return f"{column} {term.relation} ?", (low,)
    slack = fields.tolerance(term.field)
    return f"({column} {'NOT ' * (term.relation == '!=')}BETWEEN ? AND ?)", (
        low - slack,
        high + slack,
    )
