"""Starting an operation again when ``cache.db`` turns out to be damaged on the way."""

from collections.abc import Callable, Iterator

from prep import events
from prep.dataset.database_faults import CacheDamagedError
from prep.dataset.index import Index
from prep.dataset.journal import edits
from prep.project import Project


def with_sound_cache(
    project: Project, work: Callable[[Project], Iterator[events.Event]]
) -> Iterator[events.Event]:
    """Run an operation; once more with a new cache if the present one is damaged.

    An operation that has already changed something is not repeated: adding to every caption twice
    would be wrong.

    Raises:
        CacheDamagedError: The cache was damaged, and the operation has changed something.
    """
    before = _edits(project)
    try:
        yield from work(project)
    except CacheDamagedError as fault:
        if _edits(project) != before:
            raise
        yield events.Warned(fault.message, "It is computed again.")
        yield from work(project)


def _edits(project: Project) -> list[tuple[int, str]]:
    with Index(project) as index:
        return edits.states(index)
