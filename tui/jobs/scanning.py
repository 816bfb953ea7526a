"""What the scan tells the application."""

from dataclasses import dataclass

from textual.message import Message


@dataclass
class ScanProgress(Message):
    """The number of files scanned so far."""

    files: int

    def can_replace(self, message: Message) -> bool:
        """Only the newest count matters."""
        return isinstance(message, ScanProgress)


class ScanDone(Message):
    """The scan is complete."""
