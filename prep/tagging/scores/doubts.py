"""Find doubtful tags: those on which scores and captions disagree.

Reviewing a dataset tag by tag takes days, and nearly all tags are beyond doubt. The others are
asked about in order of importance: first captions against clear scores, last close calls on which
both agree. Decisions that a person has made are not asked again.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prep import captions
from prep.captions import sentences
from prep.captions.layers import infer_manual_edits
from prep.captions.rules import Rules
from prep.dataset.index import ImageRow, Index
from prep.dataset.journal.manual_edits import ManualEditStore
from prep.dataset.journal.tag_answers import AnswerStore
from prep.dataset.values.score_blobs import Integers
from prep.project.caption_rules import rules_for
from prep.tagging.scores.ensemble import Ensemble, Portion
from prep.tagging.scores.thresholding import ScorePairs
from prep.tagging.scores.writing import Writing

Reason = Literal["missing", "unseen", "near"]
_DIGITS = 3
"""Decimals that float16 distinguishes around 0.5."""


class DoubtfulTag(NamedTuple):
    """A doubtful tag of one image.

    Attributes:
        path: Path of the image.
        tag: The tag, spelled as in captions.
        reason: ``missing``: scored high, but not in the caption; ``unseen``: in the caption, but
            scored low; ``near``: caption and score agree, but barely.
        score: Score from the taggers, 0 to 1.
        threshold: Score from which it is selected.
        present: The caption has it.
        doubt: 0 to 1; from 0.5, caption and score disagree, and higher means more.
    """

    path: str
    tag: str
    reason: Reason
    score: float
    threshold: float
    present: bool
    doubt: float

    @property
    def order(self) -> tuple[float, str, str]:
        """Sort key of the queue: the same scores and captions give the same order."""
        return -self.doubt, self.path, self.tag

    @property
    def tagger(self) -> bool:
        """Return whether the tag is in the image according to the tagger.

        The rounded scores do not tell; a close call is one where caption and tagger agree.
        """
        return self.present == (self.reason == "near")


@dataclass(frozen=True)
class Queue:
    """The most doubtful tags, and the total counts.

    Attributes:
        items: The tags, most doubtful first.
        counts: Number of all doubts, by reason.
        images: Number of images with doubts.
    """

    items: list[DoubtfulTag]
    counts: Counter[str]
    images: int


class Doubts:
    """Finds doubtful tags."""

    def __init__(
        self,
        index: Index,
        ensemble: Ensemble,
        *,
        margin: float,
        decided: bool,
        wanted: Callable[[DoubtfulTag], bool],
    ) -> None:
        """Prepare a search.

        Args:
            index: Open index.
            ensemble: Taggers whose scores are compared with captions.
            margin: Distance from the threshold within which a score is a close call.
            decided: Also ask about tags that were decided by hand.
            wanted: Kinds of doubts to ask about.
        """
        self._index, self._ensemble = index, ensemble
        self._margin, self._decided, self._wanted = margin, decided, wanted
        self._written = Writing(index.project, ensemble.table).columns()
        self._names: dict[tuple[str, ...], _Names] = {}
        self._rules: dict[str, Rules] = {}
        self._hands, self._answers = ManualEditStore(index), AnswerStore(index).all()
        self._handled = self._hands.paths()

    def search(self, rows: Sequence[ImageRow], limit: int) -> Iterator[Queue]:
        """Yield the most doubtful tags found so far every now and then, and those of all last.

        Args:
            rows: Images that all taggers have scored; those without a caption are left out.
            limit: How many doubts to keep; 0 for all.
        """
        captioned = [row for row in rows if row.tags]
        counts: Counter[str] = Counter()
        images: set[str] = set()
        best: list[DoubtfulTag] = []
        start = 0
        yield Queue(best, counts, 0)
        for portion in self._ensemble.portions(
            [row.content or "" for row in captioned], self._margin
        ):
            part = captioned[start : start + len(portion.contents)]
            start += len(part)
            new = [doubt for doubt in self._of(part, portion) if self._wanted(doubt)]
            counts.update(doubt.reason for doubt in new)
            images.update(doubt.path for doubt in new)
            best += new
            if limit:
                best = heapq.nsmallest(limit, best, key=lambda doubt: doubt.order)
            yield Queue(best, counts, len(images))
        yield Queue(sorted(best, key=lambda doubt: doubt.order), counts, len(images))

    def _of(self, rows: Sequence[ImageRow], portion: Portion) -> Iterator[DoubtfulTag]:
        names = [self._names_of(row.folder) for row in rows]
        there = _there(rows, names, len(portion.table))
        present = portion.at(there.rows, there.columns)
        low = present.scores < present.limits + np.float32(self._margin)
        low &= np.isfinite(present.limits)  # of what is left out, nothing is expected
        yield from self._doubts(rows, names, present.only(low), present=True)
        close = portion.near(self._margin)
        absent = ~np.isin(close.rows * len(portion.table) + close.columns, there.covered)
        yield from self._doubts(rows, names, close.only(absent), present=False)

    def _doubts(
        self,
        rows: Sequence[ImageRow],
        names: Sequence["_Names"],
        pairs: ScorePairs,
        *,
        present: bool,
    ) -> Iterator[DoubtfulTag]:
        """Yield a doubt for each tag; of outputs with the same name, for the surest one."""
        order = np.lexsort((pairs.limits - pairs.scores, pairs.rows))
        last, seen, decided = -1, set[str](), frozenset[str]()
        for row, column, score, limit in zip(
            *(
                part[order].tolist()
                for part in (pairs.rows, pairs.columns, pairs.scores, pairs.limits)
            ),
            strict=True,
        ):
            if row != last:
                last, seen = row, set()
                decided = frozenset() if self._decided else self._decisions(rows[row])
            tag = names[row].tag_of[column]
            if tag is None or (key := captions.key(tag)) in seen or key in decided:
                continue
            seen.add(key)
            if not present and _in_sentences(rows[row], key):
                continue
            if key not in self._triggers(rows[row].folder):
                yield self._doubt(rows[row].path, tag, score, limit, present=present)

    def _doubt(
        self, path: str, tag: str, score: float, limit: float, *, present: bool
    ) -> DoubtfulTag:
        reason: Reason = "near"
        if score >= limit and not present:
            reason = "missing"
            strength = (score - limit) / max(1 - limit, 1e-6)
        elif score < limit and present:
            reason = "unseen"
            strength = (limit - score) / limit
        else:
            strength = -abs(score - limit) / self._margin if self._margin else -1.0
        doubt = round((1 + min(strength, 1.0)) / 2, _DIGITS)
        return DoubtfulTag(
            path, tag, reason, round(score, _DIGITS), round(limit, _DIGITS), present, doubt
        )

    # ---- names ---------------------------------------------------------------------------

    def _rules_of(self, folder: str) -> Rules:
        if folder not in self._rules:
            self._rules[folder] = rules_for(self._index.project, folder)
        return self._rules[folder]

    def _triggers(self, folder: str) -> set[str]:
        return set(captions.keys(self._rules_of(folder).triggers))

    def _names_of(self, folder: str) -> "_Names":
        """Return the names of a concept; only what it drops differs between concepts."""
        rules = self._rules_of(folder)
        if rules.drop not in self._names:
            plain = replace(rules, trigger="", always_first=(), order="", places={})
            self._names[rules.drop] = _Names.of(self._written, plain)
        return self._names[rules.drop]

    def _decisions(self, row: ImageRow) -> frozenset[str]:
        """Return the keys of the tags of an image that a person has decided."""
        found = list(self._answers.get(row.path, ()))
        if row.path in self._handled:
            known = self._hands.behind(row.path, row.caption)
            manual = (
                infer_manual_edits(known, row.tags, self._rules_of(row.folder)) if known else None
            )
            found += [*manual.added, *manual.removed] if manual else []
        return frozenset(captions.keys(found))


@dataclass(frozen=True)
class _Names:
    """The outputs of a tagger after the caption rules.

    Attributes:
        tag_of: For each column, its tag in captions; ``None`` if rules drop it.
        columns_of: Key of a tag -> columns.
        rules: The rules.
    """

    tag_of: list[str | None]
    columns_of: dict[str, list[int]]
    rules: Rules

    @classmethod
    def of(cls, written: Sequence[tuple[str, ...]], rules: Rules) -> "_Names":
        tag_of: list[str | None] = []
        columns_of: dict[str, list[int]] = {}
        for column, tags in enumerate(written):
            # Of several tags, such as name and series, the first is asked about.
            tag = next(iter(rules.apply(tags[:1])), None) if tags else None
            tag_of.append(tag)
            if tag is not None:
                columns_of.setdefault(captions.key(tag), []).append(column)
        return cls(tag_of, columns_of, rules)


@dataclass(frozen=True)
class _There:
    """Tags in captions: pairs of image and column, and all pairs that these cover.

    Attributes:
        covered: The pairs as integers, with those of implied tags.
    """

    rows: Integers
    columns: Integers
    covered: NDArray[np.intp]


def _there(rows: Sequence[ImageRow], names: Sequence[_Names], width: int) -> _There:
    pairs: list[tuple[int, int]] = []
    covered: list[int] = []
    for place, (row, named) in enumerate(zip(rows, names, strict=True)):
        keys = captions.keys(row.tags)
        known = named.rules.known
        own = [column for key in keys for column in named.columns_of.get(key, ())]
        pairs += [(place, column) for column in own]
        covered += [place * width + column for column in own]
        if known.direct:
            implied = {key for tag in row.tags for key in known.implied_keys(tag)}
            covered += [
                place * width + column
                for key in implied
                for column in named.columns_of.get(key, ())
            ]
    both = np.array(pairs, np.intp).reshape(-1, 2)
    return _There(both[:, 0], both[:, 1], np.array(covered, np.intp))


def _in_sentences(row: ImageRow, key: str) -> bool:
    """Return whether the sentences of a caption contain a tag literally."""
    text = captions.key(" ".join(tag for tag in row.tags if sentences.is_sentence(tag)))
    if not text:
        return False
    words = " ".join("".join(c if c.isalnum() else " " for c in text).split())
    return f" {key} " in f" {words} "
