"""The caption of one image in one epoch: first tags kept, the rest shuffled, some dropped.

Pure functions of (seed, epoch, image), by the rules of sd-scripts' ``process_caption``
(``library/train_util.py``). The trainer and the simulator (``prep.ops.shuffle``) both use them,
so that the simulated captions are those of the run.

A caption that is neither shuffled nor loses tags stays as it was written, except that keep and
group separators become separators. Three differences are deliberate: shuffled pieces are joined by
the separator of the file instead of always by a comma, so that sentences stay sentences; empty
pieces between separators are left out; and prefix and suffix are put around the line that was
drawn, not around all lines of the file.
"""

import math
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass

from prep.captions.mix import Pieces, Share, mixed
from prep.captions.structure import split_lines
from prep.seeding import generator

_WILDCARD = re.compile(r"\{([^}]+)\}")
_OPEN, _CLOSE = "\ue000", "\ue001"
"""Replace ``{{`` and ``}}`` while wildcards are drawn: private-use characters."""


@dataclass(frozen=True)
class CaptionRules:
    """How captions of one subset change from epoch to epoch.

    Attributes:
        shuffle: Shuffle the tags that are not kept.
        keep_tokens: Number of leading tags that stay in place.
        keep_separator: Where it occurs in a caption, everything before it stays in place instead,
            and everything behind a second one stays at the end.
        separator: Separator of tags, in the caption file and after shuffling.
        prefix: Put before every caption, with a space, so it is part of the first tag.
        suffix: Put after every caption, with a space.
        dropout: Share of exposures without any caption.
        tag_dropout: Share of tags that are dropped; kept ones never are.
        wildcards: Take a random line of the file, and one of the choices of each ``{a|b}``.
        group_separator: Between tags that are shuffled and dropped as one; becomes a separator.
        drop_every: In every epoch of this number, counted from 1, no image has a caption; 0 never.
        warmup_least: Tags besides the kept ones that are shown at the beginning of a run.
        warmup_steps: Step from which all are shown; below 1, a share of the run; 0 means at once.
        mix: How often each part of a caption is shown (``prep.captions.mix``); empty for always
            the whole first line.
    """

    shuffle: bool = False
    keep_tokens: int = 0
    keep_separator: str = ""
    separator: str = ","
    prefix: str = ""
    suffix: str = ""
    dropout: float = 0.0
    tag_dropout: float = 0.0
    wildcards: bool = False
    group_separator: str = ""
    drop_every: int = 0
    warmup_least: int = 1
    warmup_steps: float = 0.0
    mix: tuple[Share, ...] = ()

    def warmth(self, step: int, steps: int) -> float:
        """Return how much of the warm-up is over at a step, from 0, of a run: 0 to 1."""
        length = self.warmup_steps if self.warmup_steps >= 1 else int(self.warmup_steps * steps)
        return min(1.0, step / length) if length else 1.0


@dataclass(frozen=True)
class Parts:
    """The tags of one caption: those that stay in front, the loose ones, those at the end."""

    front: list[str]
    loose: list[str]
    end: list[str]

    @property
    def tags(self) -> list[str]:
        """All tags, in order."""
        return [*self.front, *self.loose, *self.end]


def first_line(text: str) -> str:
    """Return the part of a caption file that trainers read."""
    return split_lines(text)[1].strip()


def read_part(text: str, rules: CaptionRules) -> str:
    """Return the part of a caption file that these rules read: its first line, or all lines."""
    if not (rules.wildcards or rules.mix):
        return first_line(text)
    return "\n".join(_lines(text.removeprefix("\ufeff")))


def plain(caption: str, rules: CaptionRules) -> str:
    """Return the caption as validation and metadata use it: the first line as it was written.

    Of each wildcard it has the first choice.
    """
    if rules.wildcards or rules.mix:
        caption = first_line(caption)
    text = _wrapped(caption, rules)
    return _as_written(_expanded(text) if rules.wildcards else text, rules)


def tags_of(caption: str, rules: CaptionRules) -> list[str]:
    """Return the tags of a caption, with prefix and suffix, in the order of the file."""
    return _ungrouped(parts(_wrapped(caption, rules), rules).tags, rules)


def varied(
    caption: str,
    rules: CaptionRules,
    seed: int,
    epoch: int = 0,
    *place: int | str,
    warmth: float = 1.0,
) -> str:
    """Return the caption of one exposure.

    Args:
        caption: From ``read_part``.
        rules: Of its subset.
        seed: Of the run.
        epoch: From 0.
        place: Whatever tells exposures of an epoch apart: image, turn.
        warmth: From ``CaptionRules.warmth``.

    Example:
        >>> varied("mochi, cat, hat", CaptionRules(shuffle=True, keep_tokens=1), 0, 1, "a.png")
        'mochi, hat, cat'
        >>> varied("mochi,cat;hat", CaptionRules(separator=";"), 0, 1, "a.png")
        'mochi,cat;hat'
    """
    text, rng = _shown(caption, rules, seed, epoch, *place)
    if rules.mix and text:
        return _joined(_shuffled(_mixed(text, rules, rng), rules, rng, warmth), rules)
    if not (rules.shuffle or rules.tag_dropout or rules.warmup_steps):
        return _as_written(text, rules)
    varied = _joined(_shuffled(parts(text, rules), rules, rng, warmth), rules)
    # A full stop belongs to the last sentence, a comma at the end to nothing.
    ends = rules.separator != "," and varied and text.rstrip().endswith(rules.separator.strip())
    return varied + rules.separator.strip() if ends else varied


