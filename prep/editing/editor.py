"""Bulk edits of captions: the options compiled to a list of steps over tags.

Everything that is the same for all captions (sets of keys, patterns, tables) is built once. A
caption is parsed once and rebuilt only if its tags have changed; most are plain lists
of tags, for which that is one ``split`` and one ``join``. Captions with structure are rebuilt after
each step, so that every step sees where tags may go.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from prep import captions
from prep.captions import rewrite_tags, sentences, structure
from prep.captions.diff import DiffCounter
from prep.captions.implications import Implications
from prep.captions.layers import ManualEdits, infer_manual_edits
from prep.captions.order import Rank, SortOrder, by_table, people_first, read_counts
from prep.captions.patterns import separate
from prep.captions.rules import Rules
from prep.captions.spelling import PLAIN_BRACKET
from prep.captions.tag_map import TagMap
from prep.dataset.caption_rows import CaptionRow
from prep.dataset.index import Index
from prep.dataset.journal.manual_edits import ManualEditStore
from prep.editing.options import EditOptions
from prep.editing.steps import Add, EditStep, Move, Remove, Replace, SortTags, TagList, weighted
from prep.project import Project
from prep.project.caption_rules import load_implications, rules_for
from prep.regexes import Expression
from prep.tagging.scores.stored_scores import MainTaggerScores
from prep.texts import composed

CaptionState = tuple[str, str | None, ManualEdits]
"""An image, the text of its caption, and the manual edits behind that text."""

_LINES = re.compile(r"([^\r\n]*)(\r\n|\n|\r|$)")
_ESCAPED_BRACKET = re.compile(r"\\([()])")


@dataclass
class Editor:
    """Edits captions of one project according to the options.

    Attributes:
        options: What to do.
        index: Open index, for counts, scores and manual edits.
        tally: Counts the changes, if given.
    """

    project: Project
    options: EditOptions
    index: Index
    tally: DiffCounter | None = None
    _rules: dict[str, Rules] = field(default_factory=dict, init=False, repr=False)
    _spellings: dict[str, captions.TagCache[str]] = field(
        default_factory=dict, init=False, repr=False
    )

    def edited(self, row: CaptionRow) -> str | None:
        """Return the new text of a caption: the same if nothing changes, ``None`` for no file.

        Raises:
            UserError: A file named in the options or ``shikomi.toml`` cannot be read.
        """
        before = row.caption or ""
        if self._needles is not None and not _may_hold(before, self._needles):
            return row.caption
        tags = None if self.options.whole else structure.plain_tags(before)
        new: TagList = []
        if tags is None:
            after = self._edited_text(before, row)
        else:
            new = self._stepped(tags, row)
            after = before if new == tags else structure.SEPARATOR.join(new)
        if after == before:
            return row.caption
        if self.tally is not None and tags is None:
            self.tally.add(row.caption, after)
        elif self.tally is not None and tags is not None:
            self.tally.created += row.caption is None
            self.tally.add_tags(tags, new)
        # A caption is never emptied to zero bytes: trainers refuse to start on such a file.
        return after if after.strip() else None

    def _stepped(self, tags: TagList, row: CaptionRow) -> TagList:
        for step in self._steps:
            tags = step(tags, row)
        return tags

    def _edited_text(self, text: str, row: CaptionRow) -> str:
        if self.options.whole:
            for pattern, new in self._patterns:
                text = pattern.sub(new, text)
        head, line, rest = structure.split_lines(text)
        text = head + self._line(line, row) + rest
        return "".join(self._all_lines(text, row)) if self.options.lines == "all" else text

    def _all_lines(self, text: str, row: CaptionRow) -> list[str]:
        """Edit the lines below the first, except those of sentences only."""
        first, *others = _LINES.findall(text)
        parts = list(first)
        for line, end in others:
            tags = structure.tags_of(line)
            prosaic = all(map(sentences.is_sentence, tags))
            parts += [line if prosaic else self._line(line, row), end]
        return parts

    def _line(self, line: str, row: CaptionRow) -> str:
        if not line:
            return structure.SEPARATOR.join(self._stepped([], row))
        for step in self._steps:
            line = self._structured(line, step, row)
        return line

    def _structured(self, line: str, step: EditStep, row: CaptionRow) -> str:
        """Run one step over a line with structure."""
        if isinstance(step, SortTags):
            return step.line(line, row)
        if step == self._apply_rules:
            return self._ruled(line, row)
        tags = structure.tags_of(line)
        new = step(tags, row)
        if isinstance(step, Move) and new != tags:
            # Removed first: a moved tag counts as new, and belongs to its new place.
            line = rewrite_tags.with_new_tags(line, captions.remove(tags, [step.tag]))
        return rewrite_tags.with_new_tags(line, new)

    @cached_property
    def _needles(self) -> tuple[str, ...] | None:
        """Texts of which a caption must contain one to change; ``None`` if others may change."""
        wanted = (*self.options.replace, *self.options.remove)
        return _folded_keys(wanted) if self._only("replace", "remove") else None

    def _only(self, *names: str) -> bool:
        """Return whether the options request only these changes."""
        options = self.options
        others = {"where", "path", "find", "dry_run", "show"}
        only = EditOptions(**{name: getattr(options, name) for name in names})
        return options.model_dump(exclude=others) == only.model_dump(exclude=others)

    # ---- steps -----------------------------------------------------------------------------

    @cached_property
    def _steps(self) -> list[EditStep]:
        options, steps = self.options, list[EditStep]()
        if options.lower or options.words or options.brackets:
            steps.append(self._respell)
        if self._known:
            steps.append(self._imply)
        steps += [Replace(old, separate([new])) for old, new in options.replace.items()]
        if options.regex and not options.whole:
            steps.append(self._sub)
        if options.remove:
            steps.append(Remove(options.remove))
        if options.add:
            steps.append(Add(captions.unique(options.add)))
        if options.prepend:
            steps.append(Add(captions.unique(options.prepend), first=True))
        steps += [Move(tag, place) for tag, place in options.move.items()]
        if options.dedupe:
            steps.append(lambda tags, _row: captions.unique(tags))
        steps += [self._sort(order) for order in options.sort]
        if options.weights:
            steps = [weighted(step) for step in steps]
        return [*steps, self._apply_rules] if options.rules else steps

    def rules(self, folder: str) -> Rules:
        """Return the rules of a concept folder."""
        if folder not in self._rules:
            self._rules[folder] = rules_for(self.project, folder)
        return self._rules[folder]

    def _respell(self, tags: TagList, row: CaptionRow) -> TagList:
        known = self._spellings.get(row.folder)
        if known is None:
            triggers = self._triggers(row.folder)
            known = captions.TagCache(lambda tag: tag if tag in triggers else self._spelling(tag))
            self._spellings[row.folder] = known
        return list(map(known.__getitem__, tags))

    def _spelling(self, tag: str) -> str:
        new, options = tag, self.options
        if not sentences.is_sentence(tag) and not captions.is_face(tag):
            new = new.lower() if options.lower else new
            if options.words:
                old, parting = ("_", " ") if options.words == "spaces" else (" ", "_")
                new = new.replace(old, parting)
            if options.brackets == "plain":
                new = _ESCAPED_BRACKET.sub(r"\1", new)
            elif options.brackets == "escaped":
                new = PLAIN_BRACKET.sub(r"\\\1", new)
        return new

    @cached_property
    def _known(self) -> Implications:
        return load_implications(self.options.aliases, self.options.implications)

    def _imply(self, tags: TagList, row: CaptionRow) -> TagList:
        known = self._known
        named = [known.resolved(tag) for tag in tags] if known.aliases else tags
        named = tags if named == tags else _without_new_doubles(named, tags)
        if not self.options.implications:
            return named
        if not self.options.expand:
            return known.collapsed(named)
        more = known.expanded(named)
        return more if len(more) == len(named) else self._without_removed(more, named, row)

    def _without_removed(self, tags: TagList, before: TagList, row: CaptionRow) -> TagList:
        """Remove added tags that a person has removed from this caption."""
        if row.path not in self._decided:
            return tags
        minus = captions.remove(self._manual(row).removed, before)
        return captions.remove(tags, captions.remove(minus, self._triggers(row.folder)))

    def decisions(self, row: CaptionRow, after: str | None) -> list[CaptionState]:
        """Return the manual edits behind a caption before and after the edit, to be stored.

        Most edits need none: they show when captions are compared. That is not so where implied
        tags are added (removing one of them is a manual edit, which looks like a tag that was
        never there), nor where the new text is one that existed before.
        """
        rules = self.rules(row.folder)
        adds = self.options.expand or (self.options.rules and rules.expand)
        if not adds and not (
            row.path in self._decided and self.manual_edits.knows(row.path, after)
        ):
            return []
        now = self._manual(row)
        new = infer_manual_edits(now, captions.split(after or ""), rules)
        return [(row.path, row.caption, now), (row.path, after, new)]

    def _manual(self, row: CaptionRow) -> ManualEdits:
        known = self.manual_edits.behind(row.path, row.caption)
        return infer_manual_edits(known, captions.split(row.caption or ""), self.rules(row.folder))

    @cached_property
    def manual_edits(self) -> ManualEditStore:
        """The store of manual edits."""
        return ManualEditStore(self.index)

    @cached_property
    def _decided(self) -> frozenset[str]:
        return self.manual_edits.paths()

    @cached_property
    def _patterns(self) -> list[tuple[Expression, str]]:
        return [(Expression(pattern), new) for pattern, new in self.options.regex.items()]

    def _sub(self, tags: TagList, row: CaptionRow) -> TagList:
        del row
        new = self._substitutes(tags)
        return tags if new is tags or new == tags else _without_new_doubles(new, tags)

    @cached_property
    def _substitutes(self) -> TagMap:
        return TagMap(self._substituted)

    def _substituted(self, tag: str) -> Sequence[str]:
        if sentences.is_sentence(tag):
            return (tag,)
        new = tag
        for pattern, replacement in self._patterns:
            new = pattern.sub(replacement, new)
        return (tag,) if new == tag else separate([new])

    def _apply_rules(self, tags: TagList, row: CaptionRow) -> TagList:
        rules = self.rules(row.folder)
        new = rules.apply(tags)
        return self._without_removed(new, tags, row) if rules.expand else new

    def _ruled(self, line: str, row: CaptionRow) -> str:
        rules = self.rules(row.folder)
        new = rules.text(line)
        if not rules.expand:
            return new
        tags = structure.tags_of(new)
        left = self._without_removed(tags, structure.tags_of(line), row)
        return rewrite_tags.with_new_tags(new, left)

    # ---- orders ----------------------------------------------------------------------------

    def _sort(self, order: SortOrder) -> EditStep:
        if order == "trigger":
            return lambda tags, row: captions.move_first(tags, self.rules(row.folder).triggers)
        if order == "score":
            return SortTags(
                lambda tags, row: by_table(self.scores.of(row.content, tags)), self._triggers
            )
        rank: Rank = people_first
        if order == "alphabetical":
            rank = captions.key
        elif order == "count":
            rank = by_table(self._counts)
        known = captions.TagCache(rank).__getitem__
        return SortTags(lambda _tags, _row: known, self._triggers)

    def _triggers(self, folder: str) -> Sequence[str]:
        return self.rules(folder).triggers

    @cached_property
    def _counts(self) -> dict[str, float]:
        if self.options.counts is not None:
            return read_counts(self.options.counts)
        return {captions.key(tag): float(n) for tag, n in self.index.tag_counts()}

    @cached_property
    def scores(self) -> MainTaggerScores:
        """The scores of the tagger."""
        return MainTaggerScores(self.index)


def _without_new_doubles(tags: TagList, before: TagList) -> TagList:
    """Drop repetitions of tags that an edit has written; others are not its business."""
    return captions.without_doubles(tags, set(captions.keys(set(tags).difference(before))))


def _folded_keys(tags: Sequence[str]) -> tuple[str, ...] | None:
    """Return the texts one of which a caption with these tags contains; ``None`` for patterns."""
    keys = captions.keys(tags)
    if any("*" in key for key in keys):
        return None
    return tuple(key.replace("_", " ") for key in keys)


def _may_hold(text: str, needles: Sequence[str]) -> bool:
    """Return whether a caption may have one of the tags (or a tag with the same letters)."""
    folded = composed(composed(text).casefold()).replace("_", " ")
    if "\\" in folded:
        folded = folded.replace("\\(", "(").replace("\\)", ")")
    for needle in needles:  # noqa: SIM110  (a generator takes twice as long)
        if needle in folded:
            return True
    return False
