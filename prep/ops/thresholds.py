"""Try other thresholds on a dataset, from stored scores: no tagger runs."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from pydantic import Field

from prep import captions, events
from prep.dataset.index import Index
from prep.ops.score_options import ScoreOptions, contents_of, from_stored, scored_rows, warnings
from prep.project import Project
from prep.tagging.scores.contrast import Contrast, of_thresholds
from prep.tagging.scores.ensemble import Ensemble
from prep.tagging.scores.thresholds import Thresholds

_STEPS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8)


class ThresholdOptions(ScoreOptions):
    """Other thresholds to try, against those of shikomi.toml."""

    sweep: bool = False
    """Also count the tags for a range of general thresholds."""
    show: int = Field(20, ge=0)
    """Number of tags to list, those that change most; 0 for all."""


def run(project: Project, options: ThresholdOptions) -> Iterator[events.Event]:
    """Count what other thresholds would change, ignoring captions.

    Yields:
        Progress; Warned for thresholds of unknown tags; Sweep, if requested; TagShift for each
        tag that changes, most first; Finished with ``images``, ``unscored`` (left out), ``model``,
        ``instead`` (as text), ``before`` and ``after`` (tags), ``added`` and ``removed`` (tags),
        ``gaining``, ``losing`` and ``changed`` (images).

    Raises:
        ConfigError: The filter is not valid, or none of the images has scores.
        UserError: A tagger has no stored scores.
    """
    with Index(project) as index:
        new = from_stored(project, index, options)
        asked = options.model_dump(include={"where", "model", "also", "combine"})
        old = from_stored(project, index, ScoreOptions.model_validate(asked))
        yield from warnings(new)
        rows, unscored = scored_rows(index, options.where, new)
        contents = contents_of(rows)
        if options.sweep:
            yield from _sweep(new, contents, options.top)
        found = Contrast(new.table)
        throttle = events.Throttle()
        for found in of_thresholds(old, new, contents, (0, options.top)):
            yield from events.tick("thresholds", len(contents), throttle, found.images)
        yield from _shifts(found, options.show)
        yield events.Finished(
            {
                "images": len(rows),
                "unscored": unscored,
                "model": ", ".join(member.name for member in new.members),
                "instead": _instead(old, new),
                "before": int((found.both + found.first).sum()),
                "after": int((found.both + found.second).sum()),
                "added": int(found.second.sum()),
                "removed": int(found.first.sum()),
                "gaining": found.gaining,
                "losing": found.losing,
                "changed": found.changed,
            }
        )


def _shifts(found: Contrast, show: int) -> Iterator[events.TagShift]:
    columns = found.by_difference()
    for column in columns[:show] if show else columns:
        both, lost, gained = (int(p[column]) for p in (found.both, found.first, found.second))
        name = captions.spaced(found.table.names[column])
        yield events.TagShift(name, both + lost, both + gained, gained, lost)


def _sweep(ensemble: Ensemble, contents: list[str], top: int) -> Iterator[events.Event]:
    """Count the tags for several general thresholds, all else unchanged."""
    throttle = events.Throttle()
    for done, step in enumerate(_STEPS, 1):
        members = [
            replace(member, thresholds=member.thresholds.with_general(step))
            for member in ensemble.members
        ]
        tags = empty = 0
        for portion in Ensemble(members, ensemble.how).portions(contents):
            pairs = portion.taken(top)
            tags += len(pairs.rows)
            empty += len(portion.contents) - len(np.unique(pairs.rows))
        yield from events.tick("sweep", len(_STEPS), throttle, done)
        yield events.Sweep(step, tags, round(tags / max(1, len(contents)), 2), empty)


def _instead(old: Ensemble, new: Ensemble) -> str:
    """Describe which thresholds differ."""
    pairs = zip(old.members, new.members, strict=True)
    found = [(new.name, _differences(old.thresholds, new.thresholds)) for old, new in pairs]
    if len({text for _, text in found}) == 1:
        return found[0][1]
    return "; ".join(f"{name}: {text}" for name, text in found if text)


def _differences(old: Thresholds, new: Thresholds) -> str:
    if new.mcut and not old.mcut:
        return f"the widest gap instead of {old}" + (f", best {new.top}" if new.top else "")
    before, after = old.named(), new.named()
    parts = [
        f"{name} {limit:g}" + (f" instead of {before[name]:g}" if name in before else "")
        for name, limit in after.items()
        if before.get(name) != limit
    ]
    return ", ".join([*parts, *([f"best {new.top}"] if new.top else [])])
