"""Copy files to ``.shikomi/incoming``; under their final names they are always complete."""

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

from prep.errors import UserError
from prep.formats.placing import PlacedFile
from prep.project import Project
from prep.system.files import write_bytes
from prep.system.leftovers import unfinished_name

INCOMING = "incoming"


class Fetcher:
    """Copies or links files into a project, from any thread."""

    def __init__(self, project: Project, staging: str, *, link: bool) -> None:
        """Prepare copying into a project.

        Args:
            project: The project.
            staging: Prefix of the folders of unpacked files, which nobody else uses.
            link: Create hard links instead of copies.
        """
        self._project, self._staging, self._link = project, staging, link

    def fetch(self, copy: PlacedFile) -> Path | str:
        """Copy one file; return its new path, or why it failed.

        Raises:
            UserError: The disk is full.
        """
        place = self._place(copy)
        if place.exists():
            return place
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if copy.source is None:
                write_bytes(place, copy.data)
            else:
                self._bring(copy.source, place)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise UserError(
                    f"The disk is full: {copy.target} was not written.",
                    "Free some space, then run the same command again.",
                ) from error
            return f"cannot be copied ({error.strerror or error})"
        return place

    def _place(self, copy: PlacedFile) -> Path:
        """Return a free path, or one where an interrupted import already put this file."""
        inside = copy.target.relative_to(self._project.root)
        number = 0
        while True:
            name = f"{INCOMING}-{number}" if number else INCOMING
            place = self._project.state / name / inside
            if not place.exists() or copy.same_as(place):
                return place
            number += 1

    def _bring(self, source: Path, place: Path) -> None:
        if self._link or any(part.startswith(self._staging) for part in source.parts):
            with suppress(OSError):  # another file system: it must be a copy
                os.link(source, place)
                return
        temporary = place.with_name(unfinished_name())
        try:
            shutil.copyfile(source, temporary)
            shutil.copystat(source, temporary)
            temporary.chmod(0o644)  # a source on read-only media must not stay so
            temporary.replace(place)
        finally:
            temporary.unlink(missing_ok=True)
