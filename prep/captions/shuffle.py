"""The caption of one image in one epoch: first tags kept, the rest shuffled, some dropped.

Pure functions of (seed, epoch, image), by the rules of sd-scripts' ``process_caption``
(``library/train_util.py``). The trainer and the simulator (``prep.ops.shuffle``) both use them,
so that the simulated captions are those of the run.

A caption that is neither shuffled nor loses tags stays as it was written, except that keep
separators become separators. Two differences are deliberate: shuffled pieces are joined by the
separator of the file instead of always by a comma, so that sentences stay sentences, and empty
pieces between separators are left out.
"""

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass

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
        keep_tokens: Number of first tags that stay in place.
        keep_separator: Where it occurs in a caption, everything before it stays in place instead,
            and everything behind a second one stays at the end.
        separator: Separator of tags, in the caption file and after shuffling.
        prefix: Put before every caption, with a space, so it is part of the first tag.
        suffix: Put after every caption, with a space.
        dropout: Share of exposures without any caption.
        tag_dropout: Share of tags that are dropped; kept ones never are.
        wildcards: Take a random line of the file, and one of the choices of each ``{a|b}``.
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


def plain(caption: str, rules: CaptionRules) -> str:
    """Return the caption as validation and metadata use it: whole and as it was written."""
    return _as_written(_wrapped(caption, rules), rules)


def tags_of(caption: str, rules: CaptionRules) -> list[str]:
    """Return the tags of a caption, with prefix and suffix, in the order of the file."""
    return parts(_wrapped(caption, rules), rules).tags


def varied(caption: str, rules: CaptionRules, *chance: int | str) -> str:
    """Return the caption of one exposure; ``chance`` is (seed, epoch, image, ...).

    Example:
        >>> varied("mochi, cat, hat", CaptionRules(shuffle=True, keep_tokens=1), 0, 1, "a.png")
        'mochi, hat, cat'
        >>> varied("mochi,cat;hat", CaptionRules(separator=";"), 0, 1, "a.png")
        'mochi,cat;hat'
    """
    text, rng = _shown(caption, rules, *chance)
    if not (rules.shuffle or rules.tag_dropout):
        return _as_written(text, rules)
    varied = _joined(_shuffled(text, rules, rng), rules)
    # A full stop belongs to the last sentence, a comma at the end to nothing.
    ends = rules.separator != "," and varied and text.rstrip().endswith(rules.separator.strip())
    return varied + rules.separator.strip() if ends else varied


def varied_tags(caption: str, rules: CaptionRules, *chance: int | str) -> list[str]:
    """Return the tags of one exposure, in order; see ``varied``."""
    text, rng = _shown(caption, rules, *chance)
    return _shuffled(text, rules, rng)


def _shown(caption: str, rules: CaptionRules, *chance: int | str) -> tuple[str, random.Random]:
    """Return the text of one exposure before its tags are moved, empty if it is dropped."""
    rng = generator(*chance, "caption")
    if rng.random() < rules.dropout:
        return "", rng
    text = _wrapped(caption, rules)
    return drawn(text, rng) if rules.wildcards else text, rng


def _shuffled(text: str, rules: CaptionRules, rng: random.Random) -> list[str]:
    found = parts(text, rules)
    if rules.shuffle:
        rng.shuffle(found.loose)
    loose = found.loose
    if rules.tag_dropout:
        loose = [tag for tag in loose if rng.random() >= rules.tag_dropout]
    return [*found.front, *loose, *found.end]


def _as_written(text: str, rules: CaptionRules) -> str:
    if not rules.keep_separator or rules.keep_separator not in text:
        return text
    return _joined(filter(None, map(str.strip, _sections(text, rules))), rules)


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
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return ""
    line = lines[0] if len(lines) == 1 else rng.choice(lines)
    line = line.replace("{{", _OPEN).replace("}}", _CLOSE)
    line = _WILDCARD.sub(lambda match: rng.choice(match[1].split("|")), line)
    return line.replace(_OPEN, "{").replace(_CLOSE, "}")


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
