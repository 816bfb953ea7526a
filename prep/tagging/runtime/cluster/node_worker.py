"""The worker on a node: gets the tagger's files, then scores shard after shard.

Faults that a user can fix are returned, not raised: Ray would wrap them in its own errors.
"""

import getpass
import io
import platform
import shutil
import tempfile
import threading
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from prep.dataset.values.embeddings import halves
from prep.errors import UnreadableError, UserError
from prep.system import parallel
from prep.system.files import content_hash
from prep.tagging.models.obtain import TaggerFiles
from prep.tagging.runtime.running import Running
from prep.tagging.runtime.tagger import Inputs, Outputs, Tagger, run_files

Bytes = NDArray[np.uint8]
"""Bytes of a file as an array: Ray shares the memory of arrays, and copies ``bytes``."""


@dataclass(frozen=True)
class ShardItem:
    """An image of a shard.

    Attributes:
        content: Hash of its bytes.
        path: Its path on the calling machine.
        data: Its bytes, if this node does not have the file.
    """

    content: str
    path: str
    data: Bytes | None = None


@dataclass(frozen=True)
class Loaded:
    """Reply to loading a model: what runs it, as in ``ProviderChoice``.

    Attributes:
        least: Minimum of images that keeps all of its threads busy.
    """

    provider: str
    reason: str
    gpu_idle: bool
    cure: str
    least: int


@dataclass(frozen=True)
class Fault:
    """Reply that carries a ``UserError``."""

    message: str
    hint: str

    def error(self) -> UserError:
        """Return the original error."""
        return UserError(self.message, self.hint)


@dataclass
class ShardAnswer:
    """The results of a shard, by the indices of its items.

    Attributes:
        scored: Indices of items with scores.
        scores: Their scores, as stored: shape (scored, tags).
        embeddings: Their embeddings, as stored: shape (scored, any); none if the model gives none.
        faults: Index -> why the image cannot be read.
        unseen: Indices of items that this node does not have.
        most: See ``Tagger.most``.
    """

    scored: list[int] = field(default_factory=list)
    scores: NDArray[np.float16] = field(default_factory=lambda: np.empty((0, 0), np.float16))
    embeddings: NDArray[np.float16] = field(default_factory=lambda: np.empty((0, 0), np.float16))
    faults: dict[int, str] = field(default_factory=dict)
    unseen: list[int] = field(default_factory=list)
    most: int = 0


class Worker:
    """Scores shards, two at once, so that one is decoded while the model runs another."""

    def __init__(self) -> None:
        self._tagger: Tagger | None = None
        self._running = Running()

    def load(
        self, files: TaggerFiles, key: str, running: Running, *parts: Bytes
    ) -> Loaded | Fault | None:
        """Load a tagger from the paths or the bytes of its files.

        Args:
            files: The files on the calling machine.
            key: Their ``key``.
            running: How the model runs.
            parts: Bytes of model, table and other files; none at first.

        Returns:
            ``None`` if the files are not here: their bytes are needed.
        """
        try:
            found = _find(files, key) or (_keep(files, key, parts) if parts else None)
            if found is None:
                return None
            self._running = running
            tagger = _Shared(found, running.device, running.threads, running.decode)
        except UserError as error:
            return Fault(error.message, error.hint)
        self._tagger, choice = tagger, tagger.choice
        least = (running.batch or tagger.batch) * tagger.at_once
        return Loaded(choice.provider, choice.reason, choice.gpu_idle, choice.cure, least)

    def score(self, items: Sequence[ShardItem]) -> ShardAnswer | Fault:
        """Score the readable images of a shard."""
        assert self._tagger is not None
        answer, running = ShardAnswer(), self._running
        found: list[Outputs] = []
        try:
            with (
                closing(self._files(items, answer)) as files,
                closing(
                    run_files(self._tagger, files, batch=running.batch, threads=running.threads)
                ) as scored,
            ):
                for file, outputs in scored:
                    place = cast(_Placed, file).place
                    if isinstance(outputs, UnreadableError):
                        answer.faults[place] = outputs.message
                    else:
                        answer.scored.append(place)
                        found.append(outputs)
        except UserError as error:
            return Fault(error.message, error.hint)
        if found:
            answer.scores = np.array([one.scores for one in found]).astype(np.float16)
            answer.embeddings = halves(
                [one.embedding for one in found if one.embedding is not None]
            )
        answer.most = self._tagger.most
        return answer

    def _files(
        self, items: Sequence[ShardItem], answer: ShardAnswer
    ) -> Generator[Path, None, None]:
        """Yield the files that are here; record those that are not."""
        with closing(parallel.ordered(_is_here, items, self._running.threads)) as looked:
            for place, (item, here) in enumerate(looked):
                if here:
                    # Decoders only use the name and the bytes of a path.
                    yield cast(Path, _Placed(place, item))
                else:
                    answer.unseen.append(place)


