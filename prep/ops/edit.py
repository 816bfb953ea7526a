"""Change many captions at once: previewed with ``dry_run``, applied as one edit, undoable."""

from collections.abc import Iterator, Sequence

from pydantic import Field

from prep import captions, events
from prep.changes import Change, caption_change, exclusion
from prep.edits import Journal, Outcome, check_found
from prep.errors import ConfigError
from prep.index import ImageRow, Index
from prep.project import Project, Section
from prep.rules import Rules


class EditOptions(Section):
    """What to do to the captions of the images that match; steps run in the order below."""

    where: str = ""
    """Only images that match this filter; all images when empty."""
    replace: dict[str, str] = Field(default_factory=dict)
    """Rename a tag: --replace.OLD NEW."""
    remove: tuple[str, ...] = ()
    """Remove this tag."""
    add: tuple[str, ...] = ()
    """Add this tag at the end, unless it is there."""
    prepend: tuple[str, ...] = ()
    """Add this tag at the beginning, unless it is there."""
    rules: bool = False
    """Then apply the caption rules of shikomi.toml (trigger word first, prune, drop, replace)."""
    dry_run: bool = False
    """Only show what would change."""

    @property
    def title(self) -> str:
        """A line for the history."""
        parts = [f"replace {old} by {new}" for old, new in self.replace.items()]
        for verb, tags in (("remove", self.remove), ("add", self.add), ("prepend", self.prepend)):
            parts += [f"{verb} {tag}" for tag in tags]
        if self.rules:
            parts.append("apply caption rules")
        return ", ".join(parts)


class ExcludeOptions(Section):
    """Which images to leave out of everything, without touching their files."""

    where: str
    """Images that match this filter."""
    include: bool = False
    """Take them in again instead."""
    reason: str = "by hand"
    """Why, for later readers."""
    dry_run: bool = False
    """Only show which ones."""


def run(project: Project, options: EditOptions) -> Iterator[events.Event]:
    """Edit captions.

    Yields:
        A Change for each caption; Skipped for conflicts; Finished with ``changed``, ``edit``
        (its number, 0 for a dry run) and ``conflicts``.

    Raises:
        ConfigError: The filter has a fault, or there is nothing to do.
    """
    if not options.title:
        raise ConfigError(
            "Nothing to do.", "Give --add, --prepend, --remove, --replace.OLD NEW or --rules."
        )
    with Index(project) as index:
        changes = preview(project, index.select(options.where), options)
        yield from _carry_out(index, options.title, changes, options.dry_run)


def preview(project: Project, rows: Sequence[ImageRow], options: EditOptions) -> list[Change]:
    """Return the changes that the options make to these images; nothing is written."""
    rules: dict[str, Rules] = {}
    changes = []
    for row in rows:
        if not row.usable or row.caption_error is not None:
            continue
        tags = edited(row.tags, options)
        if options.rules:
            if row.folder not in rules:
                rules[row.folder] = Rules.of(project, row.folder)
            tags = rules[row.folder].apply(tags)
        change = caption_change(row.path, row.caption, tags)
        if change.before != change.after:
            changes.append(change)
    return changes


def edited(tags: Sequence[str], options: EditOptions) -> list[str]:
    """Apply the tag changes of the options (not the rules) to one caption."""
    result = list(tags)
    for old, new in options.replace.items():
        result = captions.replace(result, old, new)
    result = captions.remove(result, options.remove)
    result = captions.add(result, options.add)
    return captions.add(result, options.prepend, first=True)


def exclude(project: Project, options: ExcludeOptions) -> Iterator[events.Event]:
    """Leave images out, or take them in again; as ``run``, with paths instead of captions.

    Raises:
        ConfigError: The filter has a fault.
    """
    reason = None if options.include else options.reason
    with Index(project) as index:
        changes = [
            exclusion(row.path, row.excluded, reason)
            for row in index.select(options.where)
            if (row.excluded is None) != options.include
        ]
        title = f"{'include' if options.include else 'exclude'} {len(changes)} images"
        yield from _carry_out(index, title, changes, options.dry_run)


def undo(project: Project) -> Iterator[events.Event]:
    """Take back the newest edit; events as ``run``."""
    with Index(project) as index:
        yield from report(check_found(Journal(index).undo(), "undo"))


def redo(project: Project) -> Iterator[events.Event]:
    """Make again what was undone last; events as ``run``."""
    with Index(project) as index:
        yield from report(check_found(Journal(index).redo(), "redo"))


def history(project: Project) -> Iterator[events.Event]:
    """Yield a HistoryEntry for each edit, newest first; Finished with ``edits``."""
    with Index(project) as index:
        edits = Journal(index).history()
    for line in edits:
        yield events.HistoryEntry(line.id, line.time, line.title, line.state, line.changes)
    yield events.Finished({"edits": len(edits)})


def _carry_out(
    index: Index, title: str, changes: Sequence[Change], dry_run: bool
) -> Iterator[events.Event]:
    if dry_run:
        yield from report(Outcome(0, title, list(changes)))
    else:
        yield from report(Journal(index).apply(title, changes))


def report(outcome: Outcome) -> Iterator[events.Event]:
    """Yield the events of an outcome, Finished last."""
    for change in outcome.changed:
        yield events.Change(change.path, change.before, change.after)
    for path, reason in outcome.conflicts:
        yield events.Skipped(path, reason)
    yield events.Finished(
        {
            "changed": len(outcome.changed),
            "edit": outcome.edit,
            "conflicts": len(outcome.conflicts),
            "title": outcome.title,
        }
    )
