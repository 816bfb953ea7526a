"""Turn what a tagger saw into captions: ``prep.captions.layers`` over real caption files."""

from collections.abc import Iterator
from pathlib import Path

from prep import captions, events
from prep.captions.layers import Hand, HandStore, Mode, compiled, learnt
from prep.captions.rules import Rules
from prep.changes import Change, caption_change
from prep.edits import Journal, Outcome
from prep.errors import UnreadableError
from prep.index import ImageRow, Index
from prep.project import Project
from prep.tagging.scores import Seen


class Compiler:
    """Collects the caption changes of one tagging run.

    Attributes:
        changes: What to write; at most one change for each caption file.
    """

    def __init__(self, project: Project, index: Index, mode: Mode) -> None:
        """Start with no changes; ``mode`` says what becomes of captions that exist."""
        self.changes: list[Change] = []
        self._project, self._mode = project, mode
        self._hands = HandStore(index)
        self._states: list[tuple[str, str | None, Hand]] = []
        self._rules: dict[str, Rules] = {}
        self._owners: dict[Path, str] = {}
        self._sharing: list[tuple[str, str]] = []

    def add(self, row: ImageRow, seen: Seen) -> Iterator[events.Event]:
        """Compile the caption of one image; of several that share a file, the first decides.

        Yields:
            Skipped when the caption file cannot be read; it is left alone.
        """
        extension = self._project.settings.captions.extension
        file = (self._project.root / row.path).with_suffix(extension)
        owner = self._owners.setdefault(file, row.path)
        if owner != row.path:
            self._sharing.append((owner, row.path))
            return
        try:
            before = captions.read(file)
        except UnreadableError as error:
            yield events.Skipped(row.path, error.message)
            return
        if self._mode != "missing" or not (before or "").strip():
            self._compile(row, before, self._machine(seen))

    def _compile(self, row: ImageRow, before: str | None, machine: list[str]) -> None:
        rules = self._rules.get(row.folder)
        if rules is None:
            rules = self._rules[row.folder] = Rules.of(self._project, row.folder)
        known = self._hands.behind(row.path, before)
        now = learnt(known, captions.split(before or ""), rules)
        new = compiled(now, machine, rules, self._mode)
        change = caption_change(row.path, before, new.compiled)
        if change.before != change.after:
            self.changes.append(change)
        if change.before != change.after:
            self._states += [(row.path, change.after, new), (row.path, change.before, now)]
        elif known != new:
            self._states.append((row.path, before, new))

    def _machine(self, seen: Seen) -> list[str]:
        """Return what the tagger saw, as captions spell it; the rating last, when wanted."""
        names = [name for name, _ in seen.tags]
        if self._project.settings.tagger.ratings and seen.rating:
            names.append(seen.rating)
        return [captions.spaced(name) for name in names]

    def warnings(self) -> Iterator[events.Warned]:
        """Yield one warning when images share caption files."""
        if self._sharing:
            first, second = self._sharing[0]
            yield events.Warned(
                f"{len(self._sharing)} images share the caption file of another image, as {second}"
                f" that of {first}; the caption describes the first.",
                "Rename one of them, so that each has its own.",
            )

    def apply(self, journal: Journal, title: str) -> Outcome:
        """Write the captions as one edit.

        The decisions behind the new texts are recorded first: they count only once a caption
        file holds such a text, so a crash in between does no harm.
        """
        self._hands.put(self._states)
        outcome = journal.apply(title, self.changes)
        conflicting = {path for path, _ in outcome.conflicts}
        self._hands.forget((c.path, c.after) for c in self.changes if c.path in conflicting)
        return outcome
