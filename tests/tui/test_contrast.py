"""Every pair of colours that text is drawn in, as it is sent to the terminal, in every theme.

WCAG 2.2 asks for 4.5 : 1 (1.4.3); the formula is its relative luminance.
"""

from functools import cache

import pytest
from rich.style import Style
from textual.screen import ModalScreen
from textual.scrollbar import ScrollBar
from textual.widget import Widget

from prep.project import Project
from tests.conftest import MakeImage
from tests.tui.driving import Opened, running
from tui.commands import STAGE_KEYS
from tui.themes import THEMES
from tui.widgets.picture import Picture

ENOUGH = 4.5
_DRAWING = frozenset("─━│┃╭╮╰╯┌┐└┘▀▄█▌▐▎▊▔▁▏▕ ⠀")
"""Lines and blocks, which are no text."""


def luminance(colour: tuple[int, int, int]) -> float:
    parts = (value / 255 for value in colour)
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@cache
def contrast(style: Style) -> float:
    assert style.color is not None
    assert style.bgcolor is not None
    front, back = style.color.get_truecolor(), style.bgcolor.get_truecolor()
    if style.dim:  # a terminal shows about two thirds of the difference
        front = type(front)(*(round(b + (f - b) * 0.66) for f, b in zip(front, back, strict=True)))
    if style.reverse:
        front, back = back, front
    high, low = sorted((luminance(front), luminance(back)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def faint(opened: Opened) -> set[str]:
    """Return the texts on the screen whose contrast is too low, with their colours."""
    screen, found = opened.app.screen, set()
    for y, strip in enumerate(screen._compositor.render_strips()):
        x = 0
        for text, style, _ in strip:
            place, x = x, x + len(text)
            if style is None or not text.strip() or set(text) <= _DRAWING:
                continue
            if style.color is None or style.bgcolor is None:
                continue
            if style.color.is_default or style.bgcolor.is_default:
                continue
            if (ratio := contrast(style)) >= ENOUGH:
                continue
            widget, _ = screen.get_widget_at(min(place, screen.size.width - 1), y)
            if not exempt(widget):
                found.add(f"{ratio:.2f} {text.strip()!r} {style} in {widget}")
    return found


def exempt(widget: Widget) -> bool:
    """Neither pictures, nor scroll bars, what is disabled (WCAG 1.4.3), what a dialog covers."""
    return isinstance(widget, Picture | ScrollBar | ModalScreen) or any(
        isinstance(node, Widget) and node.disabled for node in widget.ancestors_with_self
    )


@pytest.mark.parametrize("theme", [theme.name for theme in THEMES if not theme.ansi])
async def test_text_can_be_read(project: Project, make_image: MakeImage, theme: str) -> None:
    make_image("10_mochi/a.png", 1, caption="mochi, cat\nA second line.")
    copy = make_image("10_mochi/b.png", 2)
    (copy.parent / "c.png").write_bytes(copy.read_bytes())
    (copy.parent / "z.png").write_bytes(b"no picture")
    found: set[str] = set()
    async with running(project, (170, 45)) as opened:
        opened.app.theme = theme
        for mode in STAGE_KEYS:
            await opened.go(mode)
            found |= faint(opened)
            kinds = {type(widget): widget for widget in opened.app.screen.focus_chain}
            for widget in kinds.values():
                opened.app.screen.set_focus(widget)
                await opened.settled()
                found |= faint(opened)
            opened.app.screen.set_focus(None)
            await opened.press("question_mark")
            found |= faint(opened)
            await opened.press("escape")
        await opened.go("images")
        for keys in (("a", "c", "a", "t"), ("space", "j", "space", "e", "x")):
            await opened.press(*keys)
            found |= faint(opened)
            await opened.press("escape")
        await opened.press("ctrl+p")
        found |= faint(opened)
        await opened.press("escape")
    assert not found, "\n".join(sorted(found))
