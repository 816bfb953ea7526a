"""The language of what is shown: English in the code, other languages in gettext catalogues.

Files, logs and JSON stay English, so that they can be searched for and compared; a text is
translated where it is shown. There are three ways:

- ``_("{count} images").format(count=7)`` for a text that is written where it is shown, and
  ``ngettext`` where a number chooses between two of them.
- ``_(command.title)`` for a text of a table; ``marked("Title")`` in the table puts it into the
  catalogue, unless the catalogue knows that table anyway.
- ``translated(error.message)`` for a finished English message that comes from elsewhere: an error,
  an event, a line of a log.
"""

import gettext
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prep.language.templates import Templates


VARIABLE = "SHIKOMI_LANG"
"""The environment variable that names a language for shikomi alone."""
OPTION = "--lang"
DOMAIN = "shikomi"
CATALOGUES = Path(__file__).parent.parent / "locale"
_VARIABLES = (VARIABLE, "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
"""Environment variables that name a language, the first that is set wins: gettext's, after ours."""

_WINDOWS = sys.platform == "win32"

_catalogue: gettext.NullTranslations = gettext.NullTranslations()
_code = "en"


def available() -> tuple[str, ...]:
    """Return the codes of the languages that texts can be shown in, English first."""
    return ("en", *sorted(path.name for path in CATALOGUES.glob("*/") if path.is_dir()))


def _of_system() -> str:
    """Return the locale of the system's own texts where no variable names it: on Windows."""
    if not _WINDOWS:
        return ""
    import ctypes
    import locale

    windows = ctypes.windll.kernel32  # type: ignore[attr-defined]
    return locale.windows_locale.get(windows.GetUserDefaultUILanguage(), "")


def wanted(environment: Mapping[str, str], system: Callable[[], str] = _of_system) -> str:
    """Return the code of the language that an environment asks for: ``"ja"`` for ``ja_JP.UTF-8``.

    A language that there is no catalogue of is English, as is the locale ``C``.

    Args:
        environment: Its variables.
        system: Asked where none of them names a language.
    """
    named = (environment[name] for name in _VARIABLES if environment.get(name))
    for each in (next(named, "") or system()).split(":"):
        code = _code_of(each)
        if code in available():
            return code
    return "en"


def asked_for(words: Sequence[str]) -> tuple[list[str], str | None]:
    """Take ``--lang`` out of a command line, wherever it stands before ``--``.

    Returns:
        The other words, and the value of the last ``--lang``: empty where the value is missing,
        ``None`` without the option.

    Example:
        >>> asked_for(["ls", "--lang", "ja", "my_project"]), asked_for(["ls", "--", "--lang"])
        ((['ls', 'my_project'], 'ja'), (['ls', '--', '--lang'], None))
    """
    rest: list[str] = []
    value = None
    left = iter(words)
    for word in left:
        if word == "--":
            return [*rest, word, *left], value
        if word == OPTION:
            value = next(left, "")
        elif word.startswith(f"{OPTION}="):
            value = word.partition("=")[2]
        else:
            rest.append(word)
    return rest, value


def known(value: str) -> str | None:
    """Return the code that a language or locale has here; ``None`` for a language without texts."""
    code = _code_of(value)
    return code if code in available() else None


def use(code: str) -> None:
    """Show texts in a language from now on; English where there is no catalogue of it."""
    global _catalogue, _code
    if code == "en":
        _catalogue = gettext.NullTranslations()
    else:
        _catalogue = gettext.translation(DOMAIN, CATALOGUES, [code], fallback=True)
    _code = code


def in_use() -> str:
    """Return the code of the language in use."""
    return _code


def _(text: str) -> str:
    """Return a text in the language in use; unknown ones stay as they are."""
    return _catalogue.gettext(text) if text else ""


def ngettext(one: str, many: str, number: int) -> str:
    """Return the text for one, or for another number, in the language in use."""
    return _catalogue.ngettext(one, many, number)


def counted(one: str, many: str, number: int) -> str:
    """Return a text with a number in it, ``{count}``.

    Example:
        >>> counted("{count} image", "{count} images", 3)
        '3 images'
    """
    return ngettext(one, many, number).format(count=number)


def marked(text: str) -> str:
    """Return a text as it is: it is for the catalogue, and is translated where it is shown."""
    return text


def english(one: str, many: str, number: int, **values: object) -> str:
    """Return the English text for a number, of a message; it is translated where it is shown.

    Args:
        one: The text for one, with ``{count}`` for the number and ``{name}`` for other values.
        many: That for all other numbers.
        number: Which of them it is.
        **values: The other values, by name.

    Example:
        >>> english("{count} image of {name} is", "{count} images of {name} are", 1, name="bear")
        '1 image of bear is'
    """
    return (one if number == 1 else many).format(count=number, **values)


def quantity(number: int, noun: str, nouns: str = "") -> str:
    """Return a number with its noun, in English: a part of a message, of which it is a value.

    Args:
        number: How many there are.
        noun: What is counted, in the singular.
        nouns: The plural, unless an s makes it.

    Example:
        >>> quantity(1, "image"), quantity(0, "image"), quantity(2, "batch", "batches")
        ('1 image', '0 images', '2 batches')
    """
    return f"{number} {noun if number == 1 else nouns or f'{noun}s'}"


def translated(text: str) -> str:
    """Return a finished English message in the language in use; see ``Templates``."""
    return text if _code == "en" else _templates(_code).translated(text)


@cache
def _templates(code: str) -> "Templates":
    from prep.language.templates import Templates, pairs

    file = gettext.find(DOMAIN, CATALOGUES, [code])
    return Templates(pairs(Path(file).read_bytes()) if file else {})


def _code_of(value: str) -> str:
    return value.partition(".")[0].partition("_")[0].lower()


use(wanted(os.environ))
