"""The caption of one image in one epoch: first tags kept, the rest shuffled, some dropped.

Pure functions of (seed, epoch, image), by the rules of sd-scripts' ``process_caption``
(``library/train_util.py``). The trainer and the simulator (``prep.ops.shuffle``) both use them,
so that the simulated captions are those of the run.

Two differences are deliberate: empty pieces between commas are left out, and captions that are
not shuffled are joined by ``", "`` as well, without keep separators.
"""

import random
import re
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
        separator: Separator of tags in the caption file.
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
    """Return the caption as validation and metadata use it: whole and in the file's order."""
    return ", ".join(parts(_wrapped(caption, rules), rules).tags)


def varied(caption: str, rules: CaptionRules, *chance: int | str) -> str:
    """Return the caption of one exposure; ``chance`` is (seed, epoch, image, ...).

    Example:
        >>> varied("mochi, cat, hat", CaptionRules(shuffle=True, keep_tokens=1), 0, 1, "a.png")
        'mochi, hat, cat'
    """
    return ", ".join(varied_tags(caption, rules, *chance))


def varied_tags(caption: str, rules: CaptionRules, *chance: int | str) -> list[str]:
    """Return the tags of one exposure, in order; see ``varied``."""
    rng = generator(*chance, "caption")
    if rng.random() < rules.dropout:
        return []
    text = _wrapped(caption, rules)
    if rules.wildcards:
        text = drawn(text, rng)
    found = parts(text, rules)
    if rules.shuffle:
        rng.shuffle(found.loose)
    loose = found.loose
    if rules.tag_dropout:
        loose = [tag for tag in loose if rng.random() >= rules.tag_dropout]
    return [*found.front, *loose, *found.end]


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
    """Split a caption at plain commas, as sd-scripts does, sentences as well.

    Example:
        >>> parts("a, b ||| c, d ||| e", CaptionRules(keep_separator="|||"))
        Parts(front=['a', 'b'], loose=['c', 'd'], end=['e'])
    """
    if rules.keep_separator and rules.keep_separator in caption:
        front, _, rest = caption.partition(rules.keep_separator)
        loose, _, end = rest.partition(rules.keep_separator)
        return Parts(*(_split(text, rules.separator) for text in (front, loose, end)))
    tags = _split(caption, rules.separator)
    return Parts(tags[: rules.keep_tokens], tags[rules.keep_tokens :], [])


def _split(text: str, separator: str) -> list[str]:
    return [tag for part in text.split(separator) if (tag := part.strip())]


def _wrapped(caption: str, rules: CaptionRules) -> str:
    return " ".join(part for part in (rules.prefix, caption, rules.suffix) if part)
