"""The language of what is shown: English in the code, other languages in gettext catalogues.

Files, logs and JSON stay English, so that they can be searched for and compared; a text is
translated where it is shown. ``_("{count} images").format(count=7)`` translates a text that is
written in the code. ``ngettext`` chooses between two of them by a number.
"""

import gettext
import os
from collections.abc import Mapping
from pathlib import Path

_DOMAIN = "shikomi"
_CATALOGUES = Path(__file__).parent / "locale"
_VARIABLES = ("SHIKOMI_LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
"""Environment variables that name a language, the first that is set wins: gettext's, after ours."""

_catalogue: gettext.NullTranslations = gettext.NullTranslations()


def available() -> tuple[str, ...]:
    """Return the codes of the languages that texts can be shown in, English first."""
    return ("en", *sorted(path.name for path in _CATALOGUES.glob("*/") if path.is_dir()))


def wanted(environment: Mapping[str, str]) -> str:
    """Return the code of the language that an environment asks for: ``"ja"`` for ``ja_JP.UTF-8``.

    A language that there is no catalogue of is English, as is the locale ``C``.
    """
    value = next((environment[name] for name in _VARIABLES if environment.get(name)), "en")
    known = available()
    for each in value.split(":"):
        code = each.partition(".")[0].partition("_")[0].lower()
        if code in known:
            return code
    return "en"


def use(code: str) -> None:
    """Show texts in a language from now on; English where there is no catalogue of it.

    What was translated before, class attributes of screens included, stays as it is: call this
    before they are imported.
    """
    global _catalogue
    _catalogue = gettext.translation(_DOMAIN, _CATALOGUES, [code], fallback=True)


def _(text: str) -> str:
    """Return a text in the language in use; unknown ones stay as they are."""
    return _catalogue.gettext(text) if text else ""


def ngettext(one: str, many: str, number: int) -> str:
    """Return the text for one, or for another number, in the language in use."""
    return _catalogue.ngettext(one, many, number)


use(wanted(os.environ))
