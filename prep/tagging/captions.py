"""Turn tagger results into captions: applies ``prep.captions.layers`` to caption files."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from prep import captions, events
from prep.captions import structure
from prep.captions.layers import ManualEdits, WriteMode, compile_caption, infer_manual_edits
from prep.captions.rules import Rules
from prep.dataset.index import ImageRow, Index
from prep.dataset.journal.changes import ANSWERS, CAPTION, Change, caption_change
from prep.dataset.journal.edits import Journal, Outcome
from prep.dataset.journal.manual_edits import ManualEditStore
from prep.dataset.journal.tag_answers import AnswerStore, answered, packed
from prep.errors import UnreadableError
from prep.language import english
from prep.project import Project
from prep.project.caption_rules import rules_for
from prep.tagging.scores.store import TaggerResult
from prep.tagging.scores.writing import Writing, places

_ROUNDS = 4


def recompiled(
    text: str | None,
    known: ManualEdits | None,
    machine: Sequence[str],
    rules: Rules,
    mode: WriteMode,
    answers: Mapping[str, bool] | None = None,
) -> tuple[str | None, ManualEdits, ManualEdits]:
    """Return the new text of a caption, and the manual edits behind the old and the new text.

    Args:
        text: Text of the caption file; ``None`` for no file.
        known: The manual edits known so far.
        machine: Tags of the tagger, spelled as in captions.
        rules: Rules of the concept.
        mode: How an existing caption is changed.
        answers: Answers about single tags.
    """
    now = decided(text, known, rules, answers)
    after, new = written(text, now, machine, rules, mode, answers)
    return after, now, new


def written(
    text: str | None,
    now: ManualEdits,
    machine: Sequence[str],
    rules: Rules,
    mode: WriteMode,
    answers: Mapping[str, bool] | None = None,
) -> tuple[str | None, ManualEdits]:
    """Return the new text of a caption and the manual edits behind it; see ``recompiled``.

    Args:
        text: Text of the caption file; ``None`` for no file.
        now: The manual edits behind that text, from ``decided``; they cost as much as the rest.
        machine: Tags of the tagger, spelled as in captions.
        rules: Rules of the concept.
        mode: How an existing caption is changed.
        answers: Answers about single tags.
    """
    new = compile_caption(now, machine, rules, mode)
    after = caption_change("", text, new.compiled).after
    # Sentences and marks may place new tags elsewhere than rules do: repeat until both agree.
    for _ in range(_ROUNDS if after and structure.plain_tags(after) is None else 0):
        again = compile_caption(decided(after, new, rules, answers), machine, rules, mode)
        text = caption_change("", after, again.compiled).after
        if (text, again) == (after, new):
            break
        after, new = text, again
    return after, new


def decided(
    text: str | None, known: ManualEdits | None, rules: Rules, answers: Mapping[str, bool] | None
) -> ManualEdits:
    """Return the manual edits behind the text of a caption, answers included."""
    found = infer_manual_edits(known, captions.split(text or ""), rules)
    return answered(found, answers, rules) if answers else found


class Compiler:
    """Collects the caption changes of one tagging run.

    Attributes:
        changes: What to write; at most one change for each caption file.
        forgotten: Answers about tags that no longer apply, since captions are overwritten.
    """

    def __init__(self, project: Project, index: Index, mode: WriteMode, writing: Writing) -> None:
        """Start with no changes.

        Args:
            project: The project, with its rules.
            index: Open index.
            mode: How existing captions are changed.
            writing: How tagger results are written.
        """
        self.changes: list[Change] = []
        self.forgotten: list[Change] = []
        self._project, self._mode = project, mode
        self._writing, self._places = writing, places(project, index)
        self._hands, self._answers = ManualEditStore(index), AnswerStore(index).all()
        self._states: list[tuple[str, str | None, ManualEdits]] = []
        self._rules: dict[str, Rules] = {}
        self._owners: dict[Path, str] = {}
        self._sharing: list[tuple[str, str]] = []

    def add(self, row: ImageRow, seen: TaggerResult) -> Iterator[events.Event]:
        """Compile the caption of one image; if several share a file, the first decides.

        Yields:
            Skipped if the caption file cannot be read; it is not changed.
        """
        file = self._project.caption_file(row.path)
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
            self._compile(row, before, self._writing.tags(seen))

    def _compile(self, row: ImageRow, before: str | None, machine: list[str]) -> None:
        rules = self._rules.get(row.folder)
        if rules is None:
            rules = rules_for(self._project, row.folder, self._places)
            self._rules[row.folder] = rules
        known = self._hands.behind(row.path, before)
        answers = self._answers.get(row.path)
        after, now, new = recompiled(before, known, machine, rules, self._mode, answers)
        if before != after:
            self.changes.append(Change(row.path, CAPTION, before, after))
            self._states += [(row.path, after, new), (row.path, before, now)]
        elif known != new:
            self._states.append((row.path, before, new))
        if answers and self._mode == "overwrite":
            self.forgotten.append(Change(row.path, ANSWERS, packed(answers), None))

    def warnings(self) -> Iterator[events.Warned]:
        """Yield one warning if images share caption files."""
        if self._sharing:
            first, second = self._sharing[0]
            yield events.Warned(
                english(
                    "{count} image shares the caption file of another image: {second} has that of"
                    " {first}; the caption describes the first.",
                    "{count} images share the caption file of another image: {second} has that of"
                    " {first}; the caption describes the first.",
                    len(self._sharing),
                    first=first,
                    second=second,
                ),
                "Rename one of them, so that each has its own.",
            )

    def apply(self, journal: Journal, title: str) -> Outcome:
        """Write the captions as one edit.

        The manual edits behind the new texts are recorded first: they count only once a caption
        file has such a text, so a crash in between does no harm.
        """
        self._hands.put(self._states)
        outcome = journal.apply(title, [*self.changes, *self.forgotten])
        conflicting = {path for path, _ in outcome.conflicts}
        self._hands.forget((c.path, c.after) for c in self.changes if c.path in conflicting)
        return outcome
