"""How far a search is that a stage has started, told from its thread."""

from dataclasses import dataclass

from textual.message import Message

from prep import events
from tui.widgets.job_strip import progress


@dataclass
class Searching(Message):
    """Progress of the search."""

    progress: events.Progress

    def can_replace(self, message: Message) -> bool:
        """Only the newest count matters."""
        return isinstance(message, Searching)

    def text(self, width: int) -> str:
        """Return the progress as a line with a bar of so many cells."""
        return progress(self.progress.what, self.progress.done, self.progress.total, width)
