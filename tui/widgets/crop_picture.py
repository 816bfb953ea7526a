"""A large picture with the crops of the image in it, to be moved by keyboard and mouse."""

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.message import Message

from prep.images.buckets import Size
from prep.images.crops import Rect
from prep.images.crops.draft import CropDraft
from prep.images.crops.framing import shapes
from prep.images.crops.heads import Head
from tui import commands
from tui.graphics.crop_marks import CropMarks, crop_marks, shares
from tui.widgets.picture import Load, Picture

_STEPS = 32
"""A coarse step is the longer side of the image, divided by this."""
_GRIP = 0.75
"""Distance from an edge, in cells, at which the mouse takes hold of it."""

Point = tuple[int, int]


@dataclass(frozen=True)
class _Drag:
    """What the mouse has taken hold of.

    Attributes:
        draft: As it was before.
        start: Where, in pixels of the image.
        fixed: The corner that stays; ``None`` while the whole frame moves.
        across: Its width follows the pointer.
        down: Its height does.
    """

    draft: CropDraft
    start: Point
    fixed: Point | None = None
    across: bool = True
    down: bool = True


class CropPicture(Picture, can_focus=True):
    """The crops of an image.

    Attributes:
        path: The image.
        draft: The crops as they are now; ``None`` while no image is shown.
        heads: The heads that are known in the image.
        fine: Keys move by single pixels.
    """

    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("box")

    @dataclass
    class Changed(Message):
        """The crops, or the one that is looked at, are others now."""

        picture: "CropPicture"

        @property
        def control(self) -> "CropPicture":
            """The picture."""
            return self.picture

        def can_replace(self, message: Message) -> bool:
            """Only the newest state matters."""
            return isinstance(message, CropPicture.Changed)

    class SaveWanted(Message):
        """The crops of an image are to be saved.

        Attributes:
            path: The image.
            draft: Its crops, with those that they replace; ``None`` if there is no image.
            leave: Go back to the list.
            end: Leave the application when that is done.
        """

        def __init__(
            self, path: str, draft: CropDraft | None, *, leave: bool, end: bool = False
        ) -> None:
            super().__init__()
            self.path, self.draft, self.leave, self.end = path, draft, leave, end

    class DropWanted(Message):
        """Go back; what was changed is dropped, which was said before."""

    path = ""
    draft: CropDraft | None = None
    heads: tuple[Head, ...] = ()
    fine = False
    _proposals: tuple[Rect, ...] = ()
    _drag: _Drag | None = None

    # ---- what is shown -------------------------------------------------------------------

    def show_crops(
        self, key: Hashable, load: Load, draft: CropDraft, heads: tuple[Head, ...] = ()
    ) -> None:
        """Show an image, its crops and its heads; nothing is proposed yet."""
        self.draft, self.heads, self._proposals = draft, heads, ()
        self.over = self._marks()
        self.show(key, load)
        self._redraw()

    def show_nothing(self, text: str) -> None:
        """Show text; there is no image."""
        self.draft, self.heads, self._proposals, self.over = None, (), (), None
        self.show_text(text)

    def propose(self, rects: tuple[Rect, ...]) -> None:
        """Show parts that are proposed."""
        self._proposals = rects
        self._redraw()

    def edit(self, draft: CropDraft) -> None:
        """Show other crops of the same image."""
        if draft != self.draft:
            self.draft = draft
            self._redraw()
            self.post_message(self.Changed(self))

    def _redraw(self) -> None:
        self.draw_over(self._marks())

    def _marks(self) -> CropMarks | None:
        draft = self.draft
        if draft is None:
            return None
        proposals = tuple(shares(rect, draft.size) for rect in self._proposals)
        marks = crop_marks(draft, self.heads)
        return replace(marks, proposals=proposals, editing=self.has_focus)

    def on_focus(self) -> None:
        """Show that it is edited."""
        self._redraw()

    def on_blur(self) -> None:
        """Save what was changed: it can be undone."""
        self._redraw()
        self.keep(leave=False)

    def keep(self, *, leave: bool, end: bool = False) -> None:
        """Ask for the crops to be saved, if they are others than before."""
        draft = self.draft
        if draft is not None and draft.changed:
            # Counted as saved from here on, so that it is asked for once.
            self.draft = replace(draft, stored=draft.boxes)
        if leave or (draft is not None and draft.changed):
            self.post_message(self.SaveWanted(self.path, draft, leave=leave, end=end))

    # ---- keys ----------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what can be done: nothing without an image."""
        del parameters
        return self.draft is not None or action in ("leave_box", "focus")

    @property
    def step(self) -> int:
        """Pixels of the image by which a key moves."""
        return 1 if self.fine or self.draft is None else max(1, max(self.draft.size) // _STEPS)

    def action_move_box(self, across: int, down: int) -> None:
        """Move the crop by steps."""
        if self.draft is not None:
            draft = self.draft.begun()
            self.edit(draft.with_frame(draft.frame.moved(across * self.step, down * self.step)))

    def action_grow_box(self, across: int, down: int) -> None:
        """Make the crop larger or smaller by steps."""
        if self.draft is not None:
            draft = self.draft.begun()
            self.edit(draft.with_frame(draft.frame.grown(across * self.step, down * self.step)))

    def action_aspect(self, step: int) -> None:
        """Give it the proportions of the next bucket: step 1 is wider, -1 taller, 0 is any."""
        if self.draft is None:
            return
        draft = self.draft.begun()
        frame = draft.frame
        if step == 0:
            self.edit(draft.with_frame(frame.shaped(None)))
            return
        known = shapes(frame.buckets)
        shape = frame.shape or frame.buckets.fit(frame.rect.size).bucket
        place = _nearest(known, shape)
        if frame.shape is not None:  # from any proportions, the nearest ones come first
            place = (place + step) % len(known)
        self.edit(draft.with_frame(frame.shaped(known[place])))

    def action_step(self) -> None:
        """Switch between large steps and single pixels."""
        self.fine = not self.fine
        self.post_message(self.Changed(self))

    def action_next_crop(self, step: int) -> None:
        """Look at the next crop of the image."""
        if self.draft is not None:
            self.edit(self.draft.turned(step))

    def action_add_crop(self) -> None:
        """Add a crop."""
        if self.draft is not None:
            self.edit(self.draft.added())

    def action_remove_crop(self) -> None:
        """Remove the crop; without any, all of the image is used."""
        if self.draft is not None:
            self.edit(self.draft.removed())

    def action_save_box(self) -> None:
        """Save, and go back to the list."""
        self.keep(leave=True)

    def action_quit_box(self) -> None:
        """Save, and leave the application."""
        self.keep(leave=True, end=True)

    def action_leave_box(self) -> None:
        """Go back to the list."""
        self.post_message(self.DropWanted())

    # ---- mouse ---------------------------------------------------------------------------

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of the crop, of its edge, or begin to draw it anew."""
        self.focus()
        if self.draft is None or self._drawn is None or event.button != 1:
            return
        drag = self._taken(event, self.draft.begun())
        if drag is None:
            return  # outside, and enlarged: the picture is dragged
        event.prevent_default()
        event.stop()
        self._drag = drag
        self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Move the crop, or its edge."""
        drag = self._drag
        if drag is None:
            return
        event.prevent_default()
        event.stop()
        x, y = self._place(event)
        frame = drag.draft.frame
        if drag.fixed is None:
            moved = frame.moved(x - drag.start[0], y - drag.start[1])
        else:
            # An edge that is not dragged stays; with a shape, it follows the other one.
            far = frame.rect.corners[2:] if frame.shape is None else drag.fixed
            free = (x if drag.across else far[0], y if drag.down else far[1])
            moved = frame.spanned(drag.fixed, free)
        self.edit(drag.draft.with_frame(moved))

    def on_mouse_up(self) -> None:
        """Let go; the base class releases the mouse."""
        self._drag = None

    def _place(self, event: events.MouseEvent) -> Point:
        """Return the pixel of the image under the pointer."""
        x, y = self._pointed(event)
        part = self._part
        assert self.draft is not None
        width, height = self.draft.size
        return (
            round((part.left + x * (part.right - part.left)) * width),
            round((part.top + y * (part.bottom - part.top)) * height),
        )

    def _taken(self, event: events.MouseEvent, draft: CropDraft) -> _Drag | None:
        x, y = self._place(event)
        rect, part = draft.frame.rect, self._part
        columns, rows = self._extent
        reach_x = _GRIP * (part.right - part.left) * draft.size[0] / columns
        reach_y = _GRIP * (part.bottom - part.top) * draft.size[1] / rows
        inside = (
            rect.left - reach_x <= x <= rect.right + reach_x
            and rect.top - reach_y <= y <= rect.bottom + reach_y
        )
        if not inside:
            return None if self.enlarged else _Drag(draft, (x, y), (x, y))
        west, east = abs(x - rect.left) <= reach_x, abs(x - rect.right) <= reach_x
        north, south = abs(y - rect.top) <= reach_y, abs(y - rect.bottom) <= reach_y
        if not (west or east or north or south):
            return _Drag(draft, (x, y))
        fixed = (rect.right if west else rect.left, rect.bottom if north else rect.top)
        return _Drag(draft, (x, y), fixed, west or east, north or south)


def _nearest(known: tuple[Size, ...], shape: Size) -> int:
    """Return the place of the bucket with the nearest proportions."""
    ratio = shape[0] / shape[1]

    def apart(place: int) -> float:
        return abs(math.log(known[place][0] / known[place][1] / ratio))

    return min(range(len(known)), key=apart)
