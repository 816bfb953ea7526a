"""Find the tags of the character itself, and prune them in rules and captions at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from prep import captions, events
from prep.captions import sentences
from prep.captions.diff import DiffCounter
from prep.captions.traits import SHARE
from prep.dataset.caption_rows import CaptionRow, caption_rows
from prep.dataset.index import Index
from prep.dataset.journal.changes import CAPTION, Change, caption_change
from prep.dataset.journal.edits import Journal, Outcome
from prep.dataset.journal.settings_change import settings_change
from prep.editing.options import TagsOption
from prep.editing.prune_advice import CommonTag, traits
from prep.errors import ConfigError, UserError
from prep.ops.edit import report
from prep.project import Concept, Project, Section
from prep.system.names import known_as
from prep.tagging.scores.stored_scores import MainTaggerScores


class PruneOptions(Section):
    """Which tags to look at, and what to do with them."""

    share: float = Field(SHARE, ge=0.5, le=1.0)
    """Minimum fraction of the captions or images of a concept that have the tag."""
    tag: TagsOption = ()
    """Prune this tag; repeatable. Default: the tags marked x in the list."""
    keep: TagsOption = ()
    """Do not prune this tag; repeatable."""
    apply: bool = False
    """Add the tags to the prune list of the concept, and remove them from its captions."""
    dry_run: bool = False
    """With --apply: only show what would change."""
    show: int = Field(5, ge=0)
    """Number of changes to print; 0 for all."""


@dataclass(frozen=True)
class _Found:
    """The traits of one concept."""

    concept: Concept
    rows: list[CaptionRow]
    traits: list[CommonTag]


def run(
    project: Project, options: PruneOptions, folder: str | None = None
) -> Iterator[events.Event]:
    """Show, and with ``apply`` prune, a character's own traits.

    Args:
        project: The project.
        options: What to prune.
        folder: Concept folder; all when ``None``.

    Yields:
        A Trait for each tag; with ``apply`` a Change for each caption; Finished with
        ``concepts``, ``traits``, ``suggested`` (tags by concept) and, with ``apply``, those of
        an edit.

    Raises:
        UserError: There is no such folder, or it has no captions.
        ConfigError: Nothing would be pruned, or tags are given without a concept.
    """
    with Index(project) as index:
        folders = _folders(index, folder)
        if options.apply and options.tag and len(folders) > 1:
            raise ConfigError(
                "--tag requires a concept folder.", f"Give one of: {', '.join(folders)}"
            )
        found = [_look(index, project.concept(name), options.share) for name in folders]
        for one in found:
            yield from _shown(one)
        chosen = {one.concept.folder: chosen_of(one.traits, options) for one in found}
        chosen = {name: tags for name, tags in chosen.items() if tags}
        summary = {
            "concepts": len(found),
            "traits": sum(len(one.traits) for one in found),
            "suggested": chosen,
        }
        if not options.apply:
            yield events.Finished(summary)
            return
        if not chosen:
            raise ConfigError(
                "There is nothing to prune.", "Name tags with --tag, or lower --share."
            )
        changes = [_rule_change(project, chosen)]
        for one in found:
            changes += _caption_changes(one.rows, chosen.get(one.concept.folder, ()))
        title = "prune " + "; ".join(f"{', '.join(t)} ({name})" for name, t in chosen.items())
        outcome = Outcome(0, title, changes)
        if not options.dry_run:
            outcome = Journal(index).apply(title, changes)
        tally = DiffCounter()
        for change in outcome.changed:
            if change.what == CAPTION:
                tally.add(change.before, change.after)
        yield from report(outcome, summary | {"captions": tally.changed} | tally.summary())


def chosen_of(found: Sequence[CommonTag], options: PruneOptions) -> list[str]:
    """Return the tags to prune: those given, else those suggested, without those to keep."""
    wanted = options.tag or tuple(trait.tag for trait in found if trait.suggested)
    return captions.remove(captions.unique(wanted), options.keep)


def _folders(index: Index, folder: str | None) -> list[str]:
    known = [name for name, _ in index.folders()]
    if folder is None:
        return [name for name in known if not index.project.concept(name).settings.regularization]
    chosen = known_as(folder, known)
    if chosen is None:
        raise UserError(
            f"There is no concept folder {folder} with images.",
            f"Known: {', '.join(known) or 'none'}",
        )
    return [chosen]


def _look(index: Index, concept: Concept, share: float) -> _Found:
    rows = [row for row in caption_rows(index) if row.folder == concept.folder]
    tag_lists = [
        [tag for tag in captions.split(row.caption) if not sentences.is_sentence(tag)]
        for row in rows
        if row.caption is not None
    ]
    leave_out = [*captions.split(concept.trigger), *concept.settings.prune]
    name = concept.trigger or "the trigger word"
    seen = _seen(index, [row.content for row in rows])
    return _Found(concept, rows, traits(tag_lists, seen, name, share=share, leave_out=leave_out))


def _seen(index: Index, contents: Sequence[str | None]) -> dict[str, float]:
    """Return the share of scored images with each tag that the tagger knows."""
    scores = MainTaggerScores(index)
    limits = scores.limits(index.project.settings.tagger)
    counts, images = np.zeros(len(scores.names), np.int64), 0
    for _, values in scores.load(contents):
        counts += values >= limits
        images += 1
    if images == 0:
        return {}
    known = np.flatnonzero(np.isfinite(limits))
    return {scores.names[n]: float(counts[n] / images) for n in known}


def _shown(found: _Found) -> Iterator[events.Event]:
    for trait in found.traits:
        yield events.Trait(
            found.concept.folder,
            trait.tag,
            trait.kind,
            round(trait.captions, 4),
            None if trait.seen is None else round(trait.seen, 4),
            trait.suggested,
            trait.advice,
        )


def _rule_change(project: Project, chosen: dict[str, list[str]]) -> Change:
    """Return the change of ``shikomi.toml``; in the journal, so that undo also reverts it."""
    tables = {
        name: {"prune": captions.add(project.concept(name).settings.prune, tags)}
        for name, tags in chosen.items()
    }
    return settings_change(project, {"concepts": tables})[0]


def _caption_changes(rows: Sequence[CaptionRow], tags: Sequence[str]) -> Iterator[Change]:
    for row in rows:
        if row.caption is not None:
            left = captions.remove(captions.split(row.caption), tags)
            change = caption_change(row.path, row.caption, left)
            if change.before != change.after:
                yield change
