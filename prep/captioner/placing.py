"""Place descriptions in caption texts. Pure functions; nothing here touches files.

A description written by shikomi may be replaced; one written or changed by a person
stays, unless the mode is overwrite. Descriptions from shikomi are recognised by their text.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from prep import captions
from prep.captions.sentences import is_sentence
from prep.captions.structure import SEPARATOR, split_lines
from prep.texts import composed

DescriptionMode = Literal["merge", "missing", "overwrite", "none"]


@dataclass(frozen=True)
class Placed:
    """A text with its description.

    Attributes:
        text: The new text, or the old one if nothing changes.
        by_hand: There is a description by a person, which was not changed.
    """

    text: str | None
    by_hand: bool = False


def with_trigger(description: str, trigger: str) -> str:
    """Return a description with the trigger word, put in front if it is missing.

    Example:
        >>> with_trigger("A bear sits.", "mochi"), with_trigger("Here mochi sits.", "mochi")
        ('mochi, A bear sits.', 'Here mochi sits.')
    """
    if not trigger or composed(trigger.casefold()) in composed(description.casefold()):
        return description
    return f"{trigger}{SEPARATOR}{description}"


def in_line(text: str | None, new: str, written: Collection[str], mode: DescriptionMode) -> Placed:
    r"""Put a description on the second line of a caption, or on the first if there are no tags.

    Args:
        text: Text of the caption file; ``None`` for no file.
        new: The description, one line.
        written: Descriptions that were written for this image before.
        mode: How an existing description is handled.

    Example:
        >>> in_line("mochi, hat", "A bear.", (), "merge").text
        'mochi, hat\nA bear.'
        >>> in_line("mochi, hat\nMy own words.", "A bear.", (), "merge")
        Placed(text='mochi, hat\nMy own words.', by_hand=True)
    """
    if not (text or "").strip():
        return Placed(new)
    assert text is not None
    lines = text.splitlines(keepends=True)
    ours = [n for n, line in enumerate(lines) if line.strip() in {new, *written}]
    own = [n for n, line in enumerate(lines) if n and line.strip() and n not in ours]
    if mode == "missing" and (ours or own):
        return Placed(text)
    if ours:
        return Placed("".join(_with_line(lines, ours[0], new)))
    if own and mode != "overwrite":
        return Placed(text, by_hand=True)
    if own:
        return Placed("".join(_with_line(lines, own[0], new)))
    head, line, rest = split_lines(text)
    newline = "\r\n" if rest.startswith("\r\n") else "\n"
    return Placed(head + line + newline + new + (newline if rest else ""))


def joined(text: str | None, new: str, written: Collection[str], mode: DescriptionMode) -> Placed:
    """Put a description behind the tags of a caption, on the first line.

    Args:
        text: Text of the caption file; ``None`` for no file.
        new: The description, one line.
        written: Descriptions that were written for this image before.
        mode: How an existing description is handled.

    Example:
        >>> joined("mochi, hat", "A bear sits on a beach.", (), "merge").text
        'mochi, hat, A bear sits on a beach.'
    """
    if not (text or "").strip():
        return Placed(new)
    assert text is not None
    head, line, rest = split_lines(text)
    # The longest first: a description may be a prefix of another one.
    ours = next((w for w in sorted({new, *written}, key=len, reverse=True) if w in line), None)
    sentences = [tag for tag in captions.split(text) if is_sentence(tag)]
    if mode == "missing" and (ours or sentences):
        return Placed(text)
    if ours:
        return Placed(head + line.replace(ours, new, 1) + rest)
    if sentences and mode != "overwrite":
        return Placed(text, by_hand=True)
    if sentences:
        tags = [tag for tag in captions.split(text) if tag not in sentences]
        head, line, rest = split_lines(captions.with_tags(text, tags))
    start = line.rstrip().rstrip(",").rstrip()
    return Placed(head + (f"{start}{SEPARATOR}{new}" if start else new) + rest)


def in_file(text: str | None, new: str, written: Collection[str], mode: DescriptionMode) -> Placed:
    """Put a description into a separate file; arguments as in ``in_line``."""
    present = (text or "").strip()
    if not present:
        return Placed(new)
    if mode == "missing" or present == new:
        return Placed(text)
    if mode == "overwrite" or present in written:
        return Placed(new)
    return Placed(text, by_hand=True)


def _with_line(lines: Sequence[str], number: int, new: str) -> list[str]:
    old = lines[number]
    end = old[len(old.rstrip("\r\n")) :]
    return [*lines[:number], new + end, *lines[number + 1 :]]
