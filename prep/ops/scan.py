"""Find the images of a project and index their headers and captions.

Only files that are new or changed are opened, so a second scan only walks the folders. Headers
are read by ``prep.images.headers``; unsupported ones go to Pillow, and a file that looks
truncated is decoded to be certain.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

from prep import captions, events
from prep.dataset import overlooked
from prep.dataset.index import Index, KnownFile, ScannedCaption, ScannedImage
from prep.errors import UnreadableError
from prep.images import MASK_SUFFIXES, SIDEWAYS, decode, has_its_end, headers, is_image_name, probe
from prep.language import quantity
from prep.project import Project, Section
from prep.system.leftovers import sweep_names
from prep.system.names import same_name
from prep.system.parallel import workers
from prep.system.walking import Folder, walk_folders
from prep.texts import read_bytes

T = TypeVar("T")
Out = TypeVar("Out")

_BATCH = 512
_CAPTIONS = 16_384
_OWN_FOLDERS = ("model", "output")
_SAMPLE, _SLOW = 32, 0.0005
"""Files read before deciding, and seconds per file from which threads are used."""


class ScanOptions(Section):
    """A scan has no choices: it looks at everything below the dataset folder."""


def run(project: Project, options: ScanOptions | None = None) -> Iterator[events.Event]:
    """Update the index from the files.

    Yields:
        Progress; Skipped for each unreadable image or caption; Warned of links and of captions
        with another suffix; Finished with ``images`` (usable files), ``unreadable``,
        ``concepts``.

    Raises:
        UserError: The dataset folder cannot be read.
    """
    del options
    with Index(project) as index, ThreadPoolExecutor(workers()) as pool:
        scan, throttle = _Scan(project, index, pool), events.Throttle()
        try:
            for _ in scan.batches():
                if throttle.ready():
                    yield events.Progress("scan", scan.count, 0)
        finally:
            pool.shutdown(cancel_futures=True)
            scan.flush()
        index.keep_only(scan.seen)
        yield events.Progress("scan", scan.count, scan.count)
        yield from _repeated(project, scan.repeated)
        if scan.overlooked:
            text = overlooked.message(scan.overlooked, quantity(len(scan.overlooked), "image"))
            yield events.Warned(text, overlooked.hint(project))
        yield from _report(index, scan.faults)


class _File(NamedTuple):
    """An image file to be indexed; ``folder`` is absolute."""

    path: str
    folder: str
    name: str
    concept: str
    sidecar: str | None
    mask: bool

    @property
    def place(self) -> str:
        """The absolute path."""
        return f"{self.folder}/{self.name}"


class _Scan:
    """One walk over the dataset.

    Attributes:
        count: Number of image files found.
        seen: Marks the known ids whose files still exist.
        faults: (path, reason) of files that cannot be indexed.
        repeated: (path, absolute path of the file if it is known) of further links to a picture.
        overlooked: Paths of captions that have the other suffix.
    """

    def __init__(self, project: Project, index: Index, pool: ThreadPoolExecutor) -> None:
        self._project, self._index, self._pool = project, index, pool
        self._extension = project.settings.captions.extension
        self.count = 0
        self.seen = bytearray(index.highest_id() + 1)
        self.faults: list[tuple[str, str]] = []
        self.repeated: list[tuple[str, str]] = []
        self.overlooked: list[str] = []
        self._other = overlooked.other_suffix(project)
        self._texts: list[ScannedCaption] = []

    def batches(self) -> Iterator[None]:
        """Process all files, yielding after each batch."""
        waiting: list[_File] = []
        for file in self._files():
            waiting.append(file)
            if len(waiting) == _BATCH:
                self._look_at(waiting)
                waiting = []
                yield
        self._look_at(waiting)

    def flush(self) -> None:
        """Write the pending captions: many at once, since their tags are spread over a table.

        Until then an image counts as one whose caption is unknown, so that the next scan would
        read it again.
        """
        texts, self._texts = self._texts, []
        self._index.put_captions(texts)

    def _files(self) -> Iterator[_File]:
        """Yield the image files; without model/ and output/ of a bare folder."""
        project = self._project
        bare = project.dataset == project.root
        own = [project.root / name for name in _OWN_FOLDERS if bare]
        for folder in walk_folders(project.dataset, is_image_name, without=own):
            sweep_names(folder.path, folder.unfinished)
            relative = os.path.relpath(folder.path, project.root).replace(os.sep, "/")
            yield from self._in_folder(folder, "" if relative == "." else f"{relative}/")

    def _in_folder(self, folder: Folder, prefix: str) -> Iterator[_File]:
        self._note_faults(folder, prefix)
        beside = {
            same_name(name): name
            for name in folder.names
            if name.endswith((self._extension, self._other, MASK_SUFFIXES[0]))
        }
        concept = ""
        for name in folder.names:
            if not is_image_name(name):
                continue
            path = prefix + name
            if name in folder.repeated:
                self.repeated.append((_printable(path), folder.repeated[name]))
                continue
            if not _is_text(path):
                self.faults.append((_printable(path), "its name is not UTF-8 text; rename it"))
                continue
            concept = concept or self._project.concept_folder(path)
            stem = name[: name.rindex(".")]
            self.count += 1
            caption = beside.get(same_name(stem + self._extension))
            if caption is None and (other := beside.get(same_name(stem + self._other))):
                self.overlooked.append(prefix + other)
            yield _File(
                path,
                folder.path,
                name,
                concept,
                caption,
                same_name(stem + MASK_SUFFIXES[0]) in beside,
            )

    def _note_faults(self, folder: Folder, prefix: str) -> None:
        for name, reason in folder.faults:
            if not name or is_image_name(name):
                path = (prefix + name).rstrip("/") or "."
                self.faults.append((_printable(path), reason))

    def _look_at(self, files: list[_File]) -> None:
        """Index one batch; only changed files are opened."""
        known = self._index.known([file.path for file in files])
        changed: list[_File] = []
        for file in files:
            before = known.get(file.path)
            if before is None:
                changed.append(file)
            else:
                self.seen[before.id] = 1
                if (before.size, before.mtime_ns, before.mask) != (*_stat(file.place), file.mask):
                    changed.append(file)
            text = _caption(file, before)
            if text is not None:
                self._texts.append(text)
        self._index.put(self._headers(changed))
        if len(self._texts) >= _CAPTIONS:
            self.flush()

    def _headers(self, files: list[_File]) -> list[ScannedImage]:
        """Read headers; unsupported images are opened by Pillow, in threads."""
        seen = self._spread(lambda file: headers.read(file.place), files)
        plain = [_found(file, each) for file, each in zip(files, seen, strict=True)]
        doubtful = [file for file, found in zip(files, plain, strict=True) if found is None]
        opened = iter(list(self._pool.map(_opened, doubtful)))
        return [next(opened) if found is None else found for found in plain]

    def _spread(self, work: Callable[[T], Out], items: Sequence[T]) -> list[Out]:
        """Process the items, in threads if the disk is slow.

        Headers in the page cache are read faster by one thread than by several that take turns.
        """
        start = time.perf_counter()
        done = [work(item) for item in items[:_SAMPLE]]
        rest = items[_SAMPLE:]
        if time.perf_counter() - start < _SLOW * len(done):
            return done + [work(item) for item in rest]
        return done + list(self._pool.map(work, rest))


def _printable(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()


def _is_text(name: str) -> bool:
    """Return whether a file name, which may be any bytes, is valid UTF-8."""
    if name.isascii():
        return True
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _stat(place: str) -> tuple[int, int] | tuple[None, None]:
    """Return size and time of a file, ``None`` for both if it is missing."""
    try:
        stat = os.stat(place)  # noqa: PTH116  (a Path for each file costs as much as the call)
    except OSError:
        return None, None
    return stat.st_size, stat.st_mtime_ns


def _found(file: _File, seen: headers.HeaderRead | None) -> ScannedImage | None:
    """Return the result of reading a header; ``None`` if Pillow must read the file."""
    if seen is None:
        return None
    size, mtime_ns, header = seen
    if header is None or not header.whole:
        return None
    width, height = header.width, header.height
    if header.orientation in SIDEWAYS:
        width, height = height, width
    return ScannedImage(
        *(file.path, file.concept, size, mtime_ns, width, height, header.format),
        *(header.orientation, header.alpha, header.frames, None, file.mask, header.profile),
    )


def _opened(file: _File) -> ScannedImage:
    """Open one image with Pillow; decode it if its end marker is missing."""
    place = Path(file.place)
    size, mtime_ns = _stat(file.place)
    try:
        info = probe(place)
        if not has_its_end(place, info.format):
            decode(place)
    except UnreadableError as error:
        reason = error.message.removeprefix(f"{place.name}: ")
        about = (file.path, file.concept, size or 0, mtime_ns or 0)
        return ScannedImage(*about, error=reason, mask=file.mask)
    return ScannedImage(
        *(file.path, file.concept, size or 0, mtime_ns or 0, info.width, info.height, info.format),
        *(info.orientation, info.alpha, info.frames, None, file.mask, info.profile),
    )


def _caption(file: _File, before: KnownFile | None) -> ScannedCaption | None:
    """Read the caption file if it has changed; ``None`` if it has not."""
    size, mtime_ns = None, None
    if file.sidecar is not None:
        place = f"{file.folder}/{file.sidecar}"
        size, mtime_ns = _stat(place)
    if before is not None and (before.caption_size, before.caption_mtime_ns) == (size, mtime_ns):
        return None
    if size is None:
        return ScannedCaption(file.path, None, None, None) if before is not None else None
    try:
        return ScannedCaption(file.path, _text(place), size, mtime_ns)
    except UnreadableError as error:
        return ScannedCaption(file.path, None, size, mtime_ns, error.message)


def _text(place: str) -> str | None:
    """Return the text of a caption file; like ``captions.read``, without its error messages."""
    try:
        return read_bytes(place, captions.LARGEST).decode()
    except (OSError, UnicodeDecodeError):
        return captions.read(Path(place))


def _repeated(project: Project, found: Sequence[tuple[str, str]]) -> Iterator[events.Event]:
    """Warn of links that lead to pictures that are counted elsewhere."""
    if not found:
        return
    path, target = found[0]
    inside = Path(target).is_relative_to(project.root)
    leads = f" to {project.relative(Path(target)) if inside else target}" if target else ""
    if len(found) == 1:
        message = f"{path} is a link{leads}, and not counted: the picture is already counted."
    else:
        message = (
            f"{len(found)} links ({path}{leads}, …) are not counted: their pictures are already."
        )
    yield events.Warned(message, "Replace a link by a copy to train the picture in both places.")


def _report(index: Index, faults: Iterable[tuple[str, str]]) -> Iterator[events.Event]:
    outside = 0
    for path, reason in faults:
        outside += 1
        yield events.Skipped(path, reason)
    unreadable = 0
    for path, error, caption_error in index.faults():
        unreadable += error is not None
        for reason in filter(None, (error, caption_error)):
            yield events.Skipped(path, reason)
    yield events.Finished(
        {
            "images": index.count() - unreadable,
            "unreadable": outside + unreadable,
            "concepts": len(index.folders()),
        }
    )
