"""Which part of a caption one exposure shows: tags, a sentence, both, or the trigger alone.

A model that has seen an image under several kinds of captions understands prompts of each kind.
The structure of captions (tags, sentences, marks) is that of ``prep.captions.structure``: tags are
on the first line, sentences behind them or on lines of their own. Kept tags, such as the trigger
word, are in front of every kind.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from prep.captions.sentences import is_sentence
from prep.captions.structure import KEEP_MARK, SEPARATOR, LineParts

Kind = Literal["tags", "sentence", "both", "trigger"]
Share = tuple[Kind, float]


@dataclass(frozen=True)
class Pieces:
    """The parts of one caption.

    Attributes:
        front: Tags that stay in front.
        loose: The other tags; those that stay together are one.
        end: Tags that stay at the end.
        sentences: Descriptions, one of each line that has any.
    """

    front: list[str]
    loose: list[str]
    end: list[str]
    sentences: list[str]

    @classmethod
    def of(cls, first: str, others: Sequence[str], keep: int, keep_mark: str = "") -> "Pieces":
        """Take a caption apart.

        Args:
            first: Its first line.
            others: Its other lines: each is a description.
            keep: Number of leading tags that stay in front.
            keep_mark: ``|||`` where it is used instead of a number.

        Example:
            >>> Pieces.of("mochi, hat, A bear sits on the beach.", ["mochi, A red bear."], 1)
            Pieces(front=['mochi'], loose=['hat'], end=[], sentences=['A bear sits on the beach.', \
'A red bear.'])
        """
        units = [(n, SEPARATOR.join(tags)) for n, tags in LineParts.parse(first).units()]
        tags = [(section, unit) for section, unit in units if not is_sentence(unit)]
        if keep_mark == KEEP_MARK and KEEP_MARK in first:
            front, loose = ([unit for n, unit in tags if n == section] for section in (0, 1))
            end = [unit for n, unit in tags if n > 1]
        else:
            names = [unit for _, unit in tags]
            front, loose, end = names[:keep], names[keep:], []
        inside = SEPARATOR.join(unit for _, unit in units if is_sentence(unit))
        described = [inside, *(_without(line, front) for line in others)]
        return cls(front, loose, end, [text for text in described if text])

    def has(self, kind: Kind) -> bool:
        """Return whether there is anything to show of a kind."""
        tags = bool(self.loose or self.end)
        if kind == "trigger":
            return bool(self.front)
        return {"tags": tags, "sentence": bool(self.sentences)}.get(
            kind, tags and bool(self.sentences)
        )


def mixed(
    pieces: Pieces, shares: Sequence[Share], rng: random.Random
) -> tuple[list[str], list[str], list[str]]:
    """Return what one exposure shows: tags in front, loose ones, and what stays at the end.

    Shares of kinds that a caption does not have go to the others, in proportion; a caption that has
    none of them is shown whole.
    """
    kinds = _possible(pieces, shares)
    kind: Kind = rng.choices(list(kinds), list(kinds.values()))[0] if kinds else "both"
    sentence = rng.choice(pieces.sentences) if pieces.sentences else ""
    if kind == "trigger":
        return pieces.front, [], []
    if kind == "tags" or not sentence:
        return pieces.front, pieces.loose, pieces.end
    if kind == "sentence":
        missing = [tag for tag in pieces.front if tag.casefold() not in sentence.casefold()]
        return missing, [], [sentence]
    return pieces.front, pieces.loose, [*pieces.end, sentence]


def _possible(pieces: Pieces, shares: Sequence[Share]) -> dict[Kind, float]:
    """Return the kinds that a caption has, with their shares."""
    return {kind: share for kind, share in shares if share > 0 and pieces.has(kind)}


def tag_shares(pieces: Pieces, shares: Sequence[Share]) -> dict[str, float]:
    """Return the tags of a caption, and in which share of its exposures each is shown.

    Example:
        >>> pieces = Pieces(["mochi"], ["hat"], [], ["A red bear."])
        >>> tag_shares(pieces, [("tags", 0.2), ("both", 0.2), ("sentence", 0.6)])
        {'mochi': 1.0, 'hat': 0.4}
    """
    kinds = _possible(pieces, shares) or {"both": 1.0}
    part = (kinds.get("tags", 0.0) + kinds.get("both", 0.0)) / sum(kinds.values())
    return dict.fromkeys(pieces.front, 1.0) | dict.fromkeys([*pieces.loose, *pieces.end], part)


def _without(line: str, front: Sequence[str]) -> str:
    """Return a description without the kept tags that stand before it."""
    units = [SEPARATOR.join(tags) for _, tags in LineParts.parse(line).units()]
    while units and units[0] in front:
        del units[0]
    return SEPARATOR.join(units)