def varied_tags(
    caption: str, rules: CaptionRules, seed: int, epoch: int = 0, *place: int | str
) -> list[str]:
    """Return the tags of one exposure, in order; see ``varied``."""
    text, rng = _shown(caption, rules, seed, epoch, *place)
    found = _mixed(text, rules, rng) if rules.mix and text else parts(text, rules)
    return _shuffled(found, rules, rng, 1.0)


def _shown(
    caption: str, rules: CaptionRules, seed: int, epoch: int, *place: int | str
) -> tuple[str, random.Random]:
    """Return the text of one exposure before its tags are moved, empty if it is dropped.

    With a mix it has all lines, otherwise one.
    """
    rng = generator(seed, epoch, *place, "caption")
    dropped = rng.random() < rules.dropout
    if dropped or (rules.drop_every and (epoch + 1) % rules.drop_every == 0):
        return "", rng
    if not rules.wildcards:
        return (caption if rules.mix else _wrapped(caption, rules)), rng
    if rules.mix:
        return _expanded(caption, rng), rng
    return _expanded(_wrapped(_one_line(caption, rng), rules), rng), rng


def _mixed(text: str, rules: CaptionRules, rng: random.Random) -> Parts:
    """Return the parts of the caption that this exposure shows."""
    return Parts(*mixed(pieces_of(text, rules), rules.mix, rng))


def pieces_of(text: str, rules: CaptionRules) -> Pieces:
    """Return what a mix chooses from, of a text from ``read_part`` that is not empty."""
    first, *others = text.splitlines()
    return Pieces.of(_wrapped(first, rules), others, rules.keep_tokens, rules.keep_separator)


def _shuffled(found: Parts, rules: CaptionRules, rng: random.Random, warmth: float) -> list[str]:
    loose = found.loose
    if warmth < 1.0:  # in the order of the file: the first tags are learned first
        least = min(rules.warmup_least, len(loose))
        loose = loose[: least + math.floor(warmth * (len(loose) - least))]
    if rules.shuffle:
        rng.shuffle(loose)
    if rules.tag_dropout:
        loose = [tag for tag in loose if rng.random() >= rules.tag_dropout]
    return _ungrouped([*found.front, *loose, *found.end], rules)


def _ungrouped(tags: list[str], rules: CaptionRules) -> list[str]:
    """Take groups of tags apart."""
    if not rules.group_separator:
        return tags
    return [part for tag in tags for part in _split(tag, rules.group_separator)]


def _as_written(text: str, rules: CaptionRules) -> str:
    if rules.keep_separator and rules.keep_separator in text:
        text = _joined(filter(None, map(str.strip, _sections(text, rules))), rules)
    if rules.group_separator and rules.group_separator in text:
        text = _joined(_split(text, rules.group_separator), rules)
    return text


def _joined(pieces: Iterable[str], rules: CaptionRules) -> str:
    """Join by the separator, with a space behind it unless it has one or is a wide one."""
    separator = rules.separator
    space = " " if separator.isascii() and not separator[-1:].isspace() else ""
    return (separator + space).join(pieces)


def drawn(text: str, rng: random.Random) -> str:
    r"""Return one of the lines, with one choice of each wildcard; ``{{`` and ``}}`` are braces.

    Example:
        >>> drawn("a {big|big} hat, {{b}}", random.Random(0))
        'a big hat, {b}'
    """
    return _expanded(_one_line(text, rng), rng)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _one_line(text: str, rng: random.Random) -> str:
    lines = _lines(text)
    return rng.choice(lines) if len(lines) > 1 else "".join(lines)


def _expanded(text: str, rng: random.Random | None = None) -> str:
    """Replace each wildcard by one of its choices, by the first without a generator."""

    def chosen(match: re.Match[str]) -> str:
        choices = match[1].split("|")
        return rng.choice(choices) if rng else choices[0]

    text = text.replace("{{", _OPEN).replace("}}", _CLOSE)
    text = _WILDCARD.sub(chosen, text)
    return text.replace(_OPEN, "{").replace(_CLOSE, "}")


def parts(caption: str, rules: CaptionRules) -> Parts:
    """Split a caption at every separator, as sd-scripts does, sentences as well.

    Example:
        >>> parts("a, b ||| c, d ||| e", CaptionRules(keep_separator="|||"))
        Parts(front=['a', 'b'], loose=['c', 'd'], end=['e'])
    """
    if rules.keep_separator and rules.keep_separator in caption:
        return Parts(*(_split(text, rules.separator) for text in _sections(caption, rules)))
    tags = _split(caption, rules.separator)
    return Parts(tags[: rules.keep_tokens], tags[rules.keep_tokens :], [])


def _sections(text: str, rules: CaptionRules) -> tuple[str, str, str]:
    front, _, rest = text.partition(rules.keep_separator)
    loose, _, end = rest.partition(rules.keep_separator)
    return front, loose, end


def _split(text: str, separator: str) -> list[str]:
    return [tag for part in text.split(separator) if (tag := part.strip())]


def _wrapped(caption: str, rules: CaptionRules) -> str:
    return " ".join(part for part in (rules.prefix, caption, rules.suffix) if part)
