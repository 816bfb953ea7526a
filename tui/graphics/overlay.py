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
from tui.graphics.drawing import Graphic
from tui.terminal import Terminal

_KEPT = 6
"""Pictures that the terminal of Kitty keeps, so that going back sends nothing again."""


class Pictured(Widget):
    """A widget with pictures."""

    def placed(self) -> Sequence[tuple[Graphic, Region]]:
        """Return their pixels and the cells on the screen that they cover, as drawn last."""
        raise NotImplementedError


@dataclass(frozen=True)
class Spot:
    """Pixels that are to be seen."""

    graphic: Graphic
    region: Region


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
    """

    def __init__(self, terminal: Terminal | None = None) -> None:
        self.terminal = terminal or Terminal()
        self.pictures: WeakSet[Pictured] = WeakSet()
        self._shown: dict[int, Spot] = {}
        self._sent: list[int] = []

    def after(self, update: CompositorUpdate, wanted: Iterable[Spot]) -> str:
        """Return what to send after an update of the text.

        Args:
            update: The update.
            wanted: The pixels to be seen now.
        """
        before, self._shown = self._shown, {spot.graphic.number: spot for spot in wanted}
        fresh = [
            spot
            for number, spot in self._shown.items()
            if before.get(number) != spot or touches(update, spot.region)
        ]
        if self.terminal.drawing == "sixel":
            return "".join(_at(spot.region) + spot.graphic.data for spot in fresh)
        gone = "".join(kitty.hide(number) for number in before if number not in self._shown)
        return gone + "".join(self._kitty(spot, before) for spot in fresh) + self._forgotten()

    def cleared(self) -> str:
        """Return what removes all pixels, for the end."""
        sent, self._sent, self._shown = self._sent, [], {}
        return "".join(kitty.forget(number) for number in sent)

    def reset(self) -> None:
        """Note that nothing is on the screen any more: another program had it."""
        self._sent, self._shown = [], {}

    def _kitty(self, spot: Spot, before: dict[int, Spot]) -> str:
        number, text = spot.graphic.number, ""
        if number not in self._sent:
            text = spot.graphic.data
        elif before.get(number) == spot:
            return ""  # text below it has changed
        else:
            self._sent.remove(number)
        self._sent.append(number)
        return text + _at(spot.region) + kitty.place(number, *spot.region.size)

    def _forgotten(self) -> str:
        old = [number for number in self._sent[:-_KEPT] if number not in self._shown]
        self._sent = [number for number in self._sent if number not in old]
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
    """Return the pixels of those pictures that nothing lies over."""
    spots = list[Spot]()
    visible = screen._compositor.visible_widgets
    for picture in pictures:
        if picture not in visible:
            continue
        spots += [
            Spot(graphic, region)
            for graphic, region in picture.placed()
            if screen.region.contains_region(region) and not _covered(screen, picture, region)
        ]
    return spots


def _covered(screen: Screen[Any], picture: Widget, region: Region) -> bool:
    """Return whether a widget without children, such as a notice, lies over a region."""
    for widget, (place, clip) in screen._compositor.visible_widgets.items():
        if widget is picture:
            if not clip.contains_region(region):
                return True
        elif not widget.children and place.intersection(clip).overlaps(region):
            return True
    return False


def _at(region: Region) -> str:
    return Control.move_to(region.x, region.y).segment.text
