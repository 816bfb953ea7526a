"""What one image's caption says in one epoch: kept first tags, shuffled rest, dropped at times.

Pure functions of (seed, epoch, image), by the rules of sd-scripts' ``process_caption``.
"""

from dataclasses import dataclass

from train.chance import generator


@dataclass(frozen=True)
class CaptionRules:
    """How captions of one subset change from epoch to epoch.

    Attributes:
        shuffle: Shuffle the tags that are not kept.
        keep_tokens: This many first tags stay in place.
        keep_separator: Where it occurs in a caption, everything before it stays in place instead.
        separator: What parts tags in the caption file.
        prefix: Comes before every caption, with a space.
        suffix: Comes after every caption, with a space.
        dropout: Share of exposures without any caption.
        tag_dropout: Share of tags left out, kept ones excepted.
    """

    shuffle: bool = False
    keep_tokens: int = 0
    keep_separator: str = ""
    separator: str = ","
    prefix: str = ""
    suffix: str = ""
    dropout: float = 0.0
    tag_dropout: float = 0.0


def first_line(text: str) -> str:
    """Return what trainers read of a caption file."""
    return text.removeprefix("\ufeff").partition("\n")[0].strip()


def plain(caption: str, rules: CaptionRules) -> str:
    """Return the caption as validation and metadata use it: whole and in the file's order."""
    kept, loose = _parts(caption, rules)
    return _wrapped(", ".join([*kept, *loose]), rules)


def varied(caption: str, rules: CaptionRules, *chance: int | str) -> str:
    """Return the caption of one exposure; ``chance`` is (seed, epoch, image, ...).

    Example:
        >>> varied("mochi, cat, hat", CaptionRules(shuffle=True, keep_tokens=1), 0, 1, "a.png")
        'mochi, hat, cat'
    """
    dice = generator(*chance, "caption")
    if dice.random() < rules.dropout:
        return ""
    kept, loose = _parts(caption, rules)
    if rules.shuffle:
        dice.shuffle(loose)
    if rules.tag_dropout:
        loose = [tag for tag in loose if dice.random() >= rules.tag_dropout]
    return _wrapped(", ".join([*kept, *loose]), rules)


def _parts(caption: str, rules: CaptionRules) -> tuple[list[str], list[str]]:
    """Return the tags that stay in place and the others."""
    if rules.keep_separator and rules.keep_separator in caption:
        fixed, _, rest = caption.partition(rules.keep_separator)
        return _split(fixed, rules.separator), _split(rest, rules.separator)
    tags = _split(caption, rules.separator)
    return tags[: rules.keep_tokens], tags[rules.keep_tokens :]


def _split(text: str, separator: str) -> list[str]:
    return [tag for part in text.split(separator) if (tag := part.strip())]


def _wrapped(caption: str, rules: CaptionRules) -> str:
    return " ".join(part for part in (rules.prefix, caption, rules.suffix) if part)
