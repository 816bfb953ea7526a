"""Hand out shards of a folder to the workers of a cluster, and gather their scores.

A shard is lost with its worker and handed out again, so that each content is given on exactly once.
A shard that is lost is halved and its halves go to idle workers alone: an image that crashes its
worker is found within a few tries, and costs itself only.
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
"""Bytes of images that are sent at once to a worker, and that are on their way to all of them."""
_TRIES = 3
"""Workers that one image may crash."""
_PATIENCE = 2.0
"""Seconds without news until it is said what is waited for."""


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
        """As ``Engine.run``; contents come in the order in which shards are ready."""
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
        hands = gathering.useful
        if len(hands) != self.workers:
            loaded = [hand.loaded for hand in hands if hand.loaded]
            self.provider = _providers(hands)
            self.reason = ", ".join(sorted({one.reason for one in loaded if one.reason}))
            self.workers, self.nodes = len(hands), len({hand.place.node for hand in hands})
        self.seconds = time.perf_counter() - gathering.started if gathering.started else 0.0


def _providers(hands: Iterable[WorkerHandle]) -> str:
    return ", ".join(sorted({hand.loaded.provider for hand in hands if hand.loaded}))


@dataclass(frozen=True)
class _Shard:
    """Contents, and how often a worker was lost with just them."""

    contents: tuple[str, ...]
    shipped: bool = False
    losses: int = 0


@dataclass
class _Sent:
    """A shard on its way."""

    hand: WorkerHandle
    shard: _Shard
    bytes: int
    since: float


@dataclass
class _Gathering:
    """One run over contents.

    Attributes:
        useful: Workers that gave an answer.
        most: As ``Tagger.most``, of the smallest worker.
        started: When the first shard went out; 0 before.
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
        """Yield what ``Engine.run`` does, and raise what it does."""
        while self._open:
            self.pool.start_workers()
            for hand in self.pool.ready:
                self._feed(hand)
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
            note = f"workers that start: {len(self.pool.coming)}"
            yield Progress("tag", total - self._open, total, note)

    # ---- handing out ---------------------------------------------------------------------

    def _feed(self, hand: WorkerHandle) -> None:
        """Give a worker as much as it may have."""
        while (shard := self._next(hand)) is not None:
            self._send(hand, shard)

    def _next(self, hand: WorkerHandle) -> _Shard | None:
        """Take the next shard for a worker off the queue, if it may have one."""
        has = [sent.shard for sent in self._sent.values() if sent.hand is hand]
        if len(has) >= SHARDS or any(shard.losses for shard in has):
            return None
        waiting = self._again[0] if self._again else None
        if waiting and waiting.losses and has:
            return None  # it goes to a worker that has nothing else
        shipped = waiting.shipped if waiting else not hand.place.sees
        if shipped and sum(sent.bytes for sent in self._sent.values()) >= _ALL_PARTS:
            return None
        if waiting:
            return self._again.popleft()
        # Smaller ones near the end, so that all workers end at the same time.
        size = min(hand.size, -(-len(self._fresh) // (2 * SHARDS * len(self.pool.ready))))
        contents = tuple(self._fresh.popleft() for _ in range(size))
        return _Shard(contents, not hand.place.sees) if contents else None

    def _send(self, hand: WorkerHandle, shard: _Shard) -> None:
        items = self._ship(shard) if shard.shipped else self._tell(shard)
        size = sum(len(item.data) for item in items if item.data is not None)
        if not items:
            return
        contents = tuple(item.content for item in items)
        call = hand.handle.call.remote("score", items)
        now = time.perf_counter()
        self._sent[call] = _Sent(hand, _Shard(contents, shard.shipped, shard.losses), size, now)
        self.started = self.started or now

    def _tell(self, shard: _Shard) -> list[ShardItem]:
        return [ShardItem(content, str(self.path(content))) for content in shard.contents]

    def _ship(self, shard: _Shard) -> list[ShardItem]:
        """Return items with their bytes, as many as may be sent at once; the rest waits."""
        items: list[ShardItem] = []
        size = 0
        for place, content in enumerate(shard.contents):
            path = self.path(content)
            try:
                data = path.read_bytes()
            except OSError as error:
                reason = "the file is gone" if isinstance(error, FileNotFoundError) else str(error)
                self._results.append((content, UnreadableError(f"{path.name}: {reason}")))
                continue
            if bytes_hash(data) != content:
                reason = "the file has changed meanwhile"
                self._results.append((content, UnreadableError(f"{path.name}: {reason}")))
                continue
            items.append(ShardItem(content, str(path), np.frombuffer(data, np.uint8)))
            size += len(data)
            rest = shard.contents[place + 1 :]
            if size >= _PART and rest:
                self._again.appendleft(_Shard(rest, True, shard.losses))
                break
        return items

    # ---- taking in -----------------------------------------------------------------------

    def _take_in(self, call: Any) -> Iterator[Event]:
        """Sort the answer of a worker, or put back what it had."""
        sent, errors = self._sent.pop(call), self.pool.ray.exceptions
        try:
            answer = self.pool.ray.get(call)
        except errors.RayTaskError:
            raise
        except errors.RayActorError as error:
            lost = [other for other, one in self._sent.items() if one.hand is sent.hand]
            for one in (sent, *(self._sent.pop(other) for other in lost)):
                self._put_back(one.shard)
            yield from self.pool.lose(sent.hand, error)
        except errors.RayError:  # the answer itself was lost on its way
            self._put_back(sent.shard)
        else:
            self._sort(sent, answer)

    def _sort(self, sent: _Sent, answer: ShardAnswer | Fault) -> None:
        if isinstance(answer, Fault):
            raise answer.error()
        contents, hand = sent.shard.contents, sent.hand
        if hand not in self.useful:
            self.useful.append(hand)
        hand.place.lost = 0
        hand.answered(len(contents), sent.since)
        for place, scores in zip(answer.scored, answer.scores, strict=True):
            self._results.append((contents[place], scores))
        for place, reason in answer.faults.items():
            self._results.append((contents[place], UnreadableError(reason)))
        if answer.unseen:
            unseen = tuple(contents[place] for place in answer.unseen)
            hand.place.sees = len(unseen) < len(contents)
            self._again.append(_Shard(unseen, True, sent.shard.losses))
        if answer.most:
            self.most = min(self.most or answer.most, answer.most)

    def _put_back(self, shard: _Shard) -> None:
        """Queue a shard that was lost, in halves; give up an image that has ended workers."""
        contents, middle = shard.contents, len(shard.contents) // 2
        if middle:
            for half in (contents[middle:], contents[:middle]):
                self._again.appendleft(_Shard(half, shard.shipped, 1))
        elif shard.losses + 1 < _TRIES:
            self._again.appendleft(_Shard(contents, shard.shipped, shard.losses + 1))
        else:
            name = self.path(contents[0]).name
            reason = f"{name}: {_TRIES} workers ended while they read it"
            self._results.append((contents[0], UnreadableError(reason)))
