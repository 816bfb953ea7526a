"""How far a person is in the tour, and whether it was offered: kept outside of all projects."""

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from prep.errors import UserError
from prep.system.files import write_text
from prep.system.user_folder import user_folder
from prep.texts import parse_json, read_text


@dataclass(frozen=True)
class Progress:
    """A tour that was offered.

    Attributes:
        project: Folder of the demo project; empty while no tour is under way.
        since: When it began, as the names of jobs begin: what ran before is none of its tasks.
        done: Names of the tasks that are done, or were skipped.
    """

    project: str = ""
    since: str = ""
    done: tuple[str, ...] = ()


def read() -> Progress | None:
    """Return how far the tour is; ``None`` if it was never offered."""
    try:
        found = parse_json(read_text(_file()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, UserError):
        return Progress()
    if not isinstance(found, dict):
        return Progress()
    project, since, done = (found.get(name) for name in ("project", "since", "done"))
    if not (isinstance(project, str) and isinstance(since, str) and isinstance(done, list)):
        return Progress()
    return Progress(project, since, tuple(name for name in done if isinstance(name, str)))


def write(progress: Progress) -> None:
    """Remember how far it is. Where that cannot be written, it is offered again another time."""
    with suppress(OSError, UserError, UnicodeError):
        write_text(_file(), json.dumps(asdict(progress), indent=2) + "\n")


def begun(project: Path) -> Progress:
    """Begin the tour on a project, and remember it."""
    progress = Progress(str(project), time.strftime("%Y%m%d-%H%M%S"))
    write(progress)
    return progress


def under_way(project: Path) -> Progress | None:
    """Return the tour on this project, if it is under way there."""
    found = read()
    return found if found is not None and found.project == str(project) else None


def _file() -> Path:
    return user_folder() / "tour.json"
