"""Distribute shards of a folder to the workers of a cluster, and gather their scores.

A shard is lost with its worker and queued again, so that each content is scored exactly once.
Lost shards are halved, and the halves go only to idle workers: an image that crashes its worker
is found within a few tries, and only that image is lost.
"""

import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from prep.errors import UnreadableError
from prep.events import Event, Progress
from prep.system.files import bytes_hash
from prep.tagging.models.obtain import TaggerFiles
from prep.tagging.runtime.cluster import connect
from prep.tagging.runtime.cluster.node_worker import Fault, ShardAnswer, ShardItem
from prep.tagging.runtime.cluster.workers import SHARDS, WorkerHandle, WorkerPool
from prep.tagging.runtime.running import Running, Scored, smaller_batches

_PART, _ALL_PARTS = 16 << 20, 256 << 20
"""Maximum bytes of images sent to one worker at once, and in flight to all of them."""
_TRIES = 3
"""Maximum of workers that one image may crash."""
_PATIENCE = 2.0
"""Seconds without news after which a progress note says what is awaited."""


class RayEngine:
    """Runs a tagger on the machines of a cluster; an ``Engine``."""

    def __init__(self, files: TaggerFiles, running: Running) -> None:
        self._files, self._running = files, running
        self.provider, self.reason = "", ""
        self.workers = self.nodes = 0
        self.seconds = 0.0

    def run(
        self, contents: Collection[str], path: Callable[[str], Path]
    ) -> Generator[Event | Scored, None, None]:
        """Run as in ``Engine.run``; results come in the order in which shards finish."""
        yield Progress("tag", 0, len(contents), "connecting to Ray")
        with connect.connected(self._running.address) as ray:
            pool = WorkerPool(ray, self._files, self._running, partial(connect.answers, ray))
            gathering = _Gathering(pool, contents, path)
            try:
                for item in gathering.run():
                    self._note(gathering)
                    yield item
                if gathering.most:
                    yield smaller_batches(gathering.most)
            finally:
                self._note(gathering)
                pool.close()

    def _note(self, gathering: "_Gathering") -> None:
        workers = gathering.useful
        if len(workers) != self.workers:
            loaded = [worker.loaded for worker in workers if worker.loaded]
            self.provider = _providers(workers)
            self.reason = ", ".join(sorted({one.reason for one in loaded if one.reason}))
            self.workers, self.nodes = len(workers), len({worker.place.node for worker in workers})
        self.seconds = time.perf_counter() - gathering.started if gathering.started else 0.0


def _providers(workers: Iterable[WorkerHandle]) -> str:
    return ", ".join(sorted({worker.loaded.provider for worker in workers if worker.loaded}))


@dataclass(frozen=True)
class _Shard:
    """Contents, and how often a worker was lost with exactly these."""

    contents: tuple[str, ...]
    shipped: bool = False
    losses: int = 0


@dataclass
class _Sent:
    """A shard in flight."""

    worker: WorkerHandle
    shard: _Shard
    bytes: int
    since: float


