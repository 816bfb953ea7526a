"""Two pictures that may be copies: side by side or in one place, enlarged where they differ."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image
from textual import on, work
from textual.app import ComposeResult
from textual.cache import LRUCache
from textual.containers import Horizontal, Vertical
from textual.content import Content

from prep.captions.diff import difference
from prep.dataset.index import ImageRow
from prep.errors import UserError
from prep.images import decode
from prep.language import _, counted, translated
from tui.about import about
from tui.graphics.view import Box, View
from tui.session import Session
from tui.widgets.clipped import Clipped
from tui.widgets.picture import Picture

if TYPE_CHECKING:
    from prep.curation.duplicates.places import Differing

_SIDES = ("kept", "other")
_REMEMBERED = 64
_CLOSER = 3
"""Steps of zooming where nothing differs."""
_NAMED = 12
"""Most tags that are named as a difference of captions."""


@dataclass(frozen=True)
class Side:
    """One of the two.

    Attributes:
        title: What is said of it.
        row: The image; ``None`` if it is gone.
        turn: The transform from the first picture to this one, as in the group.
    """

    title: str
    row: ImageRow | None
    turn: int = 0

    @property
    def key(self) -> Hashable:
        """What its picture depends on."""
        return (self.row.path, self.row.mtime_ns, self.turn) if self.row is not None else None


class ImagePair(Vertical):
    """Two pictures, of which the second is laid over the first as well as it can be."""

    def __init__(self, session: Session, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._session = session
        self._sides = (Side("", None), Side("", None))
        self._found: LRUCache[Hashable, Differing | None] = LRUCache(_REMEMBERED)
        self._differing: Differing | None = None
        self._note = ""
        self._whole = False
        self._up: int | None = None

    def compose(self) -> ComposeResult:
        """Make the two sides."""
        yield Clipped(id="differences", classes="side-title")
        with Horizontal(id="sides"):
            for side in _SIDES:
                with Vertical(id=f"{side}-side", classes="side"):
                    yield Clipped(id=f"{side}-title", classes="side-title")
                    yield Picture(self._session, id=f"{side}-picture")
                    yield Clipped(id=f"{side}-captions")
                    yield Clipped(id=f"{side}-about", classes="side-about")

    @property
    def pictures(self) -> tuple[Picture, Picture]:
        """The pictures of both sides."""
        first, second = (self.query_one(f"#{side}-picture", Picture) for side in _SIDES)
        return first, second

    def show(self, first: Side, second: Side) -> None:
        """Show two images."""
        same = (first.key, second.key) == (self._sides[0].key, self._sides[1].key)
        self._sides = first, second
        for name, side in zip(_SIDES, self._sides, strict=True):
            self.query_one(f"#{name}-title", Clipped).update(Content(side.title))
            row = side.row
            text = about(self._session.project, row) if row is not None else ""
            self.query_one(f"#{name}-about", Clipped).update(Content(text))
        for picture, side in zip(self.pictures, self._sides, strict=True):
            if side.row is None:
                picture.show_text("")
        self._tell_captions()
        if not same:
            self._differing, self._note = None, ""
            self._compare()

    # ---- looking -------------------------------------------------------------------------

    @property
    def in_one_place(self) -> bool:
        """Return whether one picture is shown in the place of the other."""
        return self._up is not None

    def flip(self) -> None:
        """Show the other picture in the place of the one that is shown."""
        self._raise_side(1 if self._up is None else 1 - self._up)

    def side_by_side(self) -> None:
        """Show both pictures."""
        self._raise_side(None)

    def _raise_side(self, up: int | None) -> None:
        self._up = up
        for number in (0, 1):
            self.query_one(f"#{_SIDES[number]}-side").display = up in (None, number)
        if up is not None:
            self.call_after_refresh(self._prepare, up)
        self._tell()

    def _prepare(self, up: int) -> None:
        """Draw the hidden picture for the room of the one that is shown."""
        self.pictures[1 - up].prepare(self.pictures[up].size)

    def toggle_zoom(self) -> None:
        """Show the whole pictures, or where they differ."""
        self._whole = self.pictures[0].enlarged
        if self._whole or self._area is not None:
            self._look()
        else:
            self.zoom(_CLOSER)
        self._tell()

    def zoom(self, steps: float) -> None:
        """Zoom in both pictures."""
        self.pictures[self._up or 0].zoom(steps)

    def pan(self, across: float, down: float) -> None:
        """Move in both pictures."""
        self.pictures[self._up or 0].pan(across, down)

    @on(Picture.Viewed)
    def viewed(self, event: Picture.Viewed) -> None:
        """Look at the other picture in the same way."""
        event.stop()
        for picture in self.pictures:
            if picture is not event.picture:
                picture.look(event.picture.view, picture.marks)

    @property
    def _area(self) -> Box | None:
        """The part to enlarge, if anything differs."""
        around = self._differing.around if self._differing is not None else None
        return Box(*around) if around is not None else None

    @property
    def _marks(self) -> list[Box]:
        return [Box(*place) for place in self._differing.places] if self._differing else []

    def _look(self) -> None:
        view = View() if self._whole else self._area or View()
        for picture in self.pictures:
            picture.look(view, self._marks)

    # ---- comparing -----------------------------------------------------------------------

    @work(group="pair", exclusive=True, exit_on_error=False)
    async def _compare(self) -> None:
        """Show the first picture, find out where they differ, and lay the second over it."""
        first, second = self._sides
        if first.row is None:
            self._tell()
            return
        here = self.pictures
        key = first.key, second.key
        known = key in self._found
        if not known:
            self._note = _("comparing…") if second.row is not None else ""
            here[0].show(first.key, lambda: self._decoded(first))
            self._tell()
            if second.row is not None:
                here[1].show(second.key, lambda: self._decoded(second))
                try:
                    self._found[key] = await self._session.paint(
                        lambda: self._looked(first, second)
                    )
                except UserError as error:
                    self._note = _("not compared: {reason}").format(
                        reason=translated(error.message)
                    )
                    self._tell()
                    return
        if second.row is not None:
            self._differing = self._found.get(key)
            self._note = self._said()
            view = View() if self._whole else self._area or View()
            here[0].show(first.key, lambda: self._decoded(first), view=view, marks=self._marks)
            here[1].show(
                (key, "laid over") if self._differing else second.key,
                lambda: self._laid_over(first, second),
                view=view,
                marks=self._marks,
            )
        self._tell()

    def _decoded(self, side: Side) -> Image.Image:
        """Decode a picture and turn it like the first; runs in a thread."""
        assert side.row is not None
        image = decode(self._session.project.root / side.row.path)
        if not side.turn:
            return image
        import numpy as np

        from prep.curation.duplicates.comparer import turned_back

        return Image.fromarray(turned_back(np.asarray(image), side.turn))

    def _looked(self, first: Side, second: Side) -> "Differing | None":
        from prep.curation.duplicates.places import find

        return find(self._decoded(first), self._decoded(second))

    def _laid_over(self, first: Side, second: Side) -> Image.Image:
        image, found = self._decoded(second), self._found.get((first.key, second.key))
        if found is None or first.row is None:
            return image
        from prep.curation.duplicates.places import in_frame_of

        return in_frame_of((first.row.width, first.row.height), image, found.warp)

    def _said(self) -> str:
        """Say how the pictures differ."""
        found = self._differing
        if found is None:
            text = _("no common frame: each is shown as it is")
        elif not found.places:
            text = _("no visible difference")
        else:
            text = counted("{count} place differs", "{count} places differ", len(found.places))
        return _("turned alike, {text}").format(text=text) if self._sides[1].turn else text

    def _tell(self) -> None:
        """Write the line above both pictures."""
        parts = [self._note] if self._note else []
        if self._marks:
            parts.append(
                _("marked, whole picture (z)") if self._whole else _("marked, enlarged (z)")
            )
        if self._up is not None:
            parts.append(
                _("showing B, the second (space: the other, esc: both)")
                if self._up
                else _("showing A, the first (space: the other, esc: both)")
            )
        self.query_one("#differences", Clipped).update(Content(" · ".join(parts)))

    @work(group="captions", exclusive=True, exit_on_error=False)
    async def _tell_captions(self) -> None:
        """Write below each picture which tags only its caption has."""
        texts = [
            await self._session.read_caption(side.row.path) if side.row is not None else None
            for side in self._sides
        ]
        found = difference(*texts)
        for name, side, text, only in zip(
            _SIDES, self._sides, texts, (found.removed, found.added), strict=True
        ):
            said = _("no caption") if text is None else _own(only)
            if side.row is None:
                said = ""
            self.query_one(f"#{name}-captions", Clipped).update(Content(said))


def _own(only: Sequence[str]) -> str:
    """Say which tags only one of two captions has."""
    if not only:
        return _("= no tag of its own")
    tags = ", ".join(only[:_NAMED])
    if (more := len(only) - _NAMED) > 0:
        tags = _("{tags} and {count} more").format(tags=tags, count=more)
    return _("+ only here: {tags}").format(tags=tags)
