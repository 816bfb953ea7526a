"""User-written regular expressions with a time limit, so that none can hang the program.

Python's own ``re`` cannot be stopped: a pattern such as ``(a|aa)+$`` tries every way to split a
text, for years, and holds the interpreter lock meanwhile. ``regex`` understands the same patterns,
supports a timeout, and releases the lock.
"""

import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

from prep.errors import ConfigError
from prep.texts import composed

T = TypeVar("T")

PATIENCE = 2.0
"""CPU seconds that one pattern may spend in total on texts on which it is slow."""
_SLOW = 0.02
"""Seconds on one text above which a pattern counts as slow; usual ones take microseconds."""


class Expression:
    r"""A regular expression with a time limit, optionally case-insensitive.

    Accents match in either Unicode form.

    Example:
        >>> Expression(r"(\w+) hat").sub(r"hat, \1", "red hat")
        'hat, red'
    """

    def __init__(self, pattern: str, *, ignore_case: bool = False) -> None:
        """Compile a pattern.

        Raises:
            ValueError: It is not valid; ``position`` of the error says where, if that is known.
        """
        import regex  # late: it takes 40 ms

        self.pattern = pattern
        self._left = PATIENCE
        try:
            self._compiled = regex.compile(
                composed(pattern), regex.IGNORECASE if ignore_case else 0
            )
        except regex.error as error:
            raise _fault(pattern, error) from error
        except (OverflowError, RecursionError) as error:
            raise PatternError(str(error), None) from error

    def check(self, new: str) -> None:
        """Check a replacement string.

        Raises:
            ValueError: It is not valid.
        """
        import regex

        try:
            # It is checked only on a match: this pattern matches the empty text, at least.
            regex.compile(f"{self.pattern}\n|").sub(new, "")
        except (regex.error, IndexError) as error:
            raise PatternError(str(error), None) from error

    def search(self, text: str) -> bool:
        """Return whether the pattern matches anywhere in the text.

        Raises:
            ConfigError: It takes too long.
        """
        form = composed(text)
        return self._bounded(
            lambda left: self._compiled.search(form, timeout=left, concurrent=True) is not None
        )

    def sub(self, new: str, text: str) -> str:
        """Return the text with every match of the pattern replaced by ``new``.

        Raises:
            ConfigError: It takes too long.
        """
        form = composed(text)
        result = self._bounded(
            lambda left: str(self._compiled.sub(new, form, timeout=left, concurrent=True))
        )
        return text if result == form else result

    def found(self, text: str) -> list[str]:
        """Return all matches in the text.

        Raises:
            ConfigError: It takes too long.
        """
        form = composed(text)
        return self._bounded(
            lambda left: [
                match[0] for match in self._compiled.finditer(form, timeout=left, concurrent=True)
            ]
        )

    def _bounded(self, work: Callable[[float], T]) -> T:
        start = time.thread_time()
        try:
            return work(self._left)
        except TimeoutError as error:
            self._left = 0.0
            raise self._too_slow() from error
        finally:
            spent = time.thread_time() - start
            if spent > _SLOW:
                # A pattern slow on one text is slow on many: the limit is for all of them together.
                self._left = max(0.0, self._left - spent)

    def _too_slow(self) -> ConfigError:
        return ConfigError(
            f"The regular expression {self.pattern} took too long and was stopped.",
            "Nested repetitions, such as (a+)+ or (a|aa)*, try every way to split a text:"
            " write a+ instead.",
        )


def _fault(pattern: str, error: Any) -> "PatternError":
    """Return the fault of a pattern, as ``re`` reports it if it does: its messages are clearer."""
    try:
        re.compile(pattern)
    except re.error as known:
        error = known
    except (OverflowError, RecursionError):
        pass
    return PatternError(error.msg, error.pos)


class PatternError(ValueError):
    """A pattern is not valid.

    Attributes:
        position: Index into the pattern, from 0, if it is known.
    """

    def __init__(self, message: str, position: int | None) -> None:
        super().__init__(message)
        self.position = position
