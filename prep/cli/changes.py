"""How changes read: of captions, exclusions, crops, places and contents of files."""

from collections.abc import Callable
from typing import Any

from prep import events
from prep.captions.diff import difference
from prep.dataset.journal.changes import ANSWERS, CAPTION, CROPS, DECISIONS, EXCLUDED, MOVED
from prep.dataset.journal.decisions import ALWAYS
from prep.dataset.journal.decisions import unpacked as decided
from prep.dataset.journal.tag_answers import unpacked
from prep.images import crops
from prep.language import _
from prep.project import STATE_NAME

SummaryText = Callable[[dict[str, Any]], str]

_SHORT = 200
"""Letters of a caption that are shown where it changed in other ways than by tags."""
_TRASH = f"{STATE_NAME}/trash/"


class Limited:
    """Prints the first changes or matches, and says how many there are more."""

    def __init__(self, line: Callable[[events.Event], str | None], most: int) -> None:
        """Make a printer.

        Args:
            line: The text of one event.
            most: How many to print; 0 for all.
        """
        self._line, self._most, self._count = line, most, 0

    def __call__(self, event: events.Event) -> str | None:
        """Return the text of one event, while there is room."""
        if not isinstance(event, events.Change | events.Match):
            return None
        self._count += 1
        # Comparing texts for nothing would cost more than the edit.
        return self._line(event) if self._most == 0 or self._count <= self._most else None

    def before(self, summary: SummaryText) -> SummaryText:
        """Return the summary with a line on top that says what was not printed."""

        def text(found: dict[str, Any]) -> str:
            more = self._count - self._most if self._most else 0
            text = _("... and {count} more (--show 0 for all)").format(count=more)
            return (f"{text}\n" if more > 0 else "") + summary(found)

        return text


def change_line(event: events.Event) -> str | None:
    """Return what a change is in words; of a caption the tags that come and go."""
    if isinstance(event, events.Match):
        return f"{event.path}\n    {', '.join(event.found)}"
    if not isinstance(event, events.Change):
        return None
    return _KINDS.get(event.what, _content)(event)


def _caption(event: events.Change) -> str:
    found = difference(event.before, event.after)
    if found.elsewhere:
        return _content(event)
    lines = [event.path]
    lines += [f"  - {', '.join(found.removed)}"] if found.removed else []
    lines += [f"  + {', '.join(found.added)}"] if found.added else []
    return "\n".join(lines)


def _content(event: events.Change) -> str:
    """Return the lines that differ, shortened."""
    old, new = (event.before or "").splitlines(), (event.after or "").splitlines()
    known, wanted = set(old), set(new)
    lines = [f"  - {short(text)}" for text in old if text not in wanted]
    lines += [f"  + {short(text)}" for text in new if text not in known]
    if event.after is None:
        lines = ["  (the file goes)", *lines]
    elif event.before is None:
        lines = ["  (a new file)", *lines]
    return "\n".join([event.path, *(lines or ["  (line ends or order of lines)"])])


def _excluded(event: events.Change) -> str:
    if event.after is None:
        return f"{event.path}\n  taken in again (was left out: {event.before})"
    return f"{event.path}\n  left out: {event.after}"


def _crops(event: events.Change) -> str:
    old, new = (crops.from_text(text) for text in (event.before, event.after))
    lines = [f"  - {_box(box)}" for box in old if box not in new]
    lines += [f"  + {_box(box)}" for box in new if box not in old]
    lines += [] if old else ["  (the whole image until now)"]
    lines += [] if new else ["  (the whole image from now on)"]
    return "\n".join([event.path, *lines])


def _box(box: crops.Box) -> str:
    """Return a crop in the shape in which ``shikomi crop`` takes it."""
    numbers = ",".join(f"{part:.4g}" for part in (box.x, box.y, box.width, box.height))
    return f"crop {numbers}  ({box.width:.0%} of the width, {box.height:.0%} of the height)"


def _moved(event: events.Change) -> str:
    before, after = event.before or "", event.after or ""
    if after.startswith(_TRASH):
        return f"{before}\n  moved to the trash ({after})"
    if before.startswith(_TRASH):
        return f"{after}\n  brought back from the trash"
    return f"{before}\n  moved to {after}"


def _answers(event: events.Change) -> str:
    old, new = (
        [f"answer: {tag}: {'yes' if yes else 'no'}" for tag, yes in unpacked(text).items()]
        for text in (event.before, event.after)
    )
    lines = [f"  - {text}" for text in old if text not in new]
    return "\n".join([event.path, *lines, *(f"  + {text}" for text in new if text not in old)])


def _decisions(event: events.Change) -> str:
    old, new = (
        [
            f"decided: {question}{' (never asked again)' if ALWAYS in covers else ''}"
            for question, covers in decided(text).items()
        ]
        for text in (event.before, event.after)
    )
    lines = [f"  - {text}" for text in old if text not in new]
    return "\n".join([event.path, *lines, *(f"  + {text}" for text in new if text not in old)])


_KINDS: dict[str, Callable[[events.Change], str]] = {
    CAPTION: _caption,
    EXCLUDED: _excluded,
    CROPS: _crops,
    MOVED: _moved,
    ANSWERS: _answers,
    DECISIONS: _decisions,
}


def short(text: str) -> str:
    """Return the beginning of a long text."""
    return text if len(text) <= _SHORT else text[:_SHORT] + "..."
