"""What the review's search tells the screen while it looks, in a thread."""

from collections.abc import Iterator
from dataclasses import dataclass

from textual.message import Message
from textual.worker import get_current_worker

from prep import events
from prep.curation.review import Decision
from prep.ops import review
from prep.project import Project
from tui.jobs.operations import on_all_images, watched
from tui.widgets.search_progress import Searching


@dataclass
class Answering(Message):
    """How many of the questions that get one answer have got it."""

    done: int
    total: int

    def can_replace(self, message: Message) -> bool:
        """Only the newest count matters."""
        return isinstance(message, Answering)


@dataclass
class Searched(Message):
    """Decisions of the sources that are done; ``complete`` after the last one."""

    found: list[Decision]
    complete: bool


def search(project: Project) -> Iterator[Searching | Searched]:
    """Look at everything; call it in a worker, which may be cancelled."""
    found: list[Decision] = []
    for step in watched(on_all_images(review.search_project, project)):
        if isinstance(step, Decision):
            found.append(step)
        elif isinstance(step, events.Progress):
            yield Searching(step)
        elif isinstance(step, events.Stage):
            yield Searched(list(found), complete=False)
    if not get_current_worker().is_cancelled:
        yield Searched(found, complete=True)
