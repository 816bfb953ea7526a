"""Caption text <-> tags. Pure functions; nothing here touches files except ``read``.

A caption file is its first line, which trainers read as comma-separated tags, and the text
that follows, which is kept unchanged. Parsing and writing lines is in ``structure`` and
``rewrite_tags``. Changing tags never touches the other lines, and a change that changes
nothing returns exactly the same text.
"""

import errno
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from prep.captions import rewrite_tags, structure
from prep.captions.faces import is_face as is_face
from prep.captions.structure import SEPARATOR as SEPARATOR
from prep.errors import UnreadableError
from prep.texts import composed, read_bytes

T = TypeVar("T")

LARGEST = 1 << 20
"""Maximum of bytes of a caption file. What is longer is another text that has its name."""
REMEMBERED = 200_000
"""Maximum of cached spellings; otherwise sentences would fill the memory."""


def read(path: Path) -> str | None:
    """Return the text of a caption file, or ``None`` if there is none.

    Raises:
        UnreadableError: It is not UTF-8 or not readable.
    """
    try:
        return read_bytes(path, LARGEST).decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise UnreadableError(
            f"{path.name}: the caption is not UTF-8 text", "Save it as UTF-8 in an editor."
        ) from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return None  # no file can have this name
        if error.errno == errno.EFBIG:
            raise UnreadableError(
                f"{path.name}: the caption is larger than 1 MiB", "Remove or shorten it."
            ) from error
        raise UnreadableError(
            f"{path.name}: the caption cannot be read ({error.strerror})"
        ) from error


def split(text: str) -> list[str]:
    r"""Return the tags of a caption's first line, in order, stripped, without empty ones.

    Commas in ``{a, b|c}`` do not separate tags, ``|||`` and ``;;;`` do; a sentence is one piece.

    Example:
        >>> split("1girl, poster (object), ;)\nsecond line")
        ['1girl', 'poster (object)', ';)']
        >>> split("mochi ||| {red, blue|green} hat, A bear sits on the beach, smiling.")
        ['mochi', '{red, blue|green} hat', 'A bear sits on the beach, smiling.']
    """
    return structure.tags_of(structure.split_lines(text)[1])


def with_tags(text: str, tags: Sequence[str]) -> str:
    r"""Return ``text`` with its tags replaced, keeping other lines and the style of this one.

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
    """Cached results of a function of tags: a dataset has few tags, many times each."""

    def __init__(self, function: Callable[[str], T]) -> None:
        """Start empty; the function must be pure."""
        super().__init__()
        self._function = function

    def __missing__(self, tag: str) -> T:
        """Compute and store a missing result."""
        if len(self) >= REMEMBERED:
            self.clear()
        found = self[tag] = self._function(tag)
        return found


def _folded(tag: str) -> str:
    folded = composed(composed(tag.strip()).casefold())
    if not is_face(folded):
        folded = folded.replace("_", " ")
    return folded.replace("\\(", "(").replace("\\)", ")") if "\\" in folded else folded


_keys = TagCache(_folded)
_key = _keys.__getitem__


def key(tag: str) -> str:
    r"""Return a key that is equal for all spellings of a tag.

    Spellings differ in case, underscores, escaped brackets, or the Unicode form of accents.

    Example:
        >>> key("Long_Hair") == key("long hair"), key(r"saber \(fate\)"), key("^_^")
        (True, 'saber (fate)', '^_^')
    """
    return _keys[tag]


def key_once(tag: str) -> str:
    """Return the key of a tag of a long list, without keeping it in memory."""
    return _folded(tag)


def keys(tags: Iterable[str]) -> list[str]:
    """Return the keys of many tags."""
    return list(map(_key, tags))


def spaced(tag: str) -> str:
    """Return a booru tag as written in captions: spaces for underscores, except in faces."""
    return tag if is_face(tag) else tag.replace("_", " ")


def unique(tags: Iterable[str]) -> list[str]:
    """Drop repeated tags, in any spelling; the first one stays."""
    found = list(tags)
    if len(set(map(_key, found))) == len(found):  # nearly always
        return found
    return without_doubles(found, set(map(_key, found)))


def without_doubles(tags: Iterable[str], wanted: Collection[str]) -> list[str]:
    """Drop repetitions of the tags with the wanted keys; the first one of each stays."""
    seen: set[str] = set()
    result: list[str] = []
    for tag in tags:
        name = _keys[tag]
        if name not in seen:
            result.append(tag)
        if name in wanted:
            seen.add(name)
    return result


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
    """Rename a tag in place; an empty ``new`` removes it.

    Where the new tag is already there, the first of the two stays; other doubled tags are not
    touched.

    Example:
        >>> replace(["cat", "hat"], "cat", "kitten")
        ['kitten', 'hat']
    """
    wanted = _keys[old]
    if wanted not in keys(tags):
        return list(tags)
    renamed = [new if _keys[tag] == wanted else tag for tag in tags]
    if renamed == list(tags):
        return renamed
    return without_doubles(filter(None, renamed), {_keys[new]})


def move_first(tags: Sequence[str], leaders: Sequence[str]) -> list[str]:
    """Move the tags of ``leaders`` that are present to the front, in the order of ``leaders``."""
    if not leaders:
        return list(tags)
    wanted, names = keys(unique(leaders)), keys(tags)
    if not set(wanted).intersection(names):
        return list(tags)
    pairs = list(zip(names, tags, strict=True))
    front = [tag for leader in wanted for name, tag in pairs if name == leader]
    return [*front, *(tag for name, tag in pairs if name not in wanted)]
