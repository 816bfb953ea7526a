"""Caption text <-> tags. Pure functions; nothing here touches files except ``read``.

A caption file is its first line, which trainers read as comma-separated tags, and whatever
follows, which is kept as it is. How a line is taken apart and put together again stands in
``structure`` and ``weave``. Changing tags never touches the other lines, and a change that changes
nothing gives back the very same text.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from prep.captions import rewrite_tags, structure
from prep.captions.structure import SEPARATOR as SEPARATOR
from prep.errors import UnreadableError

T = TypeVar("T")

# fmt: off
KAOMOJI = frozenset({
    "0_0", "(o)_(o)", "+_+", "+_-", "._.", "<o>_<o>", "<|>_<|>", "=_=", ">_<", "3_3", "6_9",
    ">_o", "@_@", "^_^", "o_o", "u_u", "x_x", "|_|", "||_||",
})
# fmt: on
"""Emoticon tags whose underscore is part of the face."""

REMEMBERED = 200_000
"""Spellings that are remembered; sentences would fill the memory otherwise."""


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

    Commas in ``{a, b|c}`` part nothing, ``|||`` and ``;;;`` part tags, a sentence is one piece.

    Example:
        >>> split("1girl, poster (object), ;)\nsecond line")
        ['1girl', 'poster (object)', ';)']
        >>> split("mochi ||| {red, blue|green} hat, A bear sits on the beach, smiling.")
        ['mochi', '{red, blue|green} hat', 'A bear sits on the beach, smiling.']
    """
    return structure.tags_of(structure.split_lines(text)[1])


def with_tags(text: str, tags: Sequence[str]) -> str:
    r"""Return ``text`` with its tags replaced, every other line and the line's manner kept.

    New tags at the end go before a closing sentence and before tags that keep the end.

    Example:
        >>> with_tags("a, b\nA long description.", ["b", "c"])
        'b, c\nA long description.'
        >>> with_tags("mochi|||hat,bow", ["mochi", "bow", "smile"])
        'mochi|||bow,smile'
    """
    head, line, rest = structure.split_lines(text)
    changed = rewrite_tags.with_new_tags(line, tags)
    return text if changed == line else head + changed + rest


class TagCache(dict[str, T]):
    """What a function makes of each tag, computed once: a dataset has few tags, many times."""

    def __init__(self, function: Callable[[str], T]) -> None:
        """Begin empty; the function must give the same answer each time."""
        super().__init__()
        self._function = function

    def __missing__(self, tag: str) -> T:
        """Compute what is not known yet."""
        if len(self) >= REMEMBERED:
            self.clear()
        found = self[tag] = self._function(tag)
        return found


def _folded(tag: str) -> str:
    folded = tag.strip().casefold()
    if folded not in KAOMOJI:
        folded = folded.replace("_", " ")
    return folded.replace("\\(", "(").replace("\\)", ")") if "\\" in folded else folded


_keys = TagCache(_folded)
_key = _keys.__getitem__


def key(tag: str) -> str:
    r"""Return what spellings of one tag have in common: case, underscores, escaped brackets.

    Example:
        >>> key("Long_Hair") == key("long hair"), key(r"saber \(fate\)"), key("^_^")
        (True, 'saber (fate)', '^_^')
    """
    return _keys[tag]


def keys(tags: Iterable[str]) -> list[str]:
    """Return the keys of many tags."""
    return list(map(_key, tags))


def spaced(tag: str) -> str:
    """Return a booru tag as captions have it: spaces for underscores, faces left alone."""
    return tag if tag in KAOMOJI else tag.replace("_", " ")


def unique(tags: Iterable[str]) -> list[str]:
    """Drop later spellings of a tag that is already there."""
    found = list(tags)
    if len(set(map(_key, found))) == len(found):  # as nearly always
        return found
    seen: dict[str, str] = {}
    for tag in found:
        seen.setdefault(_keys[tag], tag)
    return list(seen.values())


def add(tags: Sequence[str], new: Iterable[str], *, first: bool = False) -> list[str]:
    """Add tags that are missing, at the end or at the beginning.

    Example:
        >>> add(["a", "b"], ["b", "c"], first=True)
        ['c', 'a', 'b']
    """
    present = set(keys(tags))
    missing = [tag for tag in unique(new) if _keys[tag] not in present]
    return [*missing, *tags] if first else [*tags, *missing]


def remove(tags: Sequence[str], unwanted: Iterable[str]) -> list[str]:
    """Drop every spelling of the unwanted tags."""
    gone = set(keys(unwanted))
    return [tag for tag in tags if _keys[tag] not in gone]


def replace(tags: Sequence[str], old: str, new: str) -> list[str]:
    """Rename a tag where it stands; an empty ``new`` removes it.

    Example:
        >>> replace(["cat", "hat"], "cat", "kitten")
        ['kitten', 'hat']
    """
    wanted = _keys[old]
    if wanted not in keys(tags):
        return list(tags)
    renamed = [new if _keys[tag] == wanted else tag for tag in tags]
    return unique(tag for tag in renamed if tag)


def move_first(tags: Sequence[str], leaders: Sequence[str]) -> list[str]:
    """Bring those of ``leaders`` that are present to the front, in their order."""
    if not leaders:
        return list(tags)
    wanted, names = keys(unique(leaders)), keys(tags)
    if not set(wanted).intersection(names):
        return list(tags)
    pairs = list(zip(names, tags, strict=True))
    front = [tag for leader in wanted for name, tag in pairs if name == leader]
    return [*front, *(tag for name, tag in pairs if name not in wanted)]
