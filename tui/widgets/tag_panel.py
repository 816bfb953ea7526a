"""The tags of the images that are shown or selected, with their counts: rename, delete, merge."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from textual.binding import BindingType
from textual.message import Message

from prep.language import _
from tui import commands
from tui.widgets.line_list import ItemList, Piece

PanelEdit = Literal["replace", "remove", "merge"]


class TagPanel(ItemList):
    """Tags with the number of images that have them; some may be marked for a merge."""

    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("tagpanel")

    @dataclass
    class EditWanted(Message):
        """Tags should be changed; nothing has happened yet."""

        kind: PanelEdit
        tags: tuple[str, ...]
        new: str = ""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, heading=_("tags of what is shown"), empty=_("no tags yet"))
        self._counts: list[tuple[str, int]] = []
        self._marked: dict[str, None] = {}
        self.translate: Callable[[str], str] = lambda _tag: ""

    @property
    def tag(self) -> str | None:
        """The tag under the cursor."""
        return self._counts[self.cursor][0] if self._counts else None

    def show_counts(self, counts: Sequence[tuple[str, int]], *, selected: int = 0) -> None:
        """Show tags with their counts, the most frequent first.

        Args:
            counts: Tags and numbers of images.
            selected: Number of images that they were counted in; 0 for all that are shown.
        """
        heading = _("tags of {count} selected").format(count=selected)
        self._heading = heading if selected else _("tags of what is shown")
        stood_on = self.tag
        self._counts = list(counts)
        known = {name: place for place, (name, _count) in enumerate(self._counts)}
        left = {name: None for name in self._marked if name in known}
        # One that is left over from a merge is not marked for another one.
        self._marked = left if len(left) > 1 or len(left) == len(self._marked) else {}
        self.write()
        if stood_on in known and stood_on is not None:
            self.cursor = known[stood_on]

    def write(self) -> None:
        """Write the lines again: marks or translations are others."""
        width = max((len(str(number)) for _name, number in self._counts), default=1)
        self.show([self._line(name, number, width) for name, number in self._counts])

    def _line(self, name: str, number: int, width: int) -> list[Piece]:
        mark: Piece = ("▪ " if name in self._marked else "  ", "key")
        pieces: list[Piece] = [mark, (f"{number:>{width}} ", "dim"), (name, "")]
        meaning = self.translate(name)
        return [*pieces, (f"  {meaning}", "dim")] if meaning else pieces

    def action_mark_tag(self) -> None:
        """Mark a tag for a merge, and move on."""
        if self.tag is not None:
            if self.tag in self._marked:
                del self._marked[self.tag]
            else:
                self._marked[self.tag] = None
            self.write()
            self.action_move(1)

    def action_edit_tag(self, kind: PanelEdit) -> None:
        """Ask for a change of the tag, or of the marked ones."""
        if self.tag is None:
            return
        tags = tuple(self._marked) or (self.tag,)
        if kind == "replace":
            tags = (self.tag,)
        # The tag that most images have is probably the right one.
        new = max(tags, key=dict(self._counts).__getitem__) if kind == "merge" else ""
        self.post_message(self.EditWanted(kind, tags, new))
