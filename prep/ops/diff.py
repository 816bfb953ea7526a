"""Show the differences between two exports, or between an export and the current project."""

import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

from prep import events
from prep.dataset import contents
from prep.dataset.index import Index
from prep.errors import UserError
from prep.formats import sources
from prep.formats.snapshot import of_collection
from prep.ops import scan
from prep.project import FILE_NAME, STATE_NAME, Project
from prep.system.leftovers import sweep, unfinished_folder
from prep.system.names import with_home
from prep.training_set import comparison, manifest, training_set
from prep.training_set.snapshot import Snapshot, of_training_set


def run(before: Path, after: Path) -> Iterator[events.Event]:
    """Compare two training sets.

    Args:
        before: An export, a project, or any dataset that can be imported.
        after: The same.

    Yields:
        Progress; Differs for each difference; TagDiffers for each tag that came or went; Finished
        with ``same`` and the number of images and of each kind of difference.

    Raises:
        UserError: One of them is neither, or the export was not finished.
    """
    one = yield from _snapshot(before)
    other = yield from _snapshot(after)
    differences = comparison.compare(one, other)
    for d in differences:
        yield events.Differs(d.path, d.what, d.before, d.after, d.added, d.removed)
    for total in comparison.totals(differences):
        yield events.TagDiffers(total.name, total.added, total.removed)
    kinds = ("added", "removed", "moved", "pixels", "crop", "bucket", "mask", "tags", "caption")
    count = {kind: sum(d.what == kind for d in differences) for kind in (*kinds, "concept")}
    yield events.Finished(
        {"same": not differences, "before": len(one.items), "after": len(other.items), **count}
    )


def _snapshot(place: Path) -> Generator[events.Event, None, Snapshot]:
    path = with_home(place).resolve()
    if (path / manifest.FILE_NAME).is_file():
        found = manifest.Manifest(path).snapshot
        if found is None:
            raise UserError(
                f"The export in {place} was not finished, or is from an older version of shikomi.",
                "Export to it again: shikomi export --out",
            )
        return found
    if (path / FILE_NAME).is_file() or (path / STATE_NAME).is_dir():
        return (yield from _present(Project.open(path)))
    return (yield from _foreign(place))


def _present(project: Project) -> Generator[events.Event, None, Snapshot]:
    """Return the snapshot of an export of the project now."""
    for event in scan.run(project):
        if isinstance(event, events.Progress):
            yield event
    with Index(project) as index:
        yield from contents.hash_contents(index, index.usable())
        rows = [row for row in index.usable() if row.caption_error is None]
    return of_training_set(training_set(project, rows, "webp"), rows)


def _foreign(place: Path) -> Generator[events.Event, None, Snapshot]:
    temporary = Path(tempfile.gettempdir())
    sweep(temporary)
    with unfinished_folder(temporary, "unpacked") as staging:
        yield events.Progress("read", 0)
        found = sources.read(place, staging)
        for path, reason in found.skipped:
            yield events.Skipped(path, reason)
        try:
            return of_collection(found)
        except OSError as error:
            raise UserError(f"{place} cannot be read: {error.strerror or error}.") from error
