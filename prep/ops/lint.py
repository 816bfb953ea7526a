"""Check the tags of a dataset against the vocabulary: typos, aliases, spellings, trigger words."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from prep import captions, events
from prep.captions.tokens import clip_tokenizer
from prep.curation.vocabulary import store
from prep.curation.vocabulary.findings import Linter, by_weight, dataset_table
from prep.curation.vocabulary.triggers import trigger_findings
from prep.curation.vocabulary.usage import Usage
from prep.curation.vocabulary.words import Vocabulary
from prep.dataset.index import ImageRow, Index
from prep.dataset.journal.changes import Change, caption_change
from prep.dataset.journal.edits import Journal, Outcome
from prep.errors import ConfigError
from prep.events.words import Lint
from prep.language import english
from prep.project import Concept, Project, Section

LintCode = Literal[
    "spelling",
    "alias",
    "typo",
    "unknown",
    "trigger-spelling",
    "trigger-known",
    "trigger-common",
    "trigger-long",
]
CODES: tuple[str, ...] = get_args(LintCode)

_PAGE = 1000
"""Number of captions read at once."""


class LintOptions(Section):
    """What to check, and whether to put it right."""

    where: str = ""
    """Only images that match this filter."""
    vocabulary: tuple[str, ...] = ()
    """Tag list to use instead of those in shikomi.toml; repeatable."""
    only: tuple[LintCode, ...] = ()
    """Only findings with this code; repeatable."""
    fix: bool = False
    """Apply the suggestions to the captions, as one step of undo."""
    dry_run: bool = False
    """With --fix: only show what would change."""


@dataclass
class _Corrections:
    """The corrections to apply to captions.

    Attributes:
        spellings: Corrections by exact spelling.
        tags: Corrections by key.
        folders: Corrections by folder and key.
    """

    spellings: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    folders: dict[tuple[str, str], str] = field(default_factory=dict)

    def note(self, finding: Lint) -> None:
        """Add the suggestion of a finding."""
        key = captions.key(finding.tag)
        if finding.folder:
            self.folders[finding.folder, key] = finding.suggestion
        elif captions.key(finding.suggestion) == key:
            self.spellings[finding.tag] = finding.suggestion
        else:
            self.tags[key] = finding.suggestion

    def change(self, row: ImageRow) -> Change | None:
        """Return the change that corrects one caption, if it needs any."""
        tags = [self._corrected(row.folder, tag) for tag in row.tags]
        if tags == row.tags:
            return None
        return caption_change(row.path, row.caption, captions.unique(tags))

    def _corrected(self, folder: str, tag: str) -> str:
        # Twice, since a corrected spelling may be an alias.
        for _ in range(2):
            tag = self.spellings.get(tag, tag)
            key = captions.key(tag)
            tag = self.folders.get((folder, key)) or self.tags.get(key, tag)
        return tag


def run(project: Project, options: LintOptions) -> Iterator[events.Event]:
    """Check tags, and correct them on request.

    Yields:
        A Lint for each finding, most severe first; with ``fix`` a Change for each caption and
        Skipped for conflicts; Finished with ``findings`` (by code), ``tags``, ``vocabulary``
        (number of known tags), ``changed`` and ``edit``.

    Raises:
        ConfigError: The filter is not valid, or ``dry_run`` is set without ``fix``.
        UserError: A tag list is missing or cannot be read.
    """
    if options.dry_run and not options.fix:
        raise ConfigError("--dry-run requires --fix.", "Without --fix, nothing is written anyway.")
    words = store.load(project, options.vocabulary)
    if not len(words):
        yield events.Warned(
            "There is no tag list: only the dataset's own tags are compared.",
            "Give one with --vocabulary FILE, or files in [vocabulary] of shikomi.toml.",
        )
    with Index(project) as index:
        ids = index.ids(options.where)
        usage = Usage()
        for start in range(0, len(ids), _PAGE):
            usage.count(index.rows(ids[start : start + _PAGE]))
        found: list[Lint] = []
        for event in findings(project, usage, words, options.only):
            if isinstance(event, Lint):
                found.append(event)
            else:
                yield event
        corrections = _Corrections()
        fixable = [finding for finding in found if options.fix and finding.suggestion]
        for finding in fixable:
            corrections.note(finding)
        written = not options.dry_run
        for finding in found:
            yield replace(finding, fixed=True) if written and finding in fixable else finding
        outcome = Outcome(0, "")
        if fixable:
            changes = list(_changes(index, ids, corrections))
            title = english("correct {count} tag", "correct {count} tags", len(fixable))
            outcome = Outcome(0, title, changes)
            if written:
                outcome = Journal(index).apply(title, changes)
            yield from _reported(outcome)
    counts = Counter(finding.code for finding in found)
    yield events.Finished(
        {
            "findings": {code: counts[code] for code in CODES if counts[code]},
            "tags": len(usage.spellings),
            "vocabulary": len(words),
            "changed": len(outcome.changed),
            "edit": outcome.edit,
        }
    )


def correction(index: Index, finding: Lint) -> list[Change]:
    """Return the changes that apply the suggestion of one finding to all captions."""
    corrections = _Corrections()
    corrections.note(finding)
    return list(_changes(index, index.ids(), corrections))


def findings(
    project: Project, usage: Usage, words: Vocabulary, only: Sequence[str] = ()
) -> Iterator[events.Event]:
    """Yield Progress, and a Lint for each finding, most severe first."""
    wanted = only or CODES
    linter = Linter(words, usage, _right(project))
    found = list(linter.spellings())
    respelt = {captions.key(item.tag) for item in found if _other_key(item)}
    if {"alias", "typo", "unknown"} & set(wanted):
        dataset = dataset_table(usage)
        throttle = events.Throttle()
        for done, key in enumerate(usage.spellings, 1):
            finding = None if key in respelt else linter.tag(key, dataset)
            if finding is not None:
                found.append(finding)
            yield from events.tick("checking tags", len(usage.spellings), throttle, done)
    found += trigger_findings(_concepts(project), usage, words, clip_tokenizer())
    # A misspelt trigger word is reported only once, as such.
    almost = {captions.key(item.tag) for item in found if item.code == "trigger-spelling"}
    for item in by_weight(found):
        twice = item.code in ("typo", "unknown", "spelling") and captions.key(item.tag) in almost
        if item.code in wanted and not twice:
            yield item


def _other_key(finding: Lint) -> bool:
    """Return whether the suggestion has another key in the index, not only another spelling."""
    return captions.key(finding.tag) != captions.key(finding.suggestion)


def _concepts(project: Project) -> list[Concept]:
    return [project.concept(folder) for folder in project.settings.concepts]


def _right(project: Project) -> Mapping[str, str]:
    """Return trigger words and the user's own tags, by key."""
    triggers = [tag for concept in _concepts(project) for tag in captions.split(concept.trigger)]
    right = [*project.settings.vocabulary.own, *triggers]
    return {captions.key(tag): tag for tag in right}


def _changes(index: Index, ids: Sequence[int], corrections: _Corrections) -> Iterator[Change]:
    for start in range(0, len(ids), _PAGE):
        for row in index.rows(ids[start : start + _PAGE]):
            if row.usable and row.caption is not None and row.caption_error is None:
                change = corrections.change(row)
                if change is not None:
                    yield change


def _reported(outcome: Outcome) -> Iterator[events.Event]:
    for change in outcome.changed:
        yield events.Change(change.path, change.before, change.after)
    for path, reason in outcome.conflicts:
        yield events.Skipped(path, reason)
