"""Projects that were opened lately, newest first: a person's own list, in no project."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from prep.errors import UserError
from prep.images import SUFFIXES
from prep.project import FILE_NAME, STATE_NAME
from prep.system.files import write_text
from prep.system.user_folder import user_folder
from prep.texts import parse_json, read_text

MOST = 20
"""Projects that are remembered."""
_LOOKED_AT = 2000
"""Entries of a folder that are looked at for an image."""


def recent() -> list[Path]:
    """Return the projects that were opened last, the newest first, also those that are gone."""
    try:
        found = parse_json(read_text(_file()))
    except (OSError, ValueError, UserError):
        return []
    paths = found.get("projects") if isinstance(found, dict) else None
    if not isinstance(paths, list):
        return []
    kept = [Path(path) for path in paths if isinstance(path, str) and os.path.isabs(path)]  # noqa: PTH117
    return list(dict.fromkeys(kept))[:MOST]


def remember(project: Path) -> None:
    """Put a project first. Where that cannot be written, nothing is remembered."""
    _write([project, *(path for path in recent() if path != project)][:MOST])


def forget(project: Path) -> None:
    """Take a project off the list; the project itself stays as it is."""
    _write([path for path in recent() if path != project])


def is_worked_in(folder: Path) -> bool:
    """Return whether somebody who names no project means this folder.

    It is a project, or has images: in it, in ``dataset``, or in a folder of a concept. Only some
    thousand entries are looked at, for the folder may be anybody's home.
    """
    if (folder / FILE_NAME).is_file() or (folder / STATE_NAME).is_dir():
        return True
    left = _LOOKED_AT
    places = [folder, folder / "dataset"]
    for place in places:
        with suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                left -= 1
                if left < 0:
                    return False
                if os.path.splitext(entry.name)[1].lower() in SUFFIXES:  # noqa: PTH122
                    return True
                concept = entry.name.partition("_")[0].isdecimal()
                if concept and entry.is_dir() and len(places) < _LOOKED_AT:
                    places.append(Path(entry.path))
    return False


def _file() -> Path:
    return user_folder() / "recent.json"


def _write(projects: Sequence[Path]) -> None:
    with suppress(OSError, UserError, UnicodeError):
        write_text(_file(), json.dumps({"projects": list(map(str, projects))}, indent=2) + "\n")
