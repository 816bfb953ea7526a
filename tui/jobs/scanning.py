"""The scan, and what it tells the application."""

from collections.abc import Iterator
from dataclasses import dataclass

from textual.message import Message

from prep import events
from prep.dataset.index import Index
from prep.project import Project
from tui.jobs.operations import watched


@dataclass
class ScanProgress(Message):
    """The number of files scanned so far, and whether anything is new since the scan began."""

    files: int
    new: bool

    def can_replace(self, message: Message) -> bool:
        """Only the newest count matters."""
        return isinstance(message, ScanProgress)


class ScanDone(Message):
    """The scan is complete."""


def scan(project: Project) -> Iterator[ScanProgress | ScanDone]:
    """Update the index; call it in a worker, which may be cancelled."""
    from prep.ops import scan  # not needed for the first frame

    with Index(project) as index:
        before = index.version("main")
        for event in watched(scan.run(project)):
            if isinstance(event, events.Progress):
                yield ScanProgress(event.done, index.version("main") != before)
            elif isinstance(event, events.Finished):
                yield ScanDone()
