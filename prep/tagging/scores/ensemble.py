"""One tagger, or several combined: which tags are selected if they disagree.

A tag is decided by the taggers that know it. Each has its own thresholds, so the combination uses
not scores but margins (score minus threshold): the best margin decides a union, the worst an
intersection, the median a vote (more than half), and their mean the mean. The second best decides a
consensus (two of them), and without a second one there is none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from prep import captions
from prep.dataset.values.score_blobs import Halves, Integers
from prep.tagging.models.tables import RATING, TagTable
from prep.tagging.scores.sparse import FLOOR, Sparse
from prep.tagging.scores.store import ScoreStore, TaggerResult, TagOrder
from prep.tagging.scores.thresholding import Limits, ScorePairs, limits_of
from prep.tagging.scores.thresholds import Thresholds

Combine = Literal["union", "intersection", "mean", "vote", "consensus"]

_PORTION = 2048
"""Images at once: a megabyte of sparse scores per tagger."""
_DIGITS = 4


@dataclass(frozen=True)
class EnsembleMember:
    """One tagger of an ensemble: its scores and thresholds."""

    name: str
    store: ScoreStore
    table: TagTable
    thresholds: Thresholds


class Ensemble:
    """Taggers that decide together.

    Attributes:
        members: The taggers of the ensemble.
        how: How they are combined.
        table: All tags that they know: those of the first, then those that others add.
    """

    def __init__(self, members: Sequence[EnsembleMember], how: Combine = "union") -> None:
        """Combine taggers; their tables may differ."""
        self.members, self.how = tuple(members), how
        self.table, self._places = _common([member.table for member in members])

    @property
    def title(self) -> str:
        """Its name and thresholds, for display."""
        parts = [f"{member.name} ({member.thresholds})" for member in self.members]
        return f"{self.how} of {', '.join(parts)}" if len(parts) > 1 else parts[0]

    def known(self) -> set[str]:
        """Return the contents that all of them have scored."""
        return set.intersection(*(member.store.known() for member in self.members))

    def portions(self, contents: Sequence[str], slack: float = 0.0) -> Iterator["Portion"]:
        """Yield the scores of contents that all have scored, a few thousand at a time.

        Args:
            contents: Hashes of contents; repeats are allowed.
            slack: How far below thresholds scores are included.
        """
        for start in range(0, len(contents), _PORTION):
            part = list(contents[start : start + _PORTION])
            views = [
                _view(member, part, places, slack)
                for member, places in zip(self.members, self._places, strict=True)
            ]
            yield Portion(part, self.table, self.how, views)


def _common(tables: Sequence[TagTable]) -> tuple[TagTable, list[Integers]]:
    """Return one table for all, and for each tagger the indices of its columns in it."""
    first, *others = tables
    names, categories = list(first.names), list(first.categories)
    places = [np.arange(len(first))]
    known = {captions.key(name): n for n, name in reversed(list(enumerate(names)))}
    for table in others:
        if table == first:
            places.append(places[0])
            continue
        own: dict[int, None] = {}
        for name, category in zip(table.names, table.categories, strict=True):
            # "general" is a rating and may also be a tag; two names may have the same key.
            place = known.get(captions.key(name))
            rating = category == RATING
            if place is None or place in own or (categories[place] == RATING) != rating:
                place = len(names)
                known.setdefault(captions.key(name), place)
                names.append(name)
                categories.append(category)
            own[place] = None
        places.append(np.array(list(own), np.intp))
    return TagTable(tuple(names), tuple(categories)), places


@dataclass(frozen=True)
class _View:
    """The scores of one tagger for some images.

    Attributes:
        places: Indices of its columns in the common table.
        store: Store, for scores below the floor.
    """

    sparse: Sparse
    limits: Limits
    table: TagTable
    places: Integers
    store: ScoreStore

    def columns_of(self, common: Integers, width: int) -> Integers:
        """Return its columns for columns of the common table, -1 for unknown tags."""
        own = np.full(width, -1, np.intp)
        own[self.places] = np.arange(len(self.places))
        return own[common]


def _view(member: EnsembleMember, contents: Sequence[str], places: Integers, slack: float) -> _View:
    table, thresholds = member.table, member.thresholds
    fixed = thresholds.limits(table)
    floors: Halves = np.minimum(fixed - np.float16(slack), np.float16(FLOOR))
    if not thresholds.mcut and np.min(fixed, initial=1.0) - slack >= FLOOR:
        floors = np.full(len(table), FLOOR, np.float16)
    sparse = member.store.sparse(contents, np.maximum(floors, np.float16(0)))

    def exact(rows: Integers) -> Halves:
        return member.store.load([contents[row] for row in rows])

    limits = limits_of(sparse, table, thresholds, exact)
    least = np.float16(np.nanmin(limits.moving, initial=1.0) - slack)
    if least < FLOOR:  # an image with few tags, whose gap is among low scores
        floors = np.minimum(floors, least)
        sparse = member.store.sparse(contents, np.maximum(floors, np.float16(0)))
    return _View(sparse, limits, table, places, member.store)


@dataclass(frozen=True)
class Portion:
    """The scores of all taggers for some images.

    Attributes:
        contents: Hashes of the images.
        table: The tags.
        how: How taggers are combined.
    """

    contents: list[str]
    table: TagTable
    how: Combine
    views: list[_View]

    def with_thresholds(self, thresholds: Sequence[Thresholds]) -> "Portion":
        """Return the same scores with other thresholds, of each tagger; none may be lower.

        Args:
            thresholds: Not below the lower of ``FLOOR`` and those that the scores were read with.
        """
        views = []
        for view, given in zip(self.views, thresholds, strict=True):
            exact = partial(_exact, view.store, self.contents)
            views.append(replace(view, limits=limits_of(view.sparse, view.table, given, exact)))
        return replace(self, views=views)

    def taken(self, top: int = 0) -> ScorePairs:
        """Return the tags over their thresholds, the best ``top`` of each image."""
        return self.near(0.0).best(top)

    def by(self, tagger: int) -> ScorePairs:
        """Return the tags over the thresholds of one of the taggers."""
        view = self.views[tagger]
        pairs = _over(view, 0.0)
        places = view.places[pairs.columns]
        order = np.lexsort((places, pairs.rows))
        return ScorePairs(pairs.rows, places, pairs.scores, pairs.limits).only(order)

    def near(self, slack: float) -> ScorePairs:
        """Return the tags over their thresholds, or at most ``slack`` below."""
        if len(self.views) == 1:
            return _over(self.views[0], slack)
        width = max(1, len(self.table))
        spots = [_spots(view, _over(view, slack), width) for view in self.views]
        rows, columns = np.divmod(np.unique(np.concatenate(spots)), width)
        pairs = self.at(rows, columns, exact=self.how == "mean")
        return pairs.only(_margins(pairs) >= -np.float32(slack))

    def at(self, rows: Integers, columns: Integers, *, exact: bool = True) -> ScorePairs:
        """Return single scores with their thresholds, in the given order.

        Args:
            rows: Indices of images.
            columns: Columns of the table.
            exact: Also look up scores below the floor; otherwise they count as 0.
        """
        shape = (len(self.views), len(rows))
        scores, limits = np.full(shape, np.nan), np.full(shape, np.nan)
        for n, view in enumerate(self.views):
            own = view.columns_of(columns, len(self.table))
            known = np.flatnonzero(own >= 0)
            found = view.sparse.at(rows[known], own[known], len(view.table))
            low = np.flatnonzero(np.isnan(found))
            found[low] = 0
            if exact and len(low):
                contents = [self.contents[row] for row in rows[known[low]]]
                found[low] = view.store.at(contents, own[known[low]])
            scores[n, known] = found
            limits[n, known] = view.limits.at(rows[known], own[known])
        if len(self.views) > 1:
            # Who leaves a category out has no say in it.
            silent = np.isinf(limits)
            scores[silent], limits[silent] = np.nan, np.nan
            scores, limits = _decided(scores, limits, self.how)
        return ScorePairs(
            rows, columns, *(part.reshape(-1).astype(np.float32) for part in (scores, limits))
        )

    @cached_property
    def ratings(self) -> list[str]:
        """The most likely rating of each image, by the mean of the taggers; empty for none."""
        places = self.table.ratings
        if not len(places):
            return [""] * len(self.contents)
        rows = np.repeat(np.arange(len(self.contents)), len(places))
        columns = np.tile(places, len(self.contents))
        sums = np.zeros(len(rows))
        counts = np.zeros(len(rows))
        for view in self.views:
            own = view.columns_of(columns, len(self.table))
            known = own >= 0
            found = view.sparse.at(rows[known], own[known], len(view.table))
            sums[known] += np.nan_to_num(found)
            counts[known] += 1
        means = (sums / np.maximum(counts, 1)).reshape(-1, len(places))
        return [self.table.names[n] for n in places[means.argmax(axis=1)]]


def _exact(store: ScoreStore, contents: Sequence[str], rows: Integers) -> Halves:
    return store.load([contents[row] for row in rows])


def _over(view: _View, slack: float) -> ScorePairs:
    sparse = view.sparse
    limits = view.limits.at(sparse.rows, sparse.columns)
    pairs = ScorePairs(sparse.rows, sparse.columns, sparse.values.astype(np.float32), limits)
    return pairs.only(_margins(pairs) >= -np.float32(slack))


def _margins(pairs: ScorePairs) -> NDArray[np.float32]:
    return pairs.scores - pairs.limits


def _spots(view: _View, pairs: ScorePairs, width: int) -> Integers:
    found: Integers = pairs.rows * width + view.places[pairs.columns]
    return found


def _decided(
    scores: NDArray[np.float64], limits: NDArray[np.float64], how: Combine
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the score and threshold that decide, from those of all taggers, NaN for unknown."""
    known = ~np.isnan(scores)
    counts = known.sum(axis=0)
    if how == "mean":
        sums = (np.where(known, part, 0).sum(axis=0) for part in (scores, limits))
        mean, limit = (part / np.maximum(counts, 1) for part in sums)
        return mean, limit
    margins = np.where(known, scores - limits, -np.inf)
    order = np.argsort(-margins, axis=0, kind="stable")
    places = {"union": 0, "intersection": counts - 1, "vote": counts // 2, "consensus": 1}
    place = np.minimum(places[how], np.maximum(counts - 1, 0))
    chosen = np.take_along_axis(order, place[None], 0)
    score, limit = (np.take_along_axis(part, chosen, 0)[0] for part in (scores, limits))
    return (np.where(counts > 1, score, np.nan) if how == "consensus" else score), limit


def seen(
    portion: Portion,
    top: int = 0,
    order: TagOrder = "score",
    kept: NDArray[np.bool_] | None = None,
) -> Iterator[TaggerResult]:
    """Yield the result for each image of a portion: the tags over their thresholds.

    Args:
        portion: Some images.
        top: Maximum of tags, the best ones; 0 for all.
        order: Best first, or as in the table.
        kept: Mask of the tags of the table that are allowed; ``None`` for all.
    """
    pairs = portion.taken(top)
    if kept is not None:
        pairs = pairs.only(kept[pairs.columns])
    if order == "score":
        pairs = pairs.only(np.lexsort((pairs.columns, -pairs.scores, pairs.rows)))
    bounds = np.searchsorted(pairs.rows, np.arange(len(portion.contents) + 1)).tolist()
    names = [portion.table.names[column] for column in pairs.columns.tolist()]
    values = [round(value, _DIGITS) for value in pairs.scores.tolist()]
    for n, rating in enumerate(portion.ratings):
        part = slice(bounds[n], bounds[n + 1])
        yield TaggerResult(rating, list(zip(names[part], values[part], strict=True)))
