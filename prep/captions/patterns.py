"""Tags and patterns as given in options: dotted keys, regular expressions, ``*``."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from prep import captions
from prep.regexes import Expression, PatternError
from prep.section import writable


def flat(value: Any) -> Any:
    """Flatten the nested tables that the command line makes of ``--replace.a.b NEW``.

    Dots are ordinary letters in tags and patterns.
    """
    if not isinstance(value, Mapping):
        return value
    found: dict[str, Any] = {}
    for name, item in value.items():
        inner = flat(item)
        if isinstance(inner, Mapping):
            found |= {f"{name}.{rest}": deeper for rest, deeper in inner.items()}
        else:
            found[name] = inner
    return found


def _checked(patterns: dict[str, str]) -> dict[str, str]:
    for pattern, replacement in patterns.items():
        try:
            Expression(pattern).check(replacement)
        except PatternError as error:
            into = f" -> {replacement!r}" if replacement else ""
            raise ValueError(f"{pattern!r}{into} is not valid: {error}") from error
    return patterns


def _replacements(patterns: dict[str, str]) -> dict[str, str]:
    for replacement in patterns.values():
        writable(replacement)
    return patterns


def _one_checked(patterns: tuple[str, ...]) -> tuple[str, ...]:
    _checked(dict.fromkeys(patterns, ""))
    return patterns


Renames = Annotated[dict[str, str], BeforeValidator(flat), AfterValidator(_replacements)]
"""Old tag -> new tag."""
Patterns = Annotated[
    dict[str, str], BeforeValidator(flat), AfterValidator(_replacements), AfterValidator(_checked)
]
"""Regular expression -> replacement, with ``\\1`` for its groups."""
Searches = Annotated[tuple[str, ...], AfterValidator(_one_checked)]
"""Regular expressions."""


def matcher(tags: Iterable[str]) -> Callable[[str], bool]:
    """Return a test of tags: one of ``tags`` in any spelling, ``*`` standing for anything.

    Example:
        >>> unwanted = matcher(["hat", "*censor*"])
        >>> unwanted("Hat"), unwanted("mosaic_censoring"), unwanted("straw hat")
        (True, True, False)
    """
    keys = set(captions.keys(tags))
    globs = [key for key in keys if "*" in key and key != "*"]
    if not globs:
        return lambda tag: captions.key(tag) in keys
    parts = "|".join(".*".join(map(re.escape, glob.split("*"))) for glob in globs)
    matches = re.compile(parts, re.DOTALL).fullmatch
    return lambda tag: captions.key(tag) in keys or matches(captions.key(tag)) is not None


def separate(tags: Iterable[str]) -> tuple[str, ...]:
    r"""Return the tags named in options, splitting those that hold several, with commas.

    Example:
        >>> separate(["hat, bow", "{red, blue|green} hat", "two\nlines"])
        ('hat', 'bow', '{red, blue|green} hat', 'two lines')
    """
    return tuple(tag for text in tags for tag in captions.split(" ".join(text.split())))
