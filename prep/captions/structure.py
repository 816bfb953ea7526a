"""The structure of a caption's first line: tags and the gaps between them, without loss.

A line is tags and gaps. Commas separate tags, except inside ``{a|b}`` wildcards; ``|||`` parts the
tags that keep their place when a trainer shuffles (one at the front, a second for the end);
``;;;`` binds tags that stay together; sentences are one piece, whatever commas they contain
(``sentences``). Joining the pieces gives exactly the same line, and a line with other
tags keeps the style of the old one: its separators, its trailing comma, its marks.

Rules as in sd-scripts (``library/train_util.py``: ``process_caption``, ``keep_tokens_separator``,
``secondary_separator``, ``enable_wildcard``).
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from prep.captions import sentences

SEPARATOR = ", "
KEEP_MARK = "|||"
"""Tags before the first one, and behind a second one, keep their place."""
GROUP_MARK = ";;;"
"""Between tags that are shuffled as one."""

_REMEMBERED = 1 << 16
_plain: set[str] = set()
"""Cache of pieces known to be plain tags."""
_BOM = "\ufeff"
_NEWLINE = re.compile(r"\r\n|\n|\r")
_MARKS = re.compile(r"\{\{|\}\}|\{[^{}]*\}|(\|\|\||;;;|,)")
_COMMA_GAP = re.compile(r"\s*,\s*")
_ONE_MARK = re.compile(r"\s*,?\s*\|\|\|\s*,?\s*")


def split_lines(text: str) -> tuple[str, str, str]:
    r"""Return the byte order mark, the first line, and its line end with all that follows.

    Line ends are those of Python's text mode, in which trainers read captions.

    Example:
        >>> split_lines("a, b\r\nA sentence.")
        ('', 'a, b', '\r\nA sentence.')
    """
    head = _BOM if text.startswith(_BOM) else ""
    if "\n" not in text and "\r" not in text:
        return head, text[len(head) :], ""
    found = _NEWLINE.search(text)
    end = found.start() if found else len(text)
    return head, text[len(head) : end], text[end:]


def plain_tags(line: str) -> list[str] | None:
    """Return the tags of a line that is nothing but ``", ".join(tags)``, else ``None``.

    Most lines are. Whether one is depends only on its pieces, and a dataset repeats few of them:
    one set lookup for all of them takes 0.5 us, which matters as bulk edits check every caption.
    """
    tags = line.split(SEPARATOR)
    return tags if are_plain(tags) or _only_look_like_sentences(tags) else None


def are_plain(tags: list[str]) -> bool:
    """Return whether all are tags without structure, none of which may belong to a sentence."""
    if _plain.issuperset(tags):
        return True
    new = {tag for tag in tags if _classify(tag) == _PLAIN}
    if len(_plain) > _REMEMBERED:
        _plain.clear()
    _plain.update(new)
    return new.issuperset(tags)


def _only_look_like_sentences(tags: Sequence[str]) -> bool:
    return (
        all(_classify(tag) != _STRUCTURED for tag in tags) and sentences.sentence_span(tags) is None
    )


_PLAIN, _CLAUSE, _STRUCTURED = range(3)


@lru_cache(maxsize=_REMEMBERED)
def _classify(piece: str) -> int:
    """Classify a piece between ``", "``: a plain tag, possibly of a sentence, or neither."""
    marked = "{" in piece or "," in piece or KEEP_MARK in piece or GROUP_MARK in piece
    # Whitespace other than spaces is not printable.
    if marked or not piece or piece != piece.strip() or not piece.isprintable():
        return _STRUCTURED
    return _CLAUSE if sentences.may_belong_to_sentence(piece) else _PLAIN


def tags_of(line: str) -> list[str]:
    """Return the tags of a line; a run of sentences is one tag."""
    tags = plain_tags(line)
    return LineParts.parse(line).tags if tags is None else tags


@dataclass(frozen=True)
class LineParts:
    """A parsed line.

    Attributes:
        tags: Stripped, none empty.
        gaps: The text before, between and behind them; one more than tags.
    """

    tags: list[str]
    gaps: list[str]

    @classmethod
    def parse(cls, line: str) -> "LineParts":
        """Parse a line; ``text`` restores it."""
        tags: list[str] = []
        gaps = [""]
        for piece, mark in _raw_pieces(line):
            tag = piece.strip()
            if tag:
                before, _, after = piece.partition(tag)
                gaps[-1] += before
                tags.append(tag)
                gaps.append(after)
            else:
                gaps[-1] += piece
            gaps[-1] += mark
        return cls(*_with_sentences(tags, gaps))

    @property
    def text(self) -> str:
        """The line."""
        return self.gaps[0] + "".join(
            tag + gap for tag, gap in zip(self.tags, self.gaps[1:], strict=True)
        )

    @cached_property
    def sections(self) -> list[int]:
        """For each tag, the number of ``|||`` before it."""
        counts, passed = [], 0
        for gap in self.gaps[:-1]:
            passed += gap.count(KEEP_MARK)
            counts.append(passed)
        return counts

    @property
    def marks(self) -> list[str]:
        """For each ``|||``, the gap to write it with."""
        spaced, edges = f" {KEEP_MARK} ", (0, len(self.gaps) - 1)
        found: list[str] = []
        for n, gap in enumerate(self.gaps):
            own = n not in edges and _ONE_MARK.fullmatch(gap)
            found += [gap if own else spaced] * gap.count(KEEP_MARK)
        return found

    @cached_property
    def groups(self) -> list[int]:
        """For each tag, the number of its group; tags bound by ``;;;`` have the same."""
        numbers: list[int] = []
        for n, gap in enumerate(self.gaps[:-1]):
            bound = n > 0 and GROUP_MARK in gap and KEEP_MARK not in gap
            numbers.append(numbers[-1] if bound else n)
        return numbers

    @cached_property
    def habit(self) -> str:
        """The separator that this line uses most."""
        seen = Counter(gap for gap in self.gaps[1:-1] if _COMMA_GAP.fullmatch(gap))
        return seen.most_common(1)[0][0] if seen else SEPARATOR

    def units(self) -> list[tuple[int, list[str]]]:
        """Return (section, tags that stay together), in order: what sorting may move."""
        found: list[tuple[int, list[str]]] = []
        last = -1
        for tag, section, group in zip(self.tags, self.sections, self.groups, strict=True):
            if group == last:
                found[-1][1].append(tag)
            else:
                found.append((section, [tag]))
            last = group
        return found


def _raw_pieces(line: str) -> list[tuple[str, str]]:
    """Return (text, mark that ends it); the last mark is empty."""
    pieces, start = [], 0
    for match in _MARKS.finditer(line):
        if match[1] is not None:
            pieces.append((line[start : match.start()], match[1]))
            start = match.end()
    return [*pieces, (line[start:], "")]


def _with_sentences(tags: list[str], gaps: list[str]) -> tuple[list[str], list[str]]:
    """Join the pieces of each sentence; marks other than commas end one."""
    done_tags: list[str] = []
    done_gaps = [gaps[0]]
    start = 0
    for n in range(len(tags)):
        last = n + 1 == len(tags)
        if last or KEEP_MARK in gaps[n + 1] or GROUP_MARK in gaps[n + 1]:
            joined = _joined(tags[start : n + 1], gaps[start + 1 : n + 1])
            done_tags += joined[0]
            done_gaps += [*joined[1], gaps[n + 1]]
            start = n + 1
    return done_tags, done_gaps


def _joined(tags: list[str], gaps: list[str]) -> tuple[list[str], list[str]]:
    """Join the sentence among tags of one section, if there is one, with the gaps between them."""
    span = sentences.sentence_span(tags)
    if span is None:
        return tags, gaps
    first, last = span
    whole = tags[first] + "".join(
        gap + tag for gap, tag in zip(gaps[first:last], tags[first + 1 : last + 1], strict=True)
    )
    split = sentences.lead_in(whole)
    middle, inner = [whole], list[str]()
    if split is not None:
        gap = whole[len(split[0]) : len(whole) - len(split[1])]
        middle, inner = list(split), [gap]
    return (
        [*tags[:first], *middle, *tags[last + 1 :]],
        [*gaps[:first], *inner, *gaps[last:]],
    )
