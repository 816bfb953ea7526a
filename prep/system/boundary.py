"""Whether a name stays inside a folder, however it is spelled and whatever links are on its way.

Names that come from files (manifests, journals, jobs) may have been written by anybody. Before
something is written, moved or removed by such a name, it has to pass here.
"""

import os
from collections.abc import Iterable
from pathlib import Path


def is_plain_name(name: str) -> bool:
    """Return whether this is a relative path without steps upwards.

    Example:
        >>> is_plain_name("10_mochi/a.png"), is_plain_name("../a.png"), is_plain_name("/a.png")
        (True, False, False)
    """
    path = Path(name)
    return bool(path.parts) and not path.anchor and ".." not in path.parts and "\0" not in name


class Boundary:
    """A folder that names must not leave; remembers the folders that it has resolved."""

    def __init__(self, folder: Path, also: Iterable[Path] = ()) -> None:
        """Draw the boundary around ``folder`` and the folders of ``also``, where links may lead."""
        self._folder = folder
        self._roots = [Path(os.path.realpath(root)) for root in (folder, *also)]
        self._known: dict[Path, bool] = {}

    def holds(self, name: str) -> bool:
        """Return whether the file of this name, relative to the folder, is inside.

        The file itself may be a link: links are replaced, moved and removed, not followed.
        """
        return is_plain_name(name) and self._is_inside((self._folder / name).parent)

    def holds_content(self, name: str) -> bool:
        """Like ``holds``, also of what the file links to."""
        return self.holds(name) and self._leads_inside(self._folder / name)

    def _is_inside(self, folder: Path) -> bool:
        if folder not in self._known:
            self._known[folder] = self._leads_inside(folder)
        return self._known[folder]

    def _leads_inside(self, path: Path) -> bool:
        real = Path(os.path.realpath(path))
        return any(real.is_relative_to(root) for root in self._roots)