@dataclass
class _Gathering:
    """One run over contents: distributes shards and gathers results.

    Attributes:
        useful: Workers that have returned results.
        most: ``Tagger.most`` of the smallest worker.
        started: Time at which the first shard was sent; 0 before.
    """

    pool: WorkerPool
    contents: Collection[str]
    path: Callable[[str], Path]
    useful: list[WorkerHandle] = field(default_factory=list)
    most: int = 0
    started: float = 0.0

    def __post_init__(self) -> None:
        self._fresh = deque(self.contents)
        self._again: deque[_Shard] = deque()
        self._sent: dict[Any, _Sent] = {}
        self._results: deque[Scored] = deque()
        self._open = len(self.contents)

    def run(self) -> Iterator[Event | Scored]:
        """Yield and raise as specified by ``Engine.run``."""
        while self._open:
            self.pool.start_workers()
            for worker in self.pool.ready:
                self._feed(worker)
            if self._results:
                yield from self._give()
            calls = [*self.pool.coming, *self._sent]
            if calls and self._open:
                yield from self._await(calls)

    def _give(self) -> Iterator[Event | Scored]:
        while self._results:
            self._open -= 1
            yield self._results.popleft()
        total = len(self.contents)
        yield Progress("tag", total - self._open, total, _providers(self.useful))

    def _await(self, calls: list[Any]) -> Iterator[Event]:
        done, _ = self.pool.ray.wait(calls, num_returns=1, timeout=_PATIENCE)
        before = len(self.pool.ready)
        for call in done:
            if call in self._sent:
                yield from self._take_in(call)
            else:
                yield from self.pool.advance(call)
        ready, total = len(self.pool.ready), len(self.contents)
        if ready > before:
            yield Progress("tag", total - self._open, total, f"workers: {ready}")
        elif not done and not ready:
            note = f"workers starting: {len(self.pool.coming)}"
            yield Progress("tag", total - self._open, total, note)

    # ---- sending shards ------------------------------------------------------------------

    def _feed(self, worker: WorkerHandle) -> None:
        """Send a worker as many shards as it may have."""
        while (shard := self._next(worker)) is not None:
            self._send(worker, shard)

    def _next(self, worker: WorkerHandle) -> _Shard | None:
        """Take the next shard for a worker off the queue, if it may have one."""
        has = [sent.shard for sent in self._sent.values() if sent.worker is worker]
        if len(has) >= SHARDS or any(shard.losses for shard in has):
            return None
        waiting = self._again[0] if self._again else None
        if waiting and waiting.losses and has:
            return None  # it goes to a worker that has nothing else
        shipped = waiting.shipped if waiting else not worker.place.sees
        if shipped and sum(sent.bytes for sent in self._sent.values()) >= _ALL_PARTS:
            return None
        if waiting:
            return self._again.popleft()
        # Smaller ones near the end, so that all workers finish at the same time.
        size = min(worker.size, -(-len(self._fresh) // (2 * SHARDS * len(self.pool.ready))))
        contents = tuple(self._fresh.popleft() for _ in range(size))
        return _Shard(contents, not worker.place.sees) if contents else None

    def _send(self, worker: WorkerHandle, shard: _Shard) -> None:
        items = self._ship(shard) if shard.shipped else self._tell(shard)
        size = sum(len(item.data) for item in items if item.data is not None)
        if not items:
            return
        contents = tuple(item.content for item in items)
        call = worker.handle.call.remote("score", items)
        now = time.perf_counter()
        self._sent[call] = _Sent(worker, _Shard(contents, shard.shipped, shard.losses), size, now)
        self.started = self.started or now

    def _tell(self, shard: _Shard) -> list[ShardItem]:
        return [ShardItem(content, str(self.path(content))) for content in shard.contents]

    def _ship(self, shard: _Shard) -> list[ShardItem]:
        """Return items with their bytes, as many as may be sent at once, and queue the rest."""
        items: list[ShardItem] = []
        size = 0
        for place, content in enumerate(shard.contents):
            path = self.path(content)
            try:
                data = path.read_bytes()
            except OSError as error:
                reason = (
                    "the file no longer exists"
                    if isinstance(error, FileNotFoundError)
                    else str(error)
                )
                self._results.append(Scored(content, UnreadableError(f"{path.name}: {reason}")))
                continue
            if bytes_hash(data) != content:
                reason = "the file has changed in the meantime"
                self._results.append(Scored(content, UnreadableError(f"{path.name}: {reason}")))
                continue
            items.append(ShardItem(content, str(path), np.frombuffer(data, np.uint8)))
            size += len(data)
            rest = shard.contents[place + 1 :]
            if size >= _PART and rest:
                self._again.appendleft(_Shard(rest, True, shard.losses))
                break
        return items

    # ---- receiving -----------------------------------------------------------------------

    def _take_in(self, call: Any) -> Iterator[Event]:
        """Process the answer of a worker, or queue its shard again."""
        sent, errors = self._sent.pop(call), self.pool.ray.exceptions
        try:
            answer = self.pool.ray.get(call)
        except errors.RayTaskError:
            raise
        except errors.RayActorError as error:
            lost = [other for other, one in self._sent.items() if one.worker is sent.worker]
            for one in (sent, *(self._sent.pop(other) for other in lost)):
                self._put_back(one.shard)
            yield from self.pool.lose(sent.worker, error)
        except errors.RayError:  # the answer itself was lost
            self._put_back(sent.shard)
        else:
            self._sort(sent, answer)

    def _sort(self, sent: _Sent, answer: ShardAnswer | Fault) -> None:
        if isinstance(answer, Fault):
            raise answer.error()
        contents, worker = sent.shard.contents, sent.worker
        if worker not in self.useful:
            self.useful.append(worker)
        worker.place.lost = 0
        worker.answered(len(contents), sent.since)
        for number, place in enumerate(answer.scored):
            embedding = answer.embeddings[number] if len(answer.embeddings) else None
            self._results.append(Scored(contents[place], answer.scores[number], embedding))
        for place, reason in answer.faults.items():
            self._results.append(Scored(contents[place], UnreadableError(reason)))
        if answer.unseen:
            unseen = tuple(contents[place] for place in answer.unseen)
            worker.place.sees = len(unseen) < len(contents)
            self._again.append(_Shard(unseen, True, sent.shard.losses))
        if answer.most:
            self.most = min(self.most or answer.most, answer.most)

    def _put_back(self, shard: _Shard) -> None:
        """Queue a lost shard, in halves; give up an image that has crashed too many workers."""
        contents, middle = shard.contents, len(shard.contents) // 2
        if middle:
            for half in (contents[middle:], contents[:middle]):
                self._again.appendleft(_Shard(half, shard.shipped, 1))
        elif shard.losses + 1 < _TRIES:
            self._again.appendleft(_Shard(contents, shard.shipped, shard.losses + 1))
        else:
            name = self.path(contents[0]).name
            reason = f"{name}: {_TRIES} workers crashed while reading it"
            self._results.append(Scored(contents[0], UnreadableError(reason)))
