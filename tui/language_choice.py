"""The language that a person has chosen in the settings, for the terminal application.

Read before any screen is imported: their texts are translated when they are. The environment
variable SHIKOMI_LANG says more; that of the system says less.
"""

import os

from prep import language
from prep.system.user_folder import user_folder
from prep.texts import parse_toml, read_text

VARIABLE = "SHIKOMI_LANG"
NAMES = {"en": "English", "ja": "日本語"}
"""Code -> name of a language, in that language."""


def use_preferred_language() -> None:
    """Show texts in the chosen language, also those of verbs that the application runs."""
    if os.environ.get(VARIABLE):
        return
    try:
        code = parse_toml(read_text(user_folder() / "terminal.toml")).get("language")
    except (OSError, ValueError):
        return  # the application tells what is wrong with the file
    if isinstance(code, str) and code in language.available():
        os.environ[VARIABLE] = code
        language.use(code)
