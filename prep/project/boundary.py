"""Where a project may be written, whatever its own files say.

The journal of a project may come from somebody else, and its folders may be links. What is written
by a name from there stays in the project, or in a folder that the user has allowed.
"""

from pathlib import Path

from prep.errors import ConfigError
from prep.project import STATE_NAME, Project
from prep.system.boundary import Boundary, is_plain_name
from prep.system.permissions import read_permissions

_STAGING = ("trash", "incoming")
"""Folders in ``.shikomi`` through which images move."""


class ProjectBoundary:
    """The boundary of one project, for names from its journal and its index."""

    def __init__(self, project: Project) -> None:
        """Read what the user has allowed.

        Raises:
            UserError: The file with the permissions is damaged.
        """
        self._root = project.root
        folders = (Path(folder) for folder in read_permissions().folders)
        self._boundary = Boundary(project.root, folders)

    def fault(self, name: str) -> str:
        """Return why a file may not be changed; an empty string if it may.

        Args:
            name: Its path relative to the project.
        """
        if not is_plain_name(name):
            return "its path leads out of the project"
        if _is_reserved(Path(name)):
            return "it is not a file of the dataset"
        if not self._boundary.holds(name):
            real = (self._root / name).parent.resolve()
            return f"a link leads to {real}; to change files there: shikomi allow {real}"
        return ""


def refuse_links(project: Project, folder: Path) -> None:
    """Refuse to write into a folder of the project that links lead out of it.

    Raises:
        ConfigError: They do, and the user has not allowed it.
    """
    fault = Boundary(project.root, map(Path, read_permissions().folders))
    if not fault.holds_content(folder.relative_to(project.root).as_posix()):
        raise ConfigError(
            f"{folder} is a link to {folder.resolve()}, outside of the project.",
            f"If that is yours, run: shikomi allow {folder.resolve()}",
        )


def _is_reserved(path: Path) -> bool:
    """Return whether this is hidden: settings of other programs, or our own records."""
    first, *rest = path.parts
    if first == STATE_NAME and rest:
        return rest[0].partition("-")[0] not in _STAGING
    return first.startswith(".")