class _Placed:
    """A file, sent as bytes or read here, with its index in the shard."""

    def __init__(self, place: int, item: ShardItem) -> None:
        self.place, self._item = place, item
        self.name = PurePath(item.path).name

    def open(self, mode: str) -> BinaryIO:
        """Open it for reading."""
        assert mode == "rb"
        if self._item.data is None:
            return Path(self._item.path).open("rb")
        return io.BytesIO(self._item.data.tobytes())


class _Shared(Tagger):
    """Serves several shards, with only as many parallel runs as for one, to bound memory."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._room = threading.BoundedSemaphore(self.at_once)

    def run(self, inputs: Inputs) -> Outputs:
        with self._room:
            return super().run(inputs)


def _is_here(item: ShardItem) -> bool:
    if item.data is not None:
        return True
    try:
        return content_hash(Path(item.path)) == item.content
    except OSError:
        return False


def names_of(files: TaggerFiles) -> tuple[str, ...]:
    """Return the names of a tagger's files relative to their common folder.

    Raises:
        UserError: They are not all below one folder.
    """
    names = files.record.files
    for name in names:
        if PurePath(name).is_absolute() or ".." in PurePath(name).parts:
            raise UserError(
                f"The tagger {files.name} cannot be sent to other machines: {name} is outside"
                " its folder.",
                "Put all of its files into one folder, or copy them to the same path everywhere.",
            )
    return names


def _find(files: TaggerFiles, key: str) -> TaggerFiles | None:
    """Return the files if they are the requested ones."""
    with suppress(OSError):
        if files.key() == key:
            return files
    kept = _kept(files, key)
    with suppress(OSError):
        if kept.key() == key:
            return kept
    return None


def _kept(files: TaggerFiles, key: str) -> TaggerFiles:
    """Return where the files of a tagger are stored on this node, whether or not they exist."""
    paths = [_folder(key) / name for name in names_of(files)]
    return replace(files, model=paths[0], table=paths[1], extra=tuple(paths[2:]))


def _folder(key: str) -> Path:
    return Path(tempfile.gettempdir(), f"shikomi-taggers-{getpass.getuser()}", key)


def _keep(files: TaggerFiles, key: str, parts: Sequence[Bytes]) -> TaggerFiles:
    """Write the files of a tagger; several workers of a node may do so at the same time.

    Raises:
        UserError: They cannot be written.
    """
    kept, folder = _kept(files, key), _folder(key)
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=folder.parent))
        try:
            for name, data in zip(names_of(files), parts, strict=True):
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                data.tofile(made / name)
            _take_place(made, folder, kept, key)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"The tagger cannot be stored in {folder} on {platform.node()}: {error}."
        ) from error
    return kept


def _take_place(made: Path, folder: Path, kept: TaggerFiles, key: str) -> None:
    try:
        made.rename(folder)
    except OSError:
        if _find(kept, key) is None:  # broken, and not written by a faster worker
            shutil.rmtree(folder)
            made.rename(folder)
