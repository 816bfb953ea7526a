"""Lines of a number of cells, for texts of any language.

``textwrap`` counts characters, and breaks at spaces only. East Asian characters are two cells wide,
and Japanese has no spaces: a line may end behind most characters, but does not begin with a full
stop or end with an opening bracket.
"""

import re
from functools import cache
from textwrap import wrap

_WIDE = (
    "\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60"
)
_OPENING = "（「『［｛〈《【〔"
_CLOSING = "、。，．・：；？！）」』］｝〉》】〕ー〜…々ぁぃぅぇぉっゃゅょァィゥェォッャュョ"
_SPACES = " \t\n"


@cache
def _unit() -> re.Pattern[str]:
    """Return what finds spaces, or the smallest piece that stays in one line: a character, a word.

    Made when it is first needed: it takes longer than all else here, and English has no use for it.
    """
    return re.compile(
        rf"[ \t\n]+|[{_OPENING}(\[]*(?:[{_WIDE}]|[^ \t\n{_WIDE}]+)"
        rf"(?:[{_CLOSING}]+|[)\]}}.,:;!?]+(?=[{_WIDE}]))*"
    )


def units(text: str) -> list[str]:
    """Return the pieces that stay in one line, each with the spaces behind it.

    Example:
        >>> units("a b、（画）。")
        ['a ', 'b、', '（画）。']
    """
    found: list[str] = []
    for piece in _unit().findall(text):
        if found and piece[0] in _SPACES:
            found[-1] += piece
        else:
            found.append(piece)
    return found


def wrapped(text: str, width: int) -> list[str]:
    """Return lines of at most ``width`` cells; words, and what has a hyphen, stay in one piece.

    Example:
        >>> wrapped("画像を選び、並べます。", 10)
        ['画像を選', 'び、並べま', 'す。']
    """
    if text.isascii():
        return wrap(text, width, break_on_hyphens=False, break_long_words=False)
    from rich.cells import cell_len

    lines, line, used = [], "", 0
    for unit in _unit().findall(text.strip()):
        space = unit[0] in _SPACES  # not a no-break space, which is of its word
        size = 1 if space else cell_len(unit)
        if used + size > width and line.strip() and not space:
            lines.append(line.rstrip(" "))
            line, used = "", 0
        if not space:
            line, used = line + unit, used + size
        elif line:
            line, used = f"{line} ", used + 1
    return [*lines, line.rstrip(" ")] if line.strip() else lines


def padded(text: str, width: int) -> str:
    """Return text with spaces up to ``width`` cells; longer text stays as it is.

    Example:
        >>> padded("done", 6), padded("完了", 6)
        ('done  ', '完了  ')
    """
    if text.isascii():
        return text.ljust(width)
    from rich.cells import cell_len

    return text + " " * (width - cell_len(text))
