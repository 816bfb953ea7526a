"""Score images that taggers have not scored yet; scores are stored as they arrive.

A run that was killed continues where it stopped. If all scores are known, no model is loaded,
and the files of a tagger need not even exist.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

from prep import events
from prep.dataset.index import Index
from prep.errors import UnreadableError, UserError
from prep.project import Project
from prep.tagging.models import obtain
from prep.tagging.models.obtain import TaggerFiles
from prep.tagging.models.recommended import Recommended, recommended
from prep.tagging.models.tables import TagTable
from prep.tagging.runtime.engines import engine
from prep.tagging.runtime.running import Engine, Running
from prep.tagging.runtime.tagger import Embedding
from prep.tagging.scores import taggers
from prep.tagging.scores.store import Matrix, ScoreStore

_STORE_EVERY = 32
"""Images whose scores a killed run may lose."""


@dataclass(frozen=True)
class Ready:
    """A tagger whose scores can be computed or read.

    Attributes:
        name: Display name.
        table: Tags of its scores.
        store: Its scores.
        recommended: The thresholds that it recommends.
        files: Its files; ``None`` if only its scores are stored.
        fault: Why the files are missing.
    """

    name: str
    table: TagTable
    store: ScoreStore
    recommended: Recommended
    files: TaggerFiles | None
    fault: UserError | None = None


class TaggerResolver:
    """Finds taggers by name: their files, or else their stored scores.

    Attributes:
        ready: The taggers found so far, each once.
    """

    def __init__(self, project: Project, index: Index) -> None:
        self._project, self._index = project, index
        self._keys: set[str] = set()
        self.ready: list[Ready] = []

    def add(self, name: str) -> Iterator[events.Event]:
        """Find a tagger's files, or else its stored scores.

        Yields:
            Progress of a download.

        Raises:
            UserError: There is neither.
        """
        try:
            files = yield from obtain.obtain(name, self._project.root)
        except UserError as fault:
            self._add_stored(name, fault)
            return
        key = files.key()
        if key in self._keys:
            return
        self._keys.add(key)
        table = files.tags()
        store = ScoreStore(self._index, key, table)
        advice = recommended(files, table)
        taggers.note(self._index, files, name, key, advice)
        self.ready.append(Ready(files.name, table, store, advice, files))

    def _add_stored(self, name: str, fault: UserError) -> None:
        found = [one for one in taggers.stored(self._index) if name and one.is_called(name)]
        if not found:
            raise fault
        one = found[0]
        if one.key not in self._keys:
            self._keys.add(one.key)
            store = one.store(self._index)
            self.ready.append(Ready(one.name, one.table, store, one.recommended, None, fault))


class _Waiting:
    """Results that are not stored yet."""

    def __init__(self, store: ScoreStore) -> None:
        self._store = store
        self._scores: list[tuple[str, Matrix]] = []
        self._embeddings: dict[str, Embedding] = {}

    def add(self, content: str, scores: Matrix, embedding: Embedding | None) -> None:
        """Add the results of a content, and store all if there are many."""
        self._scores.append((content, scores))
        if embedding is not None:
            self._embeddings[content] = embedding
        if len(self._scores) >= _STORE_EVERY:
            self.store()

    def store(self) -> None:
        """Store all; a content counts as scored only once its embedding is stored."""
        self._store.embeddings.put(list(self._embeddings), list(self._embeddings.values()))
        self._store.put(self._scores)
        self._scores.clear()
        self._embeddings.clear()


class Scoring:
    """Runs taggers on contents.

    Attributes:
        unusable: Paths of images that could not be read.
        provider: Provider of the last model; empty if all scores were known.
        reason: Why it was not a faster one.
        workers: Processes that ran it.
        nodes: Machines on which they ran.
        scored: Number of images that were scored.
        seconds: Time of scoring.
    """

    def __init__(self, project: Project, index: Index, running: Running) -> None:
        self._project, self._index, self._running = project, index, running
        self.unusable: set[str] = set()
        self.provider, self.reason = "", "all scores were known"
        self.workers = self.nodes = 0
        self.scored, self.seconds = 0, 0.0

    def run(self, tagger: Ready, contents: Mapping[str, str]) -> Iterator[events.Event]:
        """Score contents without scores.

        Args:
            tagger: From ``TaggerResolver``.
            contents: Path -> hash of its bytes; each hash is scored once.

        Yields:
            Progress; Skipped for images that cannot be read; Warned for an idle GPU, for batches
            that did not fit into memory, and for workers of a cluster that were lost.

        Raises:
            UserError: The tagger is broken, or its files are needed but missing; RetryError if
                no worker of a cluster is left.
        """
        known = tagger.store.known()
        todo: dict[str, list[str]] = {}
        for path, content in contents.items():
            if content not in known and path not in self.unusable:
                todo.setdefault(content, []).append(path)
        if not todo:
            return
        if tagger.files is None:
            raise tagger.fault or UserError(f"The files of {tagger.name} are missing.")
        yield events.Progress("tag", 0, len(todo), f"loading {tagger.name}")
        used = engine(tagger.files, self._running)
        try:
            yield from self._score(used, tagger.store, todo)
        finally:
            self.provider, self.reason = used.provider, used.reason
            self.workers, self.nodes = used.workers, used.nodes
            self.seconds += used.seconds

    def _score(
        self, used: Engine, store: ScoreStore, todo: Mapping[str, list[str]]
    ) -> Iterator[events.Event]:
        throttle, done = events.Throttle(), 0
        waiting = _Waiting(store)
        scored = used.run(todo, lambda content: self._project.root / todo[content][0])
        try:
            with closing(scored):
                for item in scored:
                    if isinstance(item, events.Event):
                        yield item
                        continue
                    done += 1
                    if isinstance(item.scores, UnreadableError):
                        yield from self._skip(todo[item.content], item.scores)
                    else:
                        waiting.add(item.content, item.scores, item.embedding)
                    yield from events.tick("tag", len(todo), throttle, done, used.provider)
        finally:
            waiting.store()
            self.scored += done

    def _skip(self, paths: list[str], error: UnreadableError) -> Iterator[events.Event]:
        name = paths[0].rpartition("/")[2]
        reason = error.message.removeprefix(f"{name}: ")
        for path in paths:
            self._index.put_error(path, reason)
            self.unusable.add(path)
            yield events.Skipped(path, reason)
