"""Compare two taggers by their stored scores, and list the stored ones."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from pydantic import Field

from prep import captions, events
from prep.dataset.index import Index
from prep.dataset.values.score_blobs import SCORE_BYTES
from prep.errors import ConfigError
from prep.ops.score_options import ScoreOptions, contents_of, from_stored, scored_rows, warnings
from prep.project import Project
from prep.tagging.models.tables import RATING, TagTable
from prep.tagging.scores.contrast import Contrast, of_taggers
from prep.tagging.scores.taggers import stored


class CompareOptions(ScoreOptions):
    """Two taggers: --model and --also, each at its own thresholds unless others are given."""

    sort: Literal["difference", "agreement"] = "difference"
    """Which tags to list first: those with the most difference or the most agreement."""
    show: int = Field(20, ge=0)
    """Number of tags to list; 0 for all."""
    images: int = Field(5, ge=0)
    """Number of images to list, those with the most differences."""


def listed(project: Project) -> Iterator[events.Event]:
    """List the taggers with stored scores.

    Yields:
        StoredScores for each tagger, the one used last first; Finished with ``taggers``.
    """
    with Index(project) as index:
        found = stored(index)
    for one in found:
        size = SCORE_BYTES * len(one.table) * one.images
        advice = (one.general, one.character)
        yield events.StoredScores(one.name, one.key[:8], one.images, len(one.table), size, *advice)
    yield events.Finished({"taggers": len(found)})


def run(project: Project, options: CompareOptions) -> Iterator[events.Event]:
    """Compare two taggers by the tags that both know.

    Yields:
        Progress; Warned for thresholds of unknown tags; Agreement for each tag; ImageAgreement for
        the images they differ about most; Finished with ``images``, ``unscored`` (left out),
        ``first`` and ``second`` (names), ``shared`` (tags that both know), ``both``,
        ``only_first`` and ``only_second`` (selected tags) and ``agreement`` (share of selected tags
        that both select, 0 to 1).

    Raises:
        ConfigError: There are not two taggers, a bad filter, or no image with both scores.
        UserError: A tagger has no stored scores.
    """
    with Index(project) as index:
        both = from_stored(project, index, options)
        if len(both.members) != 2:
            names = ", ".join(dict.fromkeys(one.name for one in stored(index)))
            raise ConfigError(
                "A comparison needs two different taggers.",
                f"Give them with --model and --also. There are scores of: {names}",
            )
        yield from warnings(both)
        rows, unscored = scored_rows(index, options.where, both)
        contents = contents_of(rows)
        found = Contrast(both.table)
        throttle = events.Throttle()
        for found in of_taggers(both, contents, options.images, options.top):
            yield from events.tick("compare", len(contents), throttle, found.images)
        yield from _agreements(found, options)
        for place, shared, first, second in found.worst():
            spelled = (list(map(captions.spaced, part)) for part in (first, second))
            yield events.ImageAgreement(rows[place].path, shared, *spelled)
        known = [_tags(one.table) for one in both.members]
        yield events.Finished(
            {
                "images": len(rows),
                "unscored": unscored,
                "first": both.members[0].name,
                "second": both.members[1].name,
                "shared": len(known[0] & known[1]),
                "both": int(found.both.sum()),
                "only_first": int(found.first.sum()),
                "only_second": int(found.second.sum()),
                "agreement": round(found.agreement, 4),
            }
        )


def _tags(table: TagTable) -> set[str]:
    pairs = zip(table.names, table.categories, strict=True)
    return {captions.key(name) for name, category in pairs if category != RATING}


def _agreements(found: Contrast, options: CompareOptions) -> Iterator[events.Agreement]:
    columns = found.by_difference()
    if options.sort == "agreement":
        order = np.argsort(-found.both, kind="stable")
        columns = order[found.both[order] > 0].tolist()
    for column in columns[: options.show] if options.show else columns:
        counts = (int(part[column]) for part in (found.both, found.first, found.second))
        yield events.Agreement(captions.spaced(found.table.names[column]), *counts)
