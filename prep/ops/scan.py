"""Find the images of a project and note what their headers and captions say.

Only files that are new or changed are opened, so a second scan costs a walk of the folders.
"""

import itertools
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from os import DirEntry
from pathlib import Path

from prep import captions, events
from prep.errors import UnreadableError
from prep.files import fingerprint, walk
from prep.images import decode, is_image_name, probe
from prep.index import Found, FoundCaption, Index
from prep.project import Project, Section

_BATCH = 256
_TAIL = 64 * 1024
_OWN_FOLDERS = ("model", "output")


class ScanOptions(Section):
    """A scan has no choices: it looks at everything below the dataset folder."""


def run(project: Project, options: ScanOptions | None = None) -> Iterator[events.Event]:
    """Bring the index up to date with the files.

    Yields:
        Progress; Skipped for each unreadable image or caption; Finished with ``images``
        (usable files), ``unreadable``, ``concepts``.

    Raises:
        UserError: The dataset folder cannot be read.
    """
    del options
    with Index(project) as index:
        known = index.known()
        seen: set[str] = set()
        unnamed: list[str] = []
        throttle = events.Throttle()
        with ThreadPoolExecutor() as pool:
            try:
                for batch in _batches(_image_files(project, unnamed), _BATCH):
                    _look_at(project, index, batch, known, pool)
                    seen.update(project.relative(Path(entry.path)) for entry in batch)
                    if throttle.ready():
                        yield events.Progress("scan", len(seen), 0)
            finally:
                pool.shutdown(cancel_futures=True)
        index.remove(path for path in known if path not in seen)
        yield events.Progress("scan", len(seen), len(seen))
        yield from _report(index, unnamed)


def _image_files(project: Project, unnamed: list[str]) -> Iterator[DirEntry[str]]:
    """Yield image files below the dataset; a bare folder's own model/ and output/ are left out.

    Names that are no text cannot be indexed: they are added to ``unnamed``, made printable.
    """
    bare = project.dataset == project.root
    own = tuple(str(project.root / name) + "/" for name in _OWN_FOLDERS)
    for entry in walk(project.dataset):
        if not is_image_name(entry.name) or (bare and entry.path.startswith(own)):
            continue
        name = project.relative(Path(entry.path))
        printable = name.encode("utf-8", "backslashreplace").decode()
        if name == printable:
            yield entry
        else:
            unnamed.append(printable)


def _batches(entries: Iterable[DirEntry[str]], size: int) -> Iterator[list[DirEntry[str]]]:
    iterator = iter(entries)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def _look_at(
    project: Project,
    index: Index,
    batch: list[DirEntry[str]],
    known: dict[str, tuple[int, int, int | None, int | None]],
    pool: ThreadPoolExecutor,
) -> None:
    """Index what is new or changed in one batch of files."""
    changed: list[DirEntry[str]] = []
    texts: list[FoundCaption] = []
    for entry in batch:
        path = project.relative(Path(entry.path))
        before = known.get(path)
        try:
            stat = entry.stat()
        except OSError:
            continue
        if before is None or before[:2] != (stat.st_size, stat.st_mtime_ns):
            changed.append(entry)
        caption = _caption(project, Path(entry.path), path, before)
        if caption is not None:
            texts.append(caption)
    index.put(pool.map(lambda entry: _found(project, Path(entry.path)), changed))
    index.put_captions(texts)


def _found(project: Project, file: Path) -> Found:
    """Read one header; a file that looks cut off is decoded to be certain."""
    path = project.relative(file)
    folder = project.concept_folder(path)
    mark = fingerprint(file)
    size, mtime_ns = (mark.size, mark.mtime_ns) if mark else (0, 0)
    try:
        info = probe(file)
        if not _has_its_end(file, info.format):
            decode(file)
    except UnreadableError as error:
        reason = error.message.removeprefix(f"{file.name}: ")
        return Found(path, folder, size, mtime_ns, error=reason)
    return Found(
        path,
        folder,
        size,
        mtime_ns,
        info.width,
        info.height,
        info.format,
        info.orientation,
        info.alpha,
        info.frames,
    )


def _has_its_end(file: Path, image_format: str) -> bool:
    """Does the file hold the end that its format asks for? Cheap: only its tail is read."""
    try:
        with file.open("rb") as stream:
            head = stream.read(12)
            size = stream.seek(0, 2)
            stream.seek(max(0, size - _TAIL))
            tail = stream.read()
    except OSError:
        return False
    if image_format == "JPEG":
        return b"\xff\xd9" in tail
    if image_format == "PNG":
        return b"IEND" in tail
    if image_format == "WEBP":
        return size >= int.from_bytes(head[4:8], "little") + 8
    return image_format in ("GIF", "BMP") and size > 0


def _caption(
    project: Project,
    file: Path,
    path: str,
    before: tuple[int, int, int | None, int | None] | None,
) -> FoundCaption | None:
    """Read the caption file when it has changed; ``None`` when it has not."""
    sidecar = file.with_suffix(project.settings.captions.extension)
    mark = fingerprint(sidecar)
    size, mtime_ns = (mark.size, mark.mtime_ns) if mark else (None, None)
    if before is not None and before[2:] == (size, mtime_ns):
        return None
    try:
        return FoundCaption(path, captions.read(sidecar), size, mtime_ns)
    except UnreadableError as error:
        return FoundCaption(path, None, size, mtime_ns, error.message)


def _report(index: Index, unnamed: list[str]) -> Iterator[events.Event]:
    for name in unnamed:
        yield events.Skipped(name, "its name is not UTF-8 text; rename it")
    rows = index.select()
    for row in rows:
        if row.error is not None:
            yield events.Skipped(row.path, row.error)
        if row.caption_error is not None:
            yield events.Skipped(row.path, row.caption_error)
    summary = {
        "images": sum(row.error is None for row in rows),
        "unreadable": len(unnamed) + sum(row.error is not None for row in rows),
        "concepts": len(index.folders()),
    }
    yield events.Finished(summary)
