"""Thresholds that are tried live: from kept scores to the captions that they would write.

``shikomi tag --general 0.4 --dry-run`` answers the same question once; here it is asked again with
every move of a slider, so what does not change is read only once (``prep.tagging.caption_trial``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from prep.dataset.contents import hash_contents
from prep.dataset.index import ImageRow, Index
from prep.dataset.journal.edits import Journal, Outcome
from prep.dataset.journal.settings_change import settings_change
from prep.ops.score_options import (
    ScoreOptions,
    combined,
    ensemble_of,
    from_stored,
    names_of,
    thresholds,
)
from prep.project import Project
from prep.tagging.caption_trial import CaptionTrial
from prep.tagging.captions import Compiler
from prep.tagging.models.tables import CATEGORIES
from prep.tagging.scores.ensemble import Combine, Ensemble, EnsembleMember, seen
from prep.tagging.scores.taggers import StoredTagger, choose, stored
from prep.tagging.scores.thresholds import Thresholds
from prep.tagging.scores.writing import Writing


@dataclass(frozen=True)
class Chosen:
    """The images that are meant: these ids, or, without any, those that match the filter."""

    ids: tuple[int, ...] = ()
    where: str = ""

    def rows(self, index: Index) -> list[ImageRow]:
        """Return the usable ones.

        Raises:
            ConfigError: The filter is not valid.
        """
        found = index.rows(self.ids) if self.ids else index.iterate(self.where)
        return [row for row in found if row.usable]


class ThresholdTrial:
    """Thresholds of the taggers of a project, tried on its captions.

    Attributes:
        options: What was asked for, with the names of the taggers and how they are combined.
        trial: What has been read, and what the newest thresholds make of it.
        unscored: Images that are left out, since not all taggers have scored them.
    """

    def __init__(self, project: Project, index: Index, options: ScoreOptions) -> None:
        """Open the scores of the taggers that the options ask for.

        Raises:
            UserError: One of them has no stored scores.
        """
        self._project, self._index = project, index
        self._taggers = _taggers(project, index, options)
        how = combined(project, options)
        ensemble = ensemble_of([_member(index, one, _lowest()) for one in self._taggers], how)
        self._known = ensemble.known()
        self.trial = CaptionTrial(project, index, ensemble, options.top)
        names = [one.name for one in self._taggers]
        asked = {"model": names[0], "also": tuple(names[1:]), "combine": how}
        self.options = options.model_copy(update=asked)
        self.unscored = 0

    def read(self, chosen: Chosen) -> Iterator[tuple[int, int]]:
        """Read scores and captions; yields how many images of how many have been read.

        Raises:
            ConfigError: The filter is not valid.
        """
        rows = chosen.rows(self._index)
        if new := [row for row in rows if not row.content]:
            # Copies of a file share its scores, and are known by their bytes.
            for _ in hash_contents(self._index, new):
                yield 0, len(rows)
            rows = chosen.rows(self._index)
        scored = [row for row in rows if row.content in self._known]
        self.unscored = len(rows) - len(scored)
        yield 0, len(scored)
        for done in self.trial.read(scored):
            yield done, len(scored)

    def at(self, options: ScoreOptions) -> Iterator[int]:
        """Try the thresholds of options; see ``CaptionTrial.at``."""
        return self.trial.at([self._thresholds(one, options) for one in self._taggers])

    def limits(self, options: ScoreOptions) -> dict[str, float | None]:
        """Return the threshold of each category, by the first tagger; ``None`` for one by tag."""
        first = self._thresholds(self._taggers[0], options)
        named = first.named()
        return {
            name: None
            if first.columns and name not in first.chosen
            else named.get(name, first.general)
            for name in self.trial.categories()
            if name not in first.omitted
        }

    def _thresholds(self, one: StoredTagger, options: ScoreOptions) -> Thresholds:
        return thresholds(self._project, options, one.recommended)


def applied(
    project: Project,
    index: Index,
    options: ScoreOptions,
    chosen: Chosen,
    *,
    captions: bool = True,
    settings: bool = False,
) -> Outcome:
    """Take thresholds over, as one edit that can be undone.

    Everything is read anew: what was changed since it was tried is not written over.

    Args:
        project: The project.
        index: Open index.
        options: The taggers and thresholds.
        chosen: The images; those without scores stay as they are.
        captions: Write the captions.
        settings: Write the thresholds into ``shikomi.toml``.

    Raises:
        UserError: A tagger has no stored scores.
        ConfigError: The filter is not valid.
    """
    ensemble = from_stored(project, index, options)
    title = f"thresholds of {ensemble.title}"
    compiler = Compiler(project, index, "merge", Writing(project, ensemble.table))
    if captions:
        _compile(ensemble, compiler, chosen.rows(index), options.top)
    if settings:
        change, _ = settings_change(project, {"tagger": threshold_settings(options)})
        compiler.changes.append(change)
    return compiler.apply(Journal(index), title)


def votes(
    project: Project, index: Index, options: ScoreOptions, chosen: Chosen
) -> dict[Combine, int]:
    """Count the tags that several taggers find in the images, by how they are combined.

    Args:
        project: The project.
        index: Open index.
        options: The taggers and thresholds; ``combine`` does not matter.
        chosen: The images; those that not all taggers have scored are left out.

    Raises:
        UserError: A tagger has no stored scores.
        ConfigError: The filter is not valid.
    """
    ensemble = from_stored(project, index, options)
    known = ensemble.known()
    contents = [row.content or "" for row in chosen.rows(index) if row.content in known]
    found: dict[Combine, int] = dict.fromkeys(get_args(Combine), 0)
    for portion in ensemble.portions(contents):
        for how in found:
            found[how] += len(replace(portion, how=how).taken(options.top).rows)
    return found


def threshold_settings(options: ScoreOptions) -> dict[str, Any]:
    """Return the thresholds of options as they stand in ``[tagger]``."""
    found = options.model_dump(include={"general", "character", "categories"}, exclude_none=True)
    return {name: value for name, value in found.items() if value != {}}


def of_categories(values: dict[str, float]) -> dict[str, Any]:
    """Return the fields of ``ScoreOptions`` for thresholds by category.

    Example:
        >>> of_categories({"general": 0.4, "artist": 0.5})
        {'general': 0.4, 'categories': {'artist': 0.5}}
    """
    own: dict[str, Any] = {
        name: values[name] for name in ("general", "character") if name in values
    }
    others = {name: value for name, value in values.items() if name not in own}
    assert set(others) <= set(CATEGORIES)
    return {**own, **({"categories": others} if others else {})}


def _compile(ensemble: Ensemble, compiler: Compiler, rows: Sequence[ImageRow], top: int) -> None:
    known = ensemble.known()
    scored = [row for row in rows if row.content in known]
    start = 0
    for portion in ensemble.portions([row.content or "" for row in scored]):
        part = scored[start : start + len(portion.contents)]
        start += len(part)
        for row, found in zip(part, seen(portion, top), strict=True):
            for _ in compiler.add(row, found):  # a caption that cannot be read stays as it is
                pass


def _taggers(project: Project, index: Index, options: ScoreOptions) -> list[StoredTagger]:
    known = stored(index)
    names = names_of(project, options)
    if known and (not names[0] or (not options.model and not _has(known, names[0]))):
        names[0] = known[0].name
    found = {one.key: one for one in (choose(known, name) for name in names)}
    return list(found.values())


def _has(known: Sequence[StoredTagger], name: str) -> bool:
    return any(one.is_called(name) for one in known)


def _member(index: Index, one: StoredTagger, given: Thresholds) -> EnsembleMember:
    return EnsembleMember(one.name, one.store(index), one.table, given)


def _lowest() -> Thresholds:
    """Return thresholds at which all scores are read that a slider can reach."""
    return Thresholds(general=0.05, character=0.05)
