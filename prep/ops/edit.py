"""Change many captions at once: previewed with ``dry_run``, applied as one edit, undoable."""

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

from prep import captions, events
from prep.captions.diff import DiffCounter
from prep.dataset.caption_rows import CaptionRow, caption_rows
from prep.dataset.index import ImageRow, Index
from prep.dataset.journal.changes import CAPTION, CONTENT, Change, exclusion
from prep.dataset.journal.edits import Journal, Outcome, check_found
from prep.editing.editor import CaptionState, Editor
from prep.editing.options import EditOptions as EditOptions
from prep.errors import ConfigError
from prep.language import english, quantity
from prep.project import Project, Section
from prep.regexes import Expression
from prep.tagging.scores.stored_scores import MainTaggerScores


class ExcludeOptions(Section):
    """Which images to leave out of everything, without touching their files."""

    where: str
    """Images that match this filter."""
    include: bool = False
    """Include the images again instead."""
    reason: str = "by hand"
    """Reason, shown by shikomi ls."""
    dry_run: bool = False
    """Only show which images would change."""


def run(project: Project, options: EditOptions) -> Iterator[events.Event]:
    """Edit captions, or only search them.

    Yields:
        Progress; a Change for each caption (with ``find`` a Match instead); Skipped for
        conflicts; Finished with ``changed``, ``edit`` (its number, 0 for a dry run),
        ``conflicts``, ``added`` and ``removed`` (captions by tag), ``created`` (new
        captions), ``only_order_or_spelling`` and ``sentences`` (captions of sentences
        among the changed).

    Raises:
        ConfigError: The filter is not valid, or there is nothing to do, or nothing to sort by.
    """
    options.check()
    if options.find:
        yield from _find(project, options)
        return
    with Index(project) as index:
        if "score" in options.sort and not MainTaggerScores(index):
            raise ConfigError("There are no scores to sort by.", "Create them with: shikomi tag")
        tally = DiffCounter()
        if options.dry_run:
            rows = caption_rows(index, options.where, options.path)
            for change in _changes(rows, Editor(project, options, index, tally)):
                yield events.Change(change.path, change.before, change.after)
            counts = {"changed": tally.changed, "edit": 0, "conflicts": 0, "title": options.title}
            yield events.Finished(counts | tally.summary())
            return
        journal = yield from _journal(index)
        outcome = _applied(Editor(project, options, index), journal)
        for change in outcome.changed:
            tally.add(change.before, change.after)
        yield from report(outcome, tally.summary())


def _journal(index: Index) -> Generator[events.Event, None, Journal]:
    """Open the journal before captions are read: it may finish an interrupted edit."""
    journal = Journal(index)
    yield from unfinished(journal)
    return journal


def unfinished(journal: Journal) -> Iterator[events.Event]:
    """Yield what to tell of edits that were not finished when the journal was opened."""
    for outcome in journal.recovered:
        what, back = ("An undo", "redo") if outcome.undone else ("An edit", "undo")
        yield events.Warned(
            f"{what} that had been interrupted was finished: {outcome.title}.",
            f"Revert it with: shikomi {back}",
        )
        for path, reason in outcome.conflicts:
            yield events.Skipped(path, reason)
    for left in journal.unfinished:
        what = "An undo" if left.undone else "An edit"
        yield events.Warned(
            f"{what} that was interrupted cannot be finished: {left.title}. {left.error.message}",
            left.error.hint,
        )
    for edit in journal.waiting:
        yield events.Warned(
            f"An edit that was begun elsewhere is not finished: {edit.title}"
            f" ({quantity(sum(edit.kinds.values()), 'change')}).",
            "Finish it with: shikomi redo. Take it back with: shikomi undo",
        )


def _applied(editor: Editor, journal: Journal) -> Outcome:
    """Make the changes as one edit.

    Manual edits are recorded first: they count only once a caption file has their text, so a
    crash in between does no harm.
    """
    options, states = editor.options, list[CaptionState]()
    rows = caption_rows(editor.index, options.where, options.path)
    found = list(_changes(rows, editor, states))
    editor.manual_edits.put(states)
    outcome = journal.apply(options.title, found)
    conflicting = {path for path, _ in outcome.conflicts}
    editor.manual_edits.forget((c.path, c.after) for c in found if c.path in conflicting)
    return outcome


def changes(index: Index, options: EditOptions) -> Iterator[Change]:
    """Yield the changes made by the options, without writing.

    Raises:
        ConfigError: The filter is not valid, or a path is not known.
    """
    rows = caption_rows(index, options.where, options.path)
    yield from _changes(rows, Editor(index.project, options, index))


