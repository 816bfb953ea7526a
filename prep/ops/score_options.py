"""Options of operations on scores: taggers, their combination, and thresholds."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import Field

from prep import events
from prep.dataset.index import ImageRow, Index
from prep.errors import ConfigError
from prep.project import Project, Section
from prep.project.tagger import ByCategory, ByTag, Threshold
from prep.tagging.models.recommended import Recommended
from prep.tagging.scores.ensemble import Combine, Ensemble, EnsembleMember
from prep.tagging.scores.presets import PRESETS, expanded
from prep.tagging.scores.taggers import StoredTagger, choose, stored
from prep.tagging.scores.thresholds import Thresholds, configured


class ScoreOptions(Section):
    """Taggers and thresholds."""

    where: str = ""
    """Only images that match this filter."""
    model: str = ""
    """Tagger: a name listed by shikomi models, a folder with a model, or a repository on the
    Hugging Face hub; or consensus: tags that two of three taggers find (WD swinv2, WD eva02 and
    PixAI). Default: the tagger of shikomi.toml."""
    also: tuple[str, ...] = ()
    """Another tagger that also decides; repeatable."""
    combine: Combine = "union"
    """How several taggers decide about a tag: union (one of them is enough), intersection (all of
    them), vote (more than half), mean (of their scores and thresholds) or consensus (two of them;
    tags that only one of them knows are left out)."""
    general: Threshold | None = None
    """Threshold of general tags. Default: that of shikomi.toml, else what the tagger recommends."""
    character: Threshold | None = None
    """Threshold of character tags. Default: that of shikomi.toml, else what the tagger
    recommends."""
    categories: ByCategory = Field(default_factory=dict)
    """Threshold of another category, e.g. --categories.copyright 0.5; repeatable."""
    tags: ByTag = Field(default_factory=dict)
    """Threshold of one tag, e.g. --tags.smile 0.5; repeatable."""
    mcut: bool = False
    """Instead of using thresholds, cut the scores of each image at their widest gap."""
    top: int = Field(0, ge=0)
    """Maximum number of tags per image, those with the best scores; 0 for all."""


def thresholds(project: Project, options: ScoreOptions, recommended: Recommended) -> Thresholds:
    """Return the thresholds of one tagger: given, else configured, else recommended.

    Args:
        project: The project, with configured thresholds.
        options: The given options.
        recommended: What the tagger recommends.
    """
    return configured(
        project.settings.tagger,
        recommended,
        general=options.general,
        character=options.character,
        categories=options.categories,
        tags=options.tags,
        mcut=options.mcut,
        top=options.top,
    )


def names_of(project: Project, options: ScoreOptions) -> list[str]:
    """Return the names of the requested taggers, each once; the first may be empty."""
    return expanded([options.model or project.settings.tagger.model, *options.also])


def combined(project: Project, options: ScoreOptions) -> Combine:
    """Return how the requested taggers decide: as given, else as their preset says."""
    preset = PRESETS.get(options.model or project.settings.tagger.model)
    return options.combine if preset is None or options.combine != "union" else preset.how


def from_stored(project: Project, index: Index, options: ScoreOptions) -> Ensemble:
    """Return the requested taggers, from their stored scores only.

    Without a name, the tagger used last.

    Raises:
        UserError: One of them has no stored scores.
    """
    known = stored(index)
    names = names_of(project, options)
    if not names[0] and known:
        names[0] = known[0].name
    found = {one.key: one for one in (choose(known, name) for name in names)}
    members = [_member(project, index, options, one) for one in found.values()]
    return ensemble_of(members, combined(project, options))


def ensemble_of(members: Sequence[EnsembleMember], how: Combine) -> Ensemble:
    """Return taggers that decide together.

    Raises:
        ConfigError: A consensus of one.
    """
    if how == "consensus" and len(members) < 2:
        raise ConfigError("A consensus needs two taggers.", "Add another one with --also.")
    return Ensemble(members, how)


def _member(
    project: Project, index: Index, options: ScoreOptions, one: StoredTagger
) -> EnsembleMember:
    chosen = thresholds(project, options, one.recommended)
    return EnsembleMember(one.name, one.store(index), one.table, chosen)


def warnings(ensemble: Ensemble) -> Iterator[events.Warned]:
    """Yield a warning for each tag with a threshold that no tagger knows."""
    tables = [member.table for member in ensemble.members]
    for tag, near in ensemble.members[0].thresholds.unknown(tables):
        hint = f"Did you mean {near}?" if near else ""
        yield events.Warned(f"No tagger in use knows the tag {tag}, which has a threshold.", hint)


def scored_rows(index: Index, where: str, ensemble: Ensemble) -> tuple[list[ImageRow], int]:
    """Return the usable images that all taggers have scored, and the number of all others.

    Raises:
        ConfigError: The filter is not valid, or none has been scored.
    """
    rows = [row for row in index.iterate(where) if row.usable]
    known = ensemble.known()
    found = [row for row in rows if row.content in known]
    if rows and not found:
        names = ", ".join(member.name for member in ensemble.members)
        raise ConfigError(
            f"This image has no scores of {names}."
            if len(rows) == 1
            else f"None of these {len(rows)} images has scores of {names}.",
            "Run: shikomi tag PROJECT --model MODEL --write none",
        )
    return found, len(rows) - len(found)


def contents_of(rows: Sequence[ImageRow]) -> list[str]:
    """Return the contents of images that have been hashed."""
    return [row.content or "" for row in rows]


def plain(options: Section) -> Mapping[str, Any]:
    """Return the given values, for other options of the same kind."""
    return options.model_dump(include=set(ScoreOptions.model_fields), exclude_unset=True)
