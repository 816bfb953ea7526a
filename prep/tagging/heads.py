"""Looking for heads: once in each content, by the detector that the project names.

Without a detector nothing is looked for, and nothing is known. What must know heads calls
``look``, which costs nothing where all pictures were looked at before, and then reads ``Heads``.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing

from prep import events
from prep.dataset import contents
from prep.dataset.index import ImageRow, Index
from prep.dataset.values import head_values
from prep.dataset.values.head_values import HeadValues
from prep.errors import UnreadableError
from prep.images.crops.heads import Head
from prep.project import Project
from prep.tagging.models import detectors
from prep.tagging.models.detectors import DetectorFiles
from prep.tagging.runtime.detector import Detector, detect_files
from prep.tagging.runtime.running import Running

_BATCH = 32
"""Images whose heads a killed run may lose."""


def detector_of(project: Project) -> str:
    """Return the detector that a project names; empty for none."""
    return project.settings.crops.head_detector


class Heads:
    """The heads that are known of the images of a project.

    Attributes:
        detector: The detector of the project; empty if none is set.
    """

    def __init__(self, index: Index, model: str = "", threshold: float | None = None) -> None:
        """Open them; nothing is read yet.

        Args:
            index: Open index.
            model: A detector; by default that of shikomi.toml.
            threshold: Minimum score; by default that of shikomi.toml, else the detector's.
        """
        section = index.project.settings.crops
        self._index = index
        self.detector = model or detector_of(index.project)
        self._values = (
            head_values.latest(index.connection, self.detector) if self.detector else None
        )
        limit = section.head_threshold if threshold is None else threshold
        recommended = self._values.threshold if self._values is not None else 0.0
        self._threshold = recommended if limit is None else limit

    def of(self, rows: Iterable[ImageRow]) -> dict[str, tuple[Head, ...]]:
        """Return the heads of images in which they were looked for, by path."""
        if self._values is None:
            return {}
        listed = list(rows)
        found = self._values.load((row.content for row in listed), self._threshold)
        return {row.path: found[row.content] for row in listed if row.content in found}

    def of_image(self, path: str) -> tuple[Head, ...] | None:
        """Return the heads of one image; ``None`` if a detector has yet to look for them."""
        if not self.detector:
            return ()
        row = self._index.get(path)
        return None if row is None else self.of([row]).get(path)


def look(index: Index, rows: Sequence[ImageRow] | None = None) -> Iterator[events.Event]:
    """Look for heads in those images where that was not done yet; nothing without a detector.

    Args:
        index: Open index.
        rows: Usable images; by default all of them.

    Yields:
        Progress; Skipped for images that cannot be read; Warned if the detector is not on this
        machine: it is not downloaded here.
    """
    model = detector_of(index.project)
    if not model:
        return
    files = detectors.at_hand(model, index.project.root)
    if files is None:
        yield events.Warned(
            f"The head detector {model} is not on this machine: heads were not looked for.",
            "Download it with: shikomi heads",
        )
        return
    wanted = index.usable() if rows is None else rows
    yield from detected(index, wanted, files, model, Running())


def detected(
    index: Index,
    rows: Sequence[ImageRow],
    files: DetectorFiles,
    model: str,
    running: Running,
) -> Generator[events.Event, None, Detector | None]:
    """Look for heads in the contents in which this detector has not looked yet.

    Args:
        index: Open index.
        rows: Usable images.
        files: The detector.
        model: Name with which it was requested.
        running: Device, batch and threads.

    Yields:
        As ``look``; Warned if a GPU seems to be present but is not used.

    Returns:
        The detector; ``None`` if it was not needed.

    Raises:
        UserError: The detector is broken or of another kind.
    """
    values = head_values.registered(index.connection, files.key(), model, files.threshold)
    yield from contents.hash_contents(index, rows)
    known, todo = values.contents(), dict[str, ImageRow]()
    for row in index.rows([row.id for row in rows]):
        if row.usable and row.content is not None and row.content not in known:
            todo.setdefault(row.content, row)
    if not todo:
        return None
    yield events.Progress("heads", 0, len(todo), f"loading {files.name}")
    detector = Detector(files, running.device, running.threads)
    if detector.choice.gpu_idle:
        reason, cure = detector.choice.reason, detector.choice.cure
        yield events.Warned(f"The head detector runs on the CPU: {reason}.", cure)
    yield from _stored(index, values, detector, todo, running)
    return detector


def _stored(
    index: Index,
    values: HeadValues,
    detector: Detector,
    todo: dict[str, ImageRow],
    running: Running,
) -> Iterator[events.Event]:
    root, throttle = index.project.root, events.Throttle()
    waiting: list[tuple[str, tuple[Head, ...]]] = []
    files = ((root / row.path, (row.width, row.height)) for row in todo.values())
    work = detect_files(detector, files, batch=running.batch, threads=running.threads)
    try:
        with closing(work) as results:
            pairs = zip(todo.items(), results, strict=True)
            for done, ((content, row), (path, found)) in enumerate(pairs, 1):
                if isinstance(found, UnreadableError):
                    reason = found.message.removeprefix(f"{path.name}: ")
                    index.put_error(row.path, reason)
                    yield events.Skipped(row.path, reason)
                else:
                    waiting.append((content, found))
                if len(waiting) >= _BATCH:
                    values.put(waiting)
                    waiting.clear()
                yield from events.tick("heads", len(todo), throttle, done, detector.choice.provider)
    finally:
        values.put(waiting)
