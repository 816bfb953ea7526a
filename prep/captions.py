"""Caption text <-> tags. Pure functions; nothing here touches files except ``read``.

A caption file is its first line, which trainers read as comma-separated tags, and whatever
follows, which is kept as it is. Changing tags never touches the other lines, and a change that
changes nothing gives back the very same text.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from prep.errors import UnreadableError

SEPARATOR = ", "

# fmt: off
KAOMOJI = frozenset({
    "0_0", "(o)_(o)", "+_+", "+_-", "._.", "<o>_<o>", "<|>_<|>", "=_=", ">_<", "3_3", "6_9",
    ">_o", "@_@", "^_^", "o_o", "u_u", "x_x", "|_|", "||_||",
})
# fmt: on
"""Emoticon tags whose underscore is part of the face."""


def read(path: Path) -> str | None:
    """Return the text of a caption file, or ``None`` when there is none.

    Raises:
        UnreadableError: It is not UTF-8, or may not be read; it is then left alone.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise UnreadableError(
            f"{path.name}: the caption is not UTF-8 text", "Save it as UTF-8 in an editor."
        ) from error
    except OSError as error:
        raise UnreadableError(
            f"{path.name}: the caption cannot be read ({error.strerror})"
        ) from error


def split(text: str) -> list[str]:
    r"""Return the tags of a caption's first line, in order, stripped, without empty ones.

    Example:
        >>> split("1girl, poster (object), ;)\nsecond line")
        ['1girl', 'poster (object)', ';)']
    """
    line = text.removeprefix("\ufeff").partition("\n")[0]
    return [tag for part in line.split(",") if (tag := part.strip())]


def with_tags(text: str, tags: Sequence[str]) -> str:
    r"""Return ``text`` with its tags replaced, every other line kept.

    Example:
        >>> with_tags("a, b\nA long description.", ["b", "c"])
        'b, c\nA long description.'
    """
    if split(text) == list(tags):
        return text
    _, newline, rest = text.partition("\n")
    ending = "\r" if text.partition("\n")[0].endswith("\r") else ""
    return SEPARATOR.join(tags) + ending + newline + rest


def key(tag: str) -> str:
    """Return what two spellings of one tag have in common.

    Example:
        >>> key("Long_Hair") == key("long hair"), key("^_^")
        (True, '^_^')
    """
    folded = tag.strip().casefold()
    return folded if folded in KAOMOJI else folded.replace("_", " ")


def spaced(tag: str) -> str:
    """Return a booru tag as captions have it: spaces for underscores, faces left alone."""
    return tag if tag in KAOMOJI else tag.replace("_", " ")


def unique(tags: Iterable[str]) -> list[str]:
    """Drop later spellings of a tag that is already there."""
    seen: dict[str, str] = {}
    for tag in tags:
        seen.setdefault(key(tag), tag)
    return list(seen.values())


def add(tags: Sequence[str], new: Iterable[str], *, first: bool = False) -> list[str]:
    """Add tags that are missing, at the end or at the beginning.

    Example:
        >>> add(["a", "b"], ["b", "c"], first=True)
        ['c', 'a', 'b']
    """
    present = {key(tag) for tag in tags}
    missing = [tag for tag in unique(new) if key(tag) not in present]
    return [*missing, *tags] if first else [*tags, *missing]


def remove(tags: Sequence[str], unwanted: Iterable[str]) -> list[str]:
    """Drop every spelling of the unwanted tags."""
    keys = {key(tag) for tag in unwanted}
    return [tag for tag in tags if key(tag) not in keys]


def replace(tags: Sequence[str], old: str, new: str) -> list[str]:
    """Rename a tag where it stands; an empty ``new`` removes it.

    Example:
        >>> replace(["cat", "hat"], "cat", "kitten")
        ['kitten', 'hat']
    """
    if key(old) not in {key(tag) for tag in tags}:
        return list(tags)
    renamed = [new if key(tag) == key(old) else tag for tag in tags]
    return unique(tag for tag in renamed if tag)


def move_first(tags: Sequence[str], leaders: Sequence[str]) -> list[str]:
    """Bring those of ``leaders`` that are present to the front, in their order."""
    wanted = [key(tag) for tag in unique(leaders)]
    front = [tag for leader in wanted for tag in tags if key(tag) == leader]
    return [*front, *(tag for tag in tags if key(tag) not in wanted)]