def preview(index: Index, rows: Iterable[ImageRow], options: EditOptions) -> list[Change]:
    """Return the changes made by the options to these images, without writing."""
    usable = (
        CaptionRow(row.path, row.folder, row.caption, row.content)
        for row in rows
        if row.usable and row.caption_error is None
    )
    return list(_changes(usable, Editor(index.project, options, index)))


def _changes(
    rows: Iterable[CaptionRow], editor: Editor, states: list[CaptionState] | None = None
) -> Iterator[Change]:
    """Yield the changes, and add the manual edits behind their texts to ``states``."""
    edited = editor.edited
    for row in rows:
        after = edited(row)
        if after != row.caption:
            if states is not None:
                states += editor.decisions(row, after)
            yield Change(row.path, CAPTION, row.caption, after)


def _find(project: Project, options: EditOptions) -> Iterator[events.Event]:
    """Yield a Match for each caption in which something is found."""
    patterns = [Expression(pattern) for pattern in options.find]
    matches = captions.TagCache(lambda tag: any(pattern.search(tag) for pattern in patterns))
    counts: Counter[str] = Counter()
    images = 0
    with Index(project) as index:
        for row in caption_rows(index, options.where, options.path):
            text = row.caption or ""
            if options.whole:
                found = [piece for pattern in patterns for piece in pattern.found(text)]
            else:
                found = [tag for tag in captions.split(text) if matches[tag]]
            if found:
                images += 1
                counts.update(found)
                yield events.Match(row.path, found)
    yield events.Finished({"images": images, "found": dict(counts.most_common(50))})


def exclude(project: Project, options: ExcludeOptions) -> Iterator[events.Event]:
    """Exclude images, or include them again; like ``run``, with paths instead of captions.

    Raises:
        ConfigError: The filter is not valid.
    """
    reason = None if options.include else options.reason
    with Index(project) as index:
        changes = [
            exclusion(row.path, row.excluded, reason)
            for row in index.select(options.where)
            if (row.excluded is None) != options.include
        ]
        if options.include:
            title = english("include {count} image", "include {count} images", len(changes))
        else:
            title = english("exclude {count} image", "exclude {count} images", len(changes))
        yield from _carry_out(index, title, changes, options.dry_run)


def undo(project: Project) -> Iterator[events.Event]:
    """Undo the newest edit, or finish an interrupted undo; events as in ``run``."""
    with Index(project) as index:
        journal = yield from _journal(index)
        yield from report(check_found(journal.undo(), "undo"))


def redo(project: Project) -> Iterator[events.Event]:
    """Redo the edit that was undone last; events as in ``run``."""
    with Index(project) as index:
        journal = yield from _journal(index)
        yield from report(check_found(journal.redo(), "redo"))


def history(project: Project) -> Iterator[events.Event]:
    """Yield a HistoryEntry for each edit, newest first; Finished with ``edits``."""
    with Index(project) as index:
        journal = yield from _journal(index)
        edits = journal.history()
    for line in edits:
        yield events.HistoryEntry(
            line.id,
            line.time,
            line.title,
            line.state,
            sum(line.kinds.values()),
            line.kinds,
            line.author,
        )
    yield events.Finished({"edits": len(edits)})


def _carry_out(
    index: Index, title: str, changes: Sequence[Change], dry_run: bool
) -> Iterator[events.Event]:
    if dry_run:
        yield from report(Outcome(0, title, list(changes)))
    else:
        yield from report(Journal(index).apply(title, changes))


def report(outcome: Outcome, more: Mapping[str, Any] | None = None) -> Iterator[events.Event]:
    """Yield the events of an outcome, Finished last; ``more`` goes into its summary."""
    yield from map(shown, outcome.changed)
    for path, reason in outcome.conflicts:
        yield events.Skipped(path, reason)
    yield events.Finished(
        {
            "changed": len(outcome.changed),
            "edit": outcome.edit,
            "conflicts": len(outcome.conflicts),
            "title": outcome.title,
            **(more or {}),
        }
    )


def shown(change: Change) -> events.Change:
    """Return the event of a change."""
    texts = (change.before, change.after)
    if change.what == CONTENT:
        texts = (as_text(change.before), as_text(change.after))
    return events.Change(change.path, *texts, change.what)


def as_text(content: str | None) -> str | None:
    """Return the text of a file whose bytes are stored as Latin-1 in a change."""
    return None if content is None else content.encode("latin-1").decode("utf-8", "replace")
