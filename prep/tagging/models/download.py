"""Files from the Hugging Face hub, in its usual cache: with progress, resumable, verified.

Requests, tokens, mirror (``HF_ENDPOINT``), offline mode and cache layout are huggingface_hub's. Its
own download starts again from zero if a process ends in the middle, so the transfer of a
file is done here: the part that has arrived is kept beside its final place in the cache,
and the next attempt requests the rest. A file is moved into place only if its checksum is right.
"""

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from prep import events
from prep.errors import RetryError, UserError
from prep.system import locks
from prep.tagging.models.hub_faults import explained, is_passing, wait_asked

PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds before each retry after an attempt that received nothing."""

_CHUNK = 1 << 18
_TIMEOUT = 20.0
"""Seconds without a byte after which a connection counts as dead."""
_SLICE = 0.1
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
_DISK = _NO_SPACE | {errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.EFBIG}
Out = TypeVar("Out")


@dataclass(frozen=True)
class Remote:
    """A file on the hub; ``size`` in bytes, ``None`` if the hub does not report it."""

    name: str
    url: str
    etag: str
    size: int | None


@dataclass(frozen=True)
class Listing:
    """What the hub says of a repository: its files, and its licence, empty if none is stated."""

    names: list[str]
    licence: str = ""


@dataclass(frozen=True)
class Repository:
    """A repository on the hub (or mirror) of the environment, and its folder in the cache.

    Attributes:
        name: ``owner/name``.
        revision: Commit, branch or tag.
    """

    name: str
    revision: str = "main"

    @property
    def endpoint(self) -> str:
        """Address of the hub, or of its mirror."""
        from huggingface_hub import constants

        return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")

    @property
    def cache(self) -> Path:
        """The cache folder of all repositories."""
        from huggingface_hub import constants

        return Path(os.environ.get("HF_HUB_CACHE") or constants.HF_HUB_CACHE).expanduser()

    @property
    def folder(self) -> Path:
        """The repository's folder in the cache."""
        return self.cache / f"models--{self.name.replace('/', '--')}"

    def snapshot(self) -> Path | None:
        """Return the folder of the revision in the cache, if any of it is there."""
        commit = self.revision
        with suppress(OSError):
            commit = (self.folder / "refs" / self.revision).read_text().strip()
        found = self.folder / "snapshots" / commit
        return found if found.is_dir() else None

    def cached(self, names: Sequence[str]) -> list[Path] | None:
        """Return the files if all of them are in the cache; makes no request."""
        snapshot = self.snapshot()
        paths = [snapshot / name for name in names] if snapshot else []
        return paths if paths and all(path.is_file() for path in paths) else None

    def listing(self) -> Generator[events.Event, None, Listing]:
        """List the files on the hub.

        Raises:
            UserError: As in ``fetch``.
        """
        from huggingface_hub import HfApi

        def ask() -> Listing:
            info = HfApi(endpoint=self.endpoint).model_info(self.name, revision=self.revision)
            names = [sibling.rfilename for sibling in info.siblings or ()]
            licence = getattr(info.card_data, "license", None) or ""
            return Listing(names, str(licence))

        return (yield from self._tried(ask, f"the files of {self.name}"))

    def fetch(
        self, names: Sequence[str], licence: str = ""
    ) -> Generator[events.Event, None, list[Path]]:
        """Download files into the cache, unless they are already there.

        Args:
            names: The files.
            licence: Their licence, to be shown; empty if it is not known.

        Yields:
            Downloading, before anything is transferred; progress in bytes, with a note on the
            current step.

        Raises:
            UserError: There is no such file, access is denied, or the disk is full; RetryError
                if the network may be the reason.
        """
        known = self.cached(names)
        if known:
            return known
        _quiet()
        remotes: list[Remote] = []
        for name in names:
            remotes += [(yield from self._tried(partial(self._look, name), name))]
        wanted = self._check_space(remotes)
        yield events.Downloading(self.name, f"{self.endpoint}/{self.name}", wanted, licence)
        for remote in remotes:
            yield from self._bring(remote)
        found = self.cached(names)
        if not found:
            raise RetryError(f"{self.name} changed while it was downloaded.", "Try again.")
        return found

    def _look(self, name: str) -> Remote:
        from huggingface_hub import get_hf_file_metadata, hf_hub_url

        url = hf_hub_url(self.name, name, revision=self.revision, endpoint=self.endpoint)
        data = get_hf_file_metadata(url, endpoint=self.endpoint, timeout=_TIMEOUT)
        if not data.etag or not data.commit_hash or "/" in data.etag:
            raise UserError(
                f"{self.endpoint} does not answer like a Hugging Face hub.",
                "Check HF_ENDPOINT and any proxy.",
            )
        return Remote(name, url, data.etag, data.size)

    def _bring(self, remote: Remote) -> Iterator[events.Event]:
        """Download a file, unless it is there, and link it under its name in the cache."""
        from huggingface_hub import hf_hub_download

        blob = self.folder / "blobs" / remote.etag
        lock = (
            self.cache / ".locks" / self.folder.name / f"{remote.etag}.lock"
        )  # the same as the hub's own
        try:
            while not blob.exists():
                with locks.exclusive(lock, _SLICE) as held:
                    if not held:
                        yield self._progress(remote, 0, "another process is downloading it")
                    elif not blob.exists():
                        yield from self._transfer(remote, blob)
        except OSError as error:
            raise self._disk_fault(error) from error

        def link() -> str:
            return hf_hub_download(
                self.name,
                remote.name,
                revision=self.revision,
                cache_dir=self.cache,
                endpoint=self.endpoint,
            )

        yield from self._tried(link, remote.name)

    def _transfer(self, remote: Remote, blob: Path) -> Iterator[events.Event]:
        """Download a file beside its final place, resuming an earlier attempt."""
        blob.parent.mkdir(parents=True, exist_ok=True)
        part = blob.with_name(f"{blob.name}.incomplete")
        failures = 0
        while remote.size is None or _size(part) < remote.size:
            before = _size(part)
            try:
                yield from self._stream(remote, part)
                if remote.size is None:
                    break
                if _size(part) < remote.size:
                    raise ConnectionError("the transfer ended early")
            except Exception as error:  # besides OSError, types of the HTTP library in use
                failures = 0 if _size(part) > before else failures + 1
                if not is_passing(error) or failures > len(PAUSES):
                    raise self._fault(error) from error
                yield from self._pause(remote, _size(part), error, max(1, failures))
        yield self._progress(remote, _size(part), "checking")
        if not _is_right(part, remote):
            part.unlink()
            raise RetryError(
                f"The download of {remote.name} does not match its checksum in {self.name}.",
                "Try again. If it happens again, a proxy or mirror alters files.",
            )
        part.replace(blob)

    def _stream(self, remote: Remote, part: Path) -> Iterator[events.Event]:
        """Append the data that the hub sends from the end of the current part."""
        from huggingface_hub import get_session, utils

        hub: Any = utils  # its names are exported lazily, which type checkers do not see
        start = _size(part)
        headers = {**hub.build_hf_headers(), "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        throttle = events.Throttle()
        yield self._progress(remote, start, f"from {self.endpoint}")
        with get_session().stream(
            "GET", remote.url, headers=headers, timeout=_TIMEOUT, follow_redirects=True
        ) as response:
            if response.status_code == 416:  # the part is not the beginning of this file
                part.unlink()
                raise ConnectionError("the hub has no such range")
            if response.status_code >= 400:
                response.read()
                hub.hf_raise_for_status(response)
            follows = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
            append = start and response.status_code == 206 and follows
            with part.open("ab" if append else "wb") as file:
                for chunk in response.iter_bytes(_CHUNK):
                    file.write(chunk)
                    if throttle.ready():
                        yield self._progress(remote, file.tell())

    def _tried(self, ask: Callable[[], Out], what: str) -> Generator[events.Event, None, Out]:
        """Call a function that makes a request; retry while the hub is busy."""
        _quiet()
        for attempt in range(len(PAUSES) + 1):
            try:
                return ask()
            except UserError:
                raise
            except Exception as error:
                if not is_passing(error, busy_only=True) or attempt == len(PAUSES):
                    raise self._fault(error) from error
                remote = Remote(what, "", "", None)
                yield from self._pause(remote, 0, error, attempt + 1)
        raise AssertionError("the last attempt returns or raises")

    def _pause(
        self, remote: Remote, done: int, error: Exception, attempt: int
    ) -> Iterator[events.Event]:
        """Wait before the next attempt, interruptibly."""
        seconds = wait_asked(error) or PAUSES[attempt - 1]
        reason = self._fault(error).message
        yield self._progress(remote, done, f"{reason} Trying again in {seconds:.0f} s.")
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(_SLICE, left))
            yield self._progress(remote, done, "waiting to retry")

    def _progress(self, remote: Remote, done: int, note: str = "") -> events.Progress:
        return events.Progress(f"download {remote.name}", done, remote.size or 0, note)

    def _check_space(self, remotes: Sequence[Remote]) -> int:
        """Return how many bytes are missing.

        Raises:
            UserError: There is no room for them.
        """
        blobs = self.folder / "blobs"
        missing = [r for r in remotes if r.size and not (blobs / r.etag).exists()]
        wanted = sum((r.size or 0) - _size(blobs / f"{r.etag}.incomplete") for r in missing)
        place = self.cache
        while not place.exists() and place != place.parent:
            place = place.parent
        free = shutil.disk_usage(place).free
        if wanted > free:
            raise self._full(f"{wanted / 1e6:,.0f} MB are needed, {free / 1e6:,.0f} MB are free")
        return wanted

    def _full(self, why: str) -> UserError:
        return UserError(
            f"The disk of {self.cache} is full: {why}.",
            "Free some space, or set HF_HUB_CACHE to another disk; the partial download is kept.",
        )

    def _disk_fault(self, error: OSError) -> UserError:
        if error.errno in _NO_SPACE:
            return self._full(error.strerror or "no space left")
        return UserError(
            f"The cache {self.cache} cannot be written: {error.strerror or error}.",
            "Set HF_HUB_CACHE to a writable folder.",
        )

    def _fault(self, error: Exception) -> UserError:
        if isinstance(error, OSError) and error.errno in _DISK:
            return self._disk_fault(error)
        return explained(error, self.name, self.revision, self.endpoint)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _is_right(file: Path, remote: Remote) -> bool:
    """Compare a file with its ETag: SHA-256 of large files, git's hash of small ones."""
    digest: Any = {64: hashlib.sha256, 40: hashlib.sha1}.get(len(remote.etag))
    if digest is None or remote.etag.strip("0123456789abcdef"):
        return True  # a mirror's own kind of ETag: nothing to compare
    found = digest(b"blob %d\0" % _size(file) if len(remote.etag) == 40 else b"")
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            found.update(chunk)
    return bool(found.hexdigest() == remote.etag)


def _quiet() -> None:
    """Suppress the progress bars and warnings of huggingface_hub; events replace them."""
    import logging

    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
