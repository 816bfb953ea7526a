"""Where lines of Japanese break: between characters, and not before a full stop.

Textual breaks lines at spaces, of which Japanese has none: half of a line would stay empty before
a long sentence. It has no setting for that, so its function is replaced; its version is pinned.
"""

from rich._wrap import divide_line
from rich.cells import cell_len, chop_cells
from textual import content

from prep.language.wrapping import units


def line_breaks(text: str, width: int, fold: bool = True) -> list[int]:
    """Return the places in a text at which it breaks into lines.

    Args:
        text: A paragraph.
        width: Cells of a line.
        fold: Break words that are longer than a line.

    Example:
        >>> line_breaks("画像を見る、書く。", 10)
        [4]
    """
    if text.isascii():
        return divide_line(text, width, fold)
    found: list[int] = []
    at = used = 0
    for unit in units(text):
        size = cell_len(unit.rstrip())
        if used + size > width:
            if size > width and fold:
                for piece in chop_cells(unit, width):
                    found += [at] if at else []
                    at, used = at + len(piece), cell_len(piece)
                continue
            if at and used:
                found.append(at)
            used = 0
        at, used = at + len(unit), used + cell_len(unit)
    return found


def break_lines() -> None:
    """Break all lines of the application so."""
    content.divide_line = line_breaks  # type: ignore[attr-defined]
