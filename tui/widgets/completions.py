"""What a half-typed tag may become: a short list at the cursor of the caption."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import events
from textual.geometry import Offset

from prep.language import _, ngettext
from tui.widgets.line_list import ItemList, Piece, cell

if TYPE_CHECKING:
    from prep.curation.vocabulary.complete import TagCompletion

MOST = 8
"""Suggestions at once."""
_TAG = 24
_FRAME = 2
"""Lines below everything: the job strip and the keys."""


class Completions(ItemList):
    """Suggestions; it never takes the focus: the caption hands it its keys.

    Attributes:
        chosen: The user has moved the cursor, so that enter means this line.
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.can_focus = False
        self.chosen = False
        self._found: list[TagCompletion] = []

    @property
    def tag(self) -> str:
        """The tag under the cursor."""
        return self._found[self.cursor].tag

    def propose(self, found: Sequence["TagCompletion"], at: Offset) -> None:
        """Show suggestions below a place on the screen, or above it; none hides the list."""
        self._found = list(found[:MOST])
        self.chosen = False
        self.display = bool(found)
        if found:
            lines = len(self._found)
            self.styles.height = lines
            below = at.y + 1 + lines + _FRAME <= self.screen.size.height
            # What is typed must be seen.
            self.absolute_offset = Offset(at.x, at.y + 1 if below else at.y - lines)
            self.show([_line(each) for each in self._found], keep=False)

    def hide(self) -> None:
        """Show nothing."""
        self.display = False

    def choose(self, lines: int) -> None:
        """Move the cursor, round the ends."""
        self.cursor = (self.cursor + lines) % len(self._found)
        self.chosen = True

    def clicked(self, event: events.Click) -> None:
        """Take the tag that was clicked."""
        if event.chain == 1:
            self.action_choose()


def _line(found: "TagCompletion") -> list[Piece]:
    """Return a suggestion: tag, meaning, images of the dataset, posts, other name."""
    facts = [found.translation] if found.translation else []
    if found.images:
        facts.append(
            ngettext("{count} image", "{count} images", found.images).format(count=found.images)
        )
    if found.count:
        facts.append(_("{count} posts").format(count=_short(found.count)))
    if found.alias:
        facts.append(_("for {alias}").format(alias=found.alias))
    return [(f" {cell(found.tag, _TAG)} ", ""), (" · ".join(facts), "dim")]


def _short(number: int) -> str:
    """Return a large number in three digits.

    Example:
        >>> _short(950), _short(12_345), _short(3_400_000)
        ('950', '12k', '3.4M')
    """
    if number < 1000:
        return str(number)
    return f"{number // 1000}k" if number < 1_000_000 else f"{number / 1e6:.1f}M"
