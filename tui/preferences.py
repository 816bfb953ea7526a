"""What a person prefers in the terminal application, in all projects: theme and keys.

``terminal.toml`` in the folder of a person's own settings. A fault in it is told and ends nothing.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import Field, ValidationError
from rich.markup import escape
from textual.app import App
from tomlkit.exceptions import TOMLKitError

from prep.language import _, translated
from prep.project.faults import describe_faults
from prep.section import Section
from prep.system.files import write_text
from prep.system.user_folder import user_folder
from prep.texts import parse_toml, read_text
from tui import commands
from tui.notices import SECONDS
from tui.terminal import ImageMode

_KEY = re.compile(r"(?:(?:ctrl|shift|alt)\+)*(?:[a-z0-9_]+|[^\s,])", re.IGNORECASE)


class Preferences(Section):
    """All of ``terminal.toml``."""

    theme: str = ""
    """Name of a theme; the default one if empty."""
    images: ImageMode = "auto"
    """How pictures are drawn, where --images says nothing else."""
    language: str = ""
    """Language of the application, such as ja; that of the system if empty."""
    translations: str = ""
    """CSV file of translations, which are shown beside tags; none if empty."""
    keys: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Keys by scope and command, such as exclude = "delete,x" in [keys.images]; the help screen
    (?) has the names of all commands."""


@dataclass(frozen=True)
class LoadedPreferences:
    """Preferences as they were read.

    Attributes:
        preferences: What is valid of them.
        faults: A sentence for each thing that is not.
    """

    preferences: Preferences
    faults: Sequence[str] = field(default_factory=tuple)


def preferences_file() -> Path:
    """Return where they are kept; the file may not exist."""
    return user_folder() / "terminal.toml"


def read_preferences() -> LoadedPreferences:
    """Read the file; one that is missing says nothing, a broken one has a fault."""
    file = preferences_file()
    try:
        values = parse_toml(read_text(file))
        return LoadedPreferences(Preferences.model_validate(values))
    except FileNotFoundError:
        return LoadedPreferences(Preferences())
    except ValidationError as error:
        faults = describe_faults(error, Preferences)
    except (OSError, ValueError) as error:
        faults = [str(error)]
    return LoadedPreferences(Preferences(), [f"{file}: {fault}" for fault in faults])


def save_preference(name: str, value: str) -> None:
    """Remember a theme or another choice; the rest of the file, its comments included, stays.

    Raises:
        UserError: The file is not writable.
    """
    file = preferences_file()
    try:
        document = tomlkit.parse(read_text(file))
    except FileNotFoundError:
        document = tomlkit.document()
    except (OSError, ValueError, TOMLKitError):
        return  # a person's own file, broken: it is told at the start, and nothing is lost
    document[name] = value
    write_text(file, tomlkit.dumps(document))


def apply_preferences(app: App[Any]) -> dict[str, str]:
    """Give an application the theme and keys of this person, and remember the next theme.

    Returns:
        The keys that differ from those of the table, by the ids of commands.
    """
    found = read_preferences()
    keys, faults = keymap(found.preferences.keys)
    app.set_keymap(keys)
    if found.preferences.theme in app.available_themes:
        app.theme = found.preferences.theme
    elif found.preferences.theme:
        faults.append(_("There is no theme {name}.").format(name=found.preferences.theme))
    for fault in (*found.faults, *faults):
        app.notify(escape(translated(fault)), severity="warning", timeout=SECONDS)
    app.theme_changed_signal.subscribe(app, lambda theme: save_preference("theme", theme.name))
    return keys


def keymap(given: Mapping[str, Mapping[str, str]]) -> tuple[dict[str, str], list[str]]:
    """Return the keys of commands by their ids, for ``App.set_keymap``, and what is not valid.

    Example:
        >>> keymap({"images": {"exclude": "delete"}})
        ({'images.exclude': 'delete'}, [])
    """
    known = {command.id: command for command in commands.COMMANDS}
    found: dict[str, str] = {}
    faults: list[str] = []
    for scope, pairs in given.items():
        for name, keys in pairs.items():
            identity = f"{scope}.{name}"
            if identity not in known:
                near = get_close_matches(identity, known, 1)
                fault = _("There is no command {name}.").format(name=identity)
                meant = _(" Did you mean {name}?").format(name=near[0]) if near else ""
                faults.append(f"{fault}{meant}")
            elif not all(_KEY.fullmatch(key) for key in keys.split(",")):
                fault = _("{keys} for {name} is not a key, such as x, delete or ctrl+x.")
                faults.append(fault.format(keys=repr(keys), name=identity))
            else:
                found[identity] = keys
    return found, [*faults, *_clashes(found)]


def _clashes(keys: Mapping[str, str]) -> Iterable[str]:
    """Name the keys that mean two things in one place."""
    shared = ("app", "picture")
    for scope in {name.partition(".")[0] for name in keys}:
        seen: dict[str, str] = {}
        for command in commands.of(*dict.fromkeys((*shared, scope))):
            for key in keys.get(command.id, command.key).split(","):
                if key in seen:
                    fault = _("{key} is both {first} and {second}: only one of them works.")
                    yield fault.format(key=key, first=seen[key], second=command.id)
                seen.setdefault(key, command.id)
