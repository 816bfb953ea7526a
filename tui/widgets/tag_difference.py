"""A caption before and after, as one line: what goes is struck out, what comes is underlined."""

from collections.abc import Sequence

from textual.content import Content

from prep import captions
from prep.language import _


def caption_difference(before: str | None, after: str | None) -> Content:
    """Return both captions woven together; marks and colours say the same.

    Args:
        before: Text of the caption file; ``None`` for no file.
        after: What it would be.
    """
    old, new = (captions.split(text or "") for text in (before, after))
    if not old and not new:
        return Content.styled(_("no caption"), "$text-muted")
    parts: list[Content] = []
    for mark, tag in woven(old, new):
        if mark == "-":
            parts.append(Content.styled(f"−{tag}", "$text-error strike"))
        elif mark == "+":
            parts.append(Content.styled(f"+{tag}", "$text-success underline"))
        else:
            parts.append(Content(tag))
    return Content(", ").join(parts)


def woven(old: Sequence[str], new: Sequence[str]) -> list[tuple[str, str]]:
    """Return the tags of both lists with a mark: "-" only in the old, "+" only in the new.

    The order is that of the new one; what goes stands where it was.

    Example:
        >>> woven(["cat", "hat", "sea"], ["cat", "sea", "sun"])
        [('', 'cat'), ('-', 'hat'), ('', 'sea'), ('+', 'sun')]
    """
    present, before = set(captions.keys(new)), set(captions.keys(old))
    leaving: dict[str, list[str]] = {}
    last = ""
    for tag in old:
        if captions.key(tag) in present:
            last = captions.key(tag)
        else:
            leaving.setdefault(last, []).append(tag)
    found = [("-", tag) for tag in leaving.get("", [])]
    for tag in new:
        found.append(("" if captions.key(tag) in before else "+", tag))
        found += [("-", gone) for gone in leaving.pop(captions.key(tag), [])]
    return found
