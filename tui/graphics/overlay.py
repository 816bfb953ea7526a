"""Real pixels over the cells that Textual draws, in step with what it sends.

Widgets draw pictures as text; this adds the pixels to the same update, so that both appear at once.
Text that is written over a Sixel picture erases it, and Textual redraws the cells of whatever
changes: pixels are sent again when an update has touched their cells. A picture of Kitty
lies over the cells and has to be removed: when it is replaced, or something is over it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Region
from textual.screen import Screen
from textual.widget import Widget

from tui.graphics import kitty
from tui.graphics.drawn import Graphic
from tui.terminal import Terminal

_MEMORY = 64 << 20
"""Bytes of pictures that the terminal of Kitty keeps, so that going back sends nothing again. It
has 320 MB for all programs."""
_BYTES = 4
"""Of a pixel in its memory."""


class Pictured(Widget):
    """A widget with pictures."""

    def placed(self) -> Sequence[tuple[Graphic, Region]]:
        """Return their pixels and the cells on the screen that they cover, as drawn last."""
        raise NotImplementedError


@dataclass(frozen=True)
class Spot:
    """Pixels that are to be seen.

    Attributes:
        graphic: The picture.
        region: Cells of the screen that show it, or the part of it that is in view.
        above: Rows of the picture that are out of view above.
    """

    graphic: Graphic
    region: Region
    above: int = 0

    @property
    def part(self) -> tuple[int, int, int, int]:
        """Left, top, width and height of what is in view, pixels."""
        high = self.graphic.cell[1]
        return 0, self.above * high, self.graphic.size[0], self.region.height * high

    def sixel(self, colours: int) -> str:
        """Return the sequence that draws it at the cursor, with at most so many colours."""
        if self.region.height == self.graphic.rows or self.graphic.pixels is None:
            return self.graphic.data
        from tui.graphics.sixel import encode  # needs numpy

        left, top, width, height = self.part
        shown = self.graphic.pixels.crop((left, top, left + width, top + height))
        return encode(shown, colours)


class WithPixels(CompositorUpdate):
    """An update, followed by pixels."""

    def __init__(self, update: CompositorUpdate, pixels: str) -> None:
        self._update, self._pixels = update, pixels

    def render_segments(self, console: Console) -> str:
        """Return the control sequences."""
        return self._update.render_segments(console) + self._pixels


class Overlay:
    """The pixels on the screen.

    Attributes:
        terminal: What the terminal can show.
        pictures: All widgets with pictures; each adds itself.
        moved: The last update moved Sixel pictures, such as those of a list that scrolls. They
            would be sent again with each step, faster than terminals draw them: blocks are seen
            until ``rest`` sends them.
    """

    def __init__(self, terminal: Terminal | None = None) -> None:
        self.terminal = terminal or Terminal()
        self.pictures: WeakSet[Pictured] = WeakSet()
        self.moved = self._moving = False
        self._shown: dict[int, Spot] = {}
        self._wanted: dict[int, Spot] = {}
        self._sent: dict[int, int] = {}
        """Bytes of the pictures that the terminal has, by number, as placed last."""

    def after(self, update: CompositorUpdate | None, wanted: Iterable[Spot]) -> str:
        """Return what to send after an update of the text.

        Args:
            update: The update, if there was one.
            wanted: The pixels to be seen now.
        """
        before, self._shown = self._shown, {spot.graphic.number: spot for spot in wanted}
        fresh = [
            spot
            for number, spot in self._shown.items()
            if before.get(number) != spot or (update is not None and touches(update, spot.region))
        ]
        if self.terminal.drawing == "sixel":
            return self._sixel(fresh)
        gone = "".join(kitty.hide(number) for number in before if number not in self._shown)
        return gone + "".join(self._kitty(spot, before) for spot in fresh) + self._forgotten()

    def rest(self, wanted: Iterable[Spot]) -> str:
        """Return what to send when nothing has moved for a while."""
        self._moving = False
        return self.after(None, wanted)

    def cleared(self) -> str:
        """Return what removes all pixels, for the end."""
        sent = self._sent
        self.reset()
        return "".join(kitty.forget(number) for number in sent)

    def reset(self) -> None:
        """Note that nothing is on the screen any more: another program had it."""
        self._sent, self._shown, self._wanted = {}, {}, {}
        self.moved = self._moving = False

    def _sixel(self, fresh: Sequence[Spot]) -> str:
        last, self._wanted = self._wanted, dict(self._shown)
        self.moved = any(
            number in last and spot.region != last[number].region
            for number, spot in self._wanted.items()
        )
        self._moving |= self.moved
        if self._moving:
            for spot in fresh:
                del self._shown[spot.graphic.number]
            return ""
        return "".join(_at(spot.region) + spot.sixel(self.terminal.colours) for spot in fresh)

    def _kitty(self, spot: Spot, before: dict[int, Spot]) -> str:
        number, text = spot.graphic.number, ""
        if number not in self._sent:
            text = spot.graphic.data
        elif before.get(number) == spot:
            return ""  # text below it has changed
        self._sent.pop(number, None)
        width, height = spot.graphic.size
        self._sent[number] = width * height * _BYTES
        return text + _at(spot.region) + kitty.place(number, *spot.region.size, spot.part)

    def _forgotten(self) -> str:
        excess = sum(self._sent.values()) - _MEMORY
        old = list[int]()
        for number, size in self._sent.items():
            if excess <= 0:
                break
            if number not in self._shown:
                old.append(number)
                excess -= size
        for number in old:
            del self._sent[number]
        return "".join(kitty.forget(number) for number in old)


def touches(update: CompositorUpdate, region: Region) -> bool:
    """Return whether an update may write to cells of a region."""
    if isinstance(update, LayoutUpdate):
        return update.region.overlaps(region)
    if isinstance(update, ChopsUpdate):
        return any(
            region.y <= y < region.bottom and left < region.right and right > region.x
            for y, left, right in update.spans
        )
    return True


def seen(screen: Screen[Any], pictures: Iterable[Pictured]) -> list[Spot]:
    """Return the pixels of those pictures that nothing lies over, as far as they are in view."""
    spots = list[Spot]()
    visible = screen._compositor.visible_widgets
    for picture in pictures:
        if picture not in visible:
            continue
        place, clip = visible[picture]
        window = place.intersection(clip).intersection(screen.region)
        over = _over(screen, picture, window)
        for graphic, whole in picture.placed():
            region = whole.intersection(window)
            if region.height and region.width == whole.width and not _overlaps(region, over):
                spots.append(Spot(graphic, region, region.y - whole.y))
    return spots


def _over(screen: Screen[Any], picture: Widget, window: Region) -> list[Region]:
    """Return where widgets without children, such as notices, lie over a picture."""
    return [
        there
        for widget, (place, clip) in screen._compositor.visible_widgets.items()
        if widget is not picture
        and not widget.children
        and (there := place.intersection(clip)).overlaps(window)
    ]


def _overlaps(region: Region, others: Iterable[Region]) -> bool:
    return any(region.overlaps(other) for other in others)


def _at(region: Region) -> str:
    return Control.move_to(region.x, region.y).segment.text
