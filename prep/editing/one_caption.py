"""One caption, tag by tag: where each tag comes from, and what the text is without it.

Texts keep their structure (``prep.captions.structure``): separators, marks, groups, other lines.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from prep import captions
from prep.captions.layers import infer_manual_edits
from prep.captions.sentences import is_sentence
from prep.dataset.index import ImageRow, Index
from prep.dataset.journal.manual_edits import ManualEditStore
from prep.project.caption_rules import rules_for

Origin = Literal["tagger", "hand", "rule", "sentence"]


class TagOrigin(NamedTuple):
    """A tag of one caption.

    Attributes:
        tag: As it is written there.
        origin: Who wrote it: the tagger, a person, a rule of the project (the trigger word is
            one); a sentence is whoever's.
        score: What the main tagger gave it in this image, 0 to 1; ``None`` if it does not know it.
    """

    tag: str
    origin: Origin
    score: float | None = None


class TagOrigins:
    """Tells where the tags of captions come from; make another one after a tagger has run."""

    def __init__(self, index: Index) -> None:
        """Find the scores of an open index."""
        from prep.tagging.scores.stored_scores import MainTaggerScores

        self.index = index
        self._manual = ManualEditStore(index)
        self._scores = MainTaggerScores(index)

    def of(self, row: ImageRow) -> list[TagOrigin]:
        """Return the tags of a caption in order.

        Raises:
            UserError: A file named in the rules of ``shikomi.toml`` cannot be read.
        """
        tags = row.tags
        rules = rules_for(self.index.project, row.folder)
        known = self._manual.behind(row.path, row.caption)
        manual = frozenset(captions.keys(infer_manual_edits(known, tags, rules).added))
        triggers = frozenset(captions.keys(rules.triggers))
        scores = self._scores.of(row.content, tags)
        return [
            TagOrigin(tag, _origin(tag, key, manual, triggers, key in scores), scores.get(key))
            for tag, key in zip(tags, captions.keys(tags), strict=True)
        ]


def _origin(
    tag: str, key: str, manual: frozenset[str], triggers: frozenset[str], scored: bool
) -> Origin:
    if key in triggers:
        return "rule"
    if is_sentence(tag):
        return "sentence"
    if key in manual:
        return "hand"
    # What shikomi wrote and no tagger knows is a new name from a rule, or an implied tag.
    return "tagger" if scored else "rule"


def without_tag(text: str, place: int) -> str:
    """Return a caption without the tag at a place; others of the same name stay.

    Example:
        >>> without_tag("mochi ||| hat, bow, hat", 1)
        'mochi ||| bow, hat'
    """
    tags = captions.split(text)
    return captions.with_tags(text, tags[:place] + tags[place + 1 :])


def moved_tag(text: str, place: int, to: int) -> str:
    """Return a caption with the tag at ``place`` moved so that it stands at ``to``.

    Example:
        >>> moved_tag("mochi, hat, bow", 2, 0), moved_tag("mochi ||| hat, bow", 1, 2)
        ('bow, mochi, hat', 'mochi ||| bow, hat')
    """
    tags = captions.split(text)
    rest = tags[:place] + tags[place + 1 :]
    # Removed first: a moved tag counts as new, and belongs to its new place.
    return captions.with_tags(captions.with_tags(text, rest), [*rest[:to], tags[place], *rest[to:]])


def place_of(tags: Sequence[str], tag: str, near: int) -> int | None:
    """Return the place of a tag, of several the one nearest to ``near``; ``None`` if it is gone.

    Example:
        >>> place_of(["hat", "bow", "hat"], "hat", 3), place_of(["bow"], "hat", 0)
        (2, None)
    """
    places = [place for place, other in enumerate(tags) if other == tag]
    return min(places, key=lambda place: abs(place - near), default=None)
