"""Where a description stands in caption texts. Pure functions; nothing here touches files.

A description that this program wrote may be replaced; one that somebody wrote or changed by hand
stays, unless it is to be overwritten. What was written is known by its text.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from prep import captions
from prep.captions.sentences import is_sentence
from prep.captions.structure import SEPARATOR, split_lines

DescriptionMode = Literal["merge", "missing", "overwrite", "none"]


@dataclass(frozen=True)
class Placed:
    """A text with its description.

    Attributes:
        text: The new text; the old one when nothing changes.
        by_hand: There is a description by somebody else, which was left alone.
    """

    text: str | None
    by_hand: bool = False


def with_trigger(description: str, trigger: str) -> str:
    """Return a description that has the trigger word, put in front where it is missing.

    Example:
        >>> with_trigger("A bear sits.", "mochi"), with_trigger("Here mochi sits.", "mochi")
        ('mochi, A bear sits.', 'Here mochi sits.')
    """
    if not trigger or trigger.casefold() in description.casefold():
        return description
    return f"{trigger}{SEPARATOR}{description}"


def in_line(text: str | None, new: str, written: Collection[str], mode: DescriptionMode) -> Placed:
    r"""Give a caption a description as its second line; without tags it is the first.

    Args:
        text: Of the caption file; ``None`` for no file.
        new: The description, one line.
        written: Descriptions that were written for this image before.
        mode: What becomes of one that is there.

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
    """Give a caption a description behind its tags, in the first line.

    Args:
        text: Of the caption file; ``None`` for no file.
        new: The description, one line.
        written: Descriptions that were written for this image before.
        mode: What becomes of one that is there.

    Example:
        >>> joined("mochi, hat", "A bear sits on a beach.", (), "merge").text
        'mochi, hat, A bear sits on a beach.'
    """
    if not (text or "").strip():
        return Placed(new)
    assert text is not None
    head, line, rest = split_lines(text)
    # The longest first: a description may be the beginning of another one.
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
    """Give an image a description in a file of its own; arguments as ``in_line``."""
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
