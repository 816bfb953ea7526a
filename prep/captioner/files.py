"""Write descriptions to files: which file, and its new content."""

from collections.abc import Collection, Iterator
from pathlib import Path

from prep import captions, events
from prep.captioner import placing
from prep.captioner.placing import DescriptionMode
from prep.dataset.index import ImageRow
from prep.dataset.journal.changes import CAPTION, Change, content_change
from prep.errors import UnreadableError
from prep.language import english
from prep.project import Project
from prep.project.captioner import DescriptionPlace

_OTHER = {".txt": ".caption", ".caption": ".txt"}
_PLACERS = {"line": placing.in_line, "joined": placing.joined, "file": placing.in_file}


class Descriptions:
    """Collects the changes of one run.

    Attributes:
        changes: Changes to make; at most one per file.
        by_hand: Number of descriptions that were not written here and were not changed.
    """

    def __init__(self, project: Project, place: DescriptionPlace, mode: DescriptionMode) -> None:
        """Start with no changes.

        Args:
            project: The project, which defines the suffix of captions.
            place: Where descriptions go.
            mode: How existing descriptions are handled.
        """
        self.changes: list[Change] = []
        self.by_hand = 0
        self._project, self._place, self._mode = project, place, mode
        self._owners: dict[Path, str] = {}
        self._sharing: list[tuple[str, str]] = []

    def has_one(self, row: ImageRow, written: Collection[str]) -> bool:
        """Return whether the image has a description; an unreadable file counts as one."""
        try:
            text = captions.read(self._file(row))
        except UnreadableError:
            return True
        return _PLACERS[self._place](text, "", written, "missing").text == text

    def add(
        self, row: ImageRow, description: str, written: Collection[str]
    ) -> Iterator[events.Event]:
        """Place one description; if several images share a file, the first decides.

        Args:
            row: The image.
            description: One line.
            written: Descriptions that were written for this image before.

        Yields:
            Skipped if the file cannot be read; it is not changed.
        """
        if self._mode == "none":
            return
        file = self._file(row)
        owner = self._owners.setdefault(file, row.path)
        if owner != row.path:
            self._sharing.append((owner, row.path))
            return
        try:
            before = captions.read(file)
        except UnreadableError as error:
            yield events.Skipped(row.path, error.message)
            return
        placed = _PLACERS[self._place](before, description, written, self._mode)
        self.by_hand += placed.by_hand
        if placed.text != before:
            self.changes.append(self._change(row, file, before, placed.text))

    def warnings(self) -> Iterator[events.Warned]:
        """Yield one warning if images share files."""
        if self._sharing:
            first, second = self._sharing[0]
            yield events.Warned(
                english(
                    "{count} image shares the caption file of another image: {second} has that of"
                    " {first}; the description is for the first.",
                    "{count} images share the caption file of another image: {second} has that of"
                    " {first}; the description is for the first.",
                    len(self._sharing),
                    first=first,
                    second=second,
                ),
                "Rename one of them, so that each has its own.",
            )

    def _file(self, row: ImageRow) -> Path:
        file = self._project.caption_file(row.path)
        return file.with_suffix(_OTHER[file.suffix]) if self._place == "file" else file

    def _change(self, row: ImageRow, file: Path, before: str | None, after: str | None) -> Change:
        if self._place != "file":
            return Change(row.path, CAPTION, before, after)
        old, new = (None if text is None else text.encode() for text in (before, after))
        return content_change(self._project.relative(file), old, new)
