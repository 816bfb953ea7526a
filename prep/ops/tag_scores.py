"""Let taggers look at images that they have not scored yet; scores are stored as they come.

A run that was killed goes on where it stopped. Where all scores are known, no model is loaded, and
the files of a tagger need not even be there.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prep import events
from prep.errors import UnreadableError, UserError
from prep.index import Index
from prep.project import Project
from prep.tagging import models, taggers
from prep.tagging.models import TaggerFiles
from prep.tagging.preprocess import Decode
from prep.tagging.providers import Device
from prep.tagging.scores import ScoreStore
from prep.tagging.tables import TagTable, read_table
from prep.tagging.tagger import Tagger, score_files

_STORE_EVERY = 32
"""Images whose scores a killed run may lose."""


@dataclass(frozen=True)
class Running:
    """How models run.

    Attributes:
        device: Where.
        batch: Images per run; 0 for what suits the device.
        threads: That decode images and run the model on the CPU; 0 for one per core.
        decode: How exactly pictures are decoded.
    """

    device: Device = "auto"
    batch: int = 0
    threads: int = 0
    decode: Decode = "reference"


@dataclass(frozen=True)
class Ready:
    """A tagger that can be asked for scores.

    Attributes:
        name: For people.
        table: What its scores mean.
        store: Its scores.
        advice: The thresholds of general and character tags that it recommends, if any.
        files: ``None`` when only its scores are here.
        fault: Why the files are not here.
    """

    name: str
    table: TagTable
    store: ScoreStore
    advice: tuple[float | None, float | None]
    files: TaggerFiles | None
    fault: UserError | None = None


class Obtained:
    """Finds taggers, one after the other.

    Attributes:
        ready: Those that were found; names of the same tagger count once.
    """

    def __init__(self, project: Project, index: Index) -> None:
        self._project, self._index = project, index
        self._keys: set[str] = set()
        self.ready: list[Ready] = []

    def add(self, name: str) -> Iterator[events.Event]:
        """Find a tagger's files, or else its scores.

        Yields:
            Progress of a download.

        Raises:
            UserError: There are neither.
        """
        try:
            files = yield from models.obtain(name, self._project.root)
        except UserError as fault:
            self._add_stored(name, fault)
            return
        key = files.key()
        if key in self._keys:
            return
        self._keys.add(key)
        table = read_table(files.table)
        store = ScoreStore(self._index, key, table)
        taggers.note(self._index, files, name, key)
        advice = (files.record.general, files.record.character)
        self.ready.append(Ready(files.name, table, store, advice, files))

    def _add_stored(self, name: str, fault: UserError) -> None:
        found = [one for one in taggers.stored(self._index) if name and one.is_called(name)]
        if not found:
            raise fault
        one = found[0]
        if one.key not in self._keys:
            self._keys.add(one.key)
            advice = (one.general, one.character)
            store = one.store(self._index)
            self.ready.append(Ready(one.name, one.table, store, advice, None, fault))


class Scoring:
    """Runs taggers on contents.

    Attributes:
        unusable: Paths of images that could not be read.
        provider: What ran the last model; empty when all scores were known.
        reason: Why not something faster.
        scored: Images that were looked at.
        seconds: What that took.
    """

    def __init__(self, project: Project, index: Index, running: Running) -> None:
        self._project, self._index, self._running = project, index, running
        self.unusable: set[str] = set()
        self.provider, self.reason = "", "all scores were known"
        self.scored, self.seconds = 0, 0.0

    def run(self, tagger: Ready, contents: Mapping[str, str]) -> Iterator[events.Event]:
        """Score what has no scores yet.

        Args:
            tagger: From ``Obtained``.
            contents: Path -> hash of its bytes; each hash is looked at once.

        Yields:
            Progress; Skipped for images that cannot be read; Warned for an idle GPU, and for
            batches that did not fit into memory.

        Raises:
            UserError: The tagger is broken, or its files are needed and not here.
        """
        known = tagger.store.known()
        todo: dict[str, list[str]] = {}
        for path, content in contents.items():
            if content not in known and path not in self.unusable:
                todo.setdefault(content, []).append(path)
        if not todo:
            return
        if tagger.files is None:
            raise tagger.fault or UserError(f"The files of {tagger.name} are not here.")
        yield events.Progress("tag", 0, len(todo), f"loading {tagger.name}")
        running = self._running
        loaded = Tagger(tagger.files, running.device, running.threads, running.decode)
        self.provider, self.reason = loaded.provider, loaded.choice.reason
        if loaded.choice.gpu_idle:
            reason, cure = loaded.choice.reason, loaded.choice.cure
            yield events.Warned(f"The tagger runs on the CPU: {reason}.", cure)
        yield from self._score(loaded, tagger.store, todo)
        if loaded.most:
            fitted = f"Memory ran out: images were run in batches of {loaded.most}."
            yield events.Warned(fitted, f"For this tagger, use: --batch {loaded.most}")

    def _score(
        self, tagger: Tagger, store: ScoreStore, todo: Mapping[str, list[str]]
    ) -> Iterator[events.Event]:
        start, running, throttle = time.perf_counter(), self._running, events.Throttle()
        files = (self._project.root / paths[0] for paths in todo.values())
        scored = score_files(tagger, files, batch=running.batch, threads=running.threads)
        waiting: list[tuple[str, NDArray[np.float32]]] = []
        try:
            for done, (content, (file, scores)) in enumerate(zip(todo, scored, strict=True), 1):
                if isinstance(scores, UnreadableError):
                    yield from self._skip(todo[content], file, scores)
                else:
                    waiting.append((content, scores))
                if len(waiting) >= _STORE_EVERY:
                    store.put(waiting)
                    waiting.clear()
                yield from events.tick("tag", len(todo), throttle, done, tagger.provider)
        finally:
            store.put(waiting)
            scored.close()
        self.scored += len(todo)
        self.seconds += time.perf_counter() - start

    def _skip(self, paths: list[str], file: Path, error: UnreadableError) -> Iterator[events.Event]:
        reason = error.message.removeprefix(f"{file.name}: ")
        for path in paths:
            self._index.put_error(path, reason)
            self.unusable.add(path)
            yield events.Skipped(path, reason)
