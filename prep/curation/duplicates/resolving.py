"""Resolving duplicates: all images but one go, and it takes over their captions and masks."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from prep.captions.layers import infer_manual_edits
from prep.captions.rules import Rules
from prep.curation.duplicates.best import KeepRanking
from prep.curation.duplicates.groups import (
    APART,
    UNCERTAIN,
    DuplicateGroup,
    GroupMember,
    shows_all,
)
from prep.curation.duplicates.merging import (
    CaptionRule,
    MergedDuplicate,
    carried_files,
    merged_caption,
)
from prep.dataset.index import ImageRow, Index
from prep.dataset.journal import sidecars
from prep.dataset.journal.changes import Change, exclusion
from prep.dataset.journal.manual_edits import ManualEditStore
from prep.project import Project
from prep.project.caption_rules import rules_for

_EXCLUDED = re.compile(r"duplicate of (.+) \((\w+)\)", re.DOTALL)


def why_excluded(keep: str, reason: str) -> str:
    """Return the reason that is noted for an image that is excluded as a duplicate.

    Example:
        >>> excluded_as(why_excluded("dataset/10_mochi/a.png", "near"))
        ('dataset/10_mochi/a.png', 'near')
    """
    return f"duplicate of {keep} ({reason})"


def excluded_as(why: str | None) -> tuple[str, str] | None:
    """Return the image that stayed and the kind of duplicate; ``None`` for another reason."""
    match = _EXCLUDED.fullmatch(why or "")
    return (match[1], match[2]) if match else None


class Resolution(NamedTuple):
    """One edit, the images that are removed, and (path, reason) of files that cannot be copied."""

    changes: list[Change]
    gone: list[str]
    refused: list[tuple[str, str]]


def resolution(
    project: Project,
    clusters: Iterable[DuplicateGroup],
    ranking: KeepRanking,
    rule: CaptionRule,
    *,
    trash: bool = False,
) -> Resolution:
    """Return the changes that leave one image of each cluster.

    Variants, crops, and what is uncertain stay.

    Args:
        project: The project.
        clusters: Groups whose ``keep`` stays.
        ranking: Ranking that knows which captions were written by hand.
        rule: How captions are merged.
        trash: Move files with their sidecars to the project's trash, instead of excluding.
    """
    found, listing = Resolution([], [], []), sidecars.Listing()
    for cluster in clusters:
        members = [member for member in cluster.members if member.reason not in APART]
        copies = [MergedDuplicate(m.row, m.turn, shows_all(cluster.keep, m)) for m in members]
        caption = merged_caption(cluster.keep, _best_first(copies, ranking), rule, ranking)
        if caption is not None:
            found.changes.append(caption)
        carried = carried_files(project, cluster.keep, copies, listing)
        found.changes.extend(carried.changes)
        found.refused.extend(carried.refused)
        for member in members:
            found.gone.append(member.row.path)
            if not trash:
                why = why_excluded(cluster.keep.path, member.reason)
                found.changes.append(exclusion(member.row.path, None, why))
    if trash:
        found.changes.extend(sidecars.to_trash(project, found.gone))
    return found


class KeepChoice(NamedTuple):
    """A person's choice: the image to keep, and path, reason and turn of the others."""

    keep: str
    others: Sequence[tuple[str, str, int]]


class Judged(NamedTuple):
    """Choices, judged against the present state of the dataset.

    Attributes:
        groups: What can be done: groups whose ``keep`` stays.
        left: (path of the image to keep, reason) of choices that are left to a person.
    """

    groups: list[DuplicateGroup]
    left: list[tuple[str, str]]


def judge(index: Index, choices: Iterable[KeepChoice]) -> Judged:
    """Decide which choices still hold: no choice may take the last image of a group.

    A choice is left if its image to keep is gone, excluded or unreadable by now, or goes with an
    earlier choice: the others were compared with that image only, so none can take its place.
    Images that an earlier choice keeps or excludes, and those that are excluded already, stay as
    they are.
    """
    kept: set[str] = set()
    going: set[str] = set()
    found = Judged([], [])
    for choice in choices:
        keep = index.get(choice.keep)
        members = []
        for path, reason, turn in choice.others:
            row = index.get(path)
            if row is not None and row.excluded is None and path not in kept | going:
                # What was uncertain, a person has seen to be a copy.
                known = "near" if reason == UNCERTAIN else reason
                members.append(GroupMember(row, known, 0, "", turn))
        if not members:
            continue
        if (why := _why_not_kept(keep, going)) or keep is None:
            found.left.append((choice.keep, why))
            continue
        kept.add(keep.path)
        going.update(member.row.path for member in members)
        found.groups.append(DuplicateGroup(keep, members))
    return found


def _why_not_kept(keep: ImageRow | None, going: set[str]) -> str:
    """Return why an image cannot be the one that stays; empty if it can."""
    if keep is None:
        return "its file is gone"
    if keep.error is not None:
        return "it cannot be read"
    if keep.excluded is not None:
        return "it is excluded"
    return "another group excludes it" if keep.path in going else ""


def chosen(
    index: Index, choices: Iterable[KeepChoice], rule: CaptionRule = "hand-first"
) -> list[Change]:
    """Return the changes that keep only the images chosen by a person, as far as ``judge`` allows.

    Of several choices about one image, the first counts; excluded images stay excluded.
    """
    groups = judge(index, choices).groups
    rows = [row for group in groups for row in (group.keep, *(m.row for m in group.members))]
    ranking = KeepRanking(index.project, hand_made=hand_made(index, rows))
    return resolution(index.project, groups, ranking, rule).changes


def _best_first(copies: Sequence[MergedDuplicate], ranking: KeepRanking) -> list[MergedDuplicate]:
    by_path = {copy.row.path: copy for copy in copies}
    return [by_path[row.path] for row in ranking.best_first(copy.row for copy in copies)]


def hand_made(index: Index, rows: Iterable[ImageRow]) -> set[str]:
    """Return the paths of the images whose captions people wrote or changed.

    A caption not written by shikomi's tagger counts as written by hand.
    """
    store, rules, found = ManualEditStore(index), dict[str, Rules](), set()
    for row in rows:
        if row.caption is None or row.caption_error is not None:
            continue
        if row.folder not in rules:
            rules[row.folder] = rules_for(index.project, row.folder)
        before = store.behind(row.path, row.caption)
        after = infer_manual_edits(before, row.tags, rules[row.folder])
        if before is None or after.added or after.removed:
            found.add(row.path)
    return found
