"""Regular expressions that people write, bounded in time, so that none can hang the program.

Python's own ``re`` cannot be stopped: a pattern such as ``(a|aa)+$`` tries every way to split a
text, for years, and holds the interpreter all the while. ``regex`` understands the same patterns,
gives up after a time, and lets other threads run meanwhile.
"""

import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

from prep.errors import ConfigError

T = TypeVar("T")

PATIENCE = 2.0
"""Seconds of the processor that one pattern may spend on texts that it is slow on."""
_SLOW = 0.02
"""Seconds on one text from which on it is slow; usual patterns take some microseconds."""


class Expression:
    r"""A regular expression, searched ignoring nothing, or case.

    Example:
        >>> Expression(r"(\w+) hat").sub(r"hat, \1", "red hat")
        'hat, red'
    """

    def __init__(self, pattern: str, *, ignore_case: bool = False) -> None:
        """Compile a pattern.

        Raises:
            ValueError: It has a fault; ``position`` of the error is where, when that is known.
        """
        import regex  # late: it takes 40 ms

        self.pattern = pattern
        self._left = PATIENCE
        try:
            self._compiled = regex.compile(pattern, regex.IGNORECASE if ignore_case else 0)
        except regex.error as error:
            raise _fault(pattern, error) from error
        except (OverflowError, RecursionError) as error:
            raise PatternError(str(error), None) from error

    def check(self, new: str) -> None:
        """Check what is to be put in place of what is found.

        Raises:
            ValueError: It has a fault.
        """
        import regex

        try:
            # It is looked at only where something is found: this finds nothing, which suffices.
            regex.compile(f"{self.pattern}\n|").sub(new, "")
        except (regex.error, IndexError) as error:
            raise PatternError(str(error), None) from error

    def search(self, text: str) -> bool:
        """Is the pattern found anywhere in the text?

        Raises:
            ConfigError: It takes too long.
        """
        return self._bounded(
            lambda left: self._compiled.search(text, timeout=left, concurrent=True) is not None
        )

    def sub(self, new: str, text: str) -> str:
        """Return the text with ``new`` wherever the pattern is found.

        Raises:
            ConfigError: It takes too long.
        """
        return self._bounded(
            lambda left: str(self._compiled.sub(new, text, timeout=left, concurrent=True))
        )

    def found(self, text: str) -> list[str]:
        """Return all that is found in the text.

        Raises:
            ConfigError: It takes too long.
        """
        return self._bounded(
            lambda left: [
                match[0] for match in self._compiled.finditer(text, timeout=left, concurrent=True)
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
                # What is slow on one text is slow on many: together they have this time.
                self._left = max(0.0, self._left - spent)

    def _too_slow(self) -> ConfigError:
        return ConfigError(
            f"The regular expression {self.pattern} takes too long, and was stopped.",
            "Repetitions of repetitions, as (a+)+ or (a|aa)*, try every way to split a text:"
            " write a+ instead.",
        )


def _fault(pattern: str, error: Any) -> "PatternError":
    """Return the fault of a pattern; Python's own messages are clearer, where it has one."""
    try:
        re.compile(pattern)
    except re.error as known:
        error = known
    except (OverflowError, RecursionError):
        pass
    return PatternError(error.msg, error.pos)


class PatternError(ValueError):
    """A pattern has a fault.

    Attributes:
        position: Where in the pattern, from 0, when that is known.
    """

    def __init__(self, message: str, position: int | None) -> None:
        super().__init__(message)
        self.position = position
