"""The workers of a cluster: one for each GPU, or for each node where there are no GPUs.

Those that are lost are replaced, on new nodes, too, until a node has lost too many.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from prep.errors import RetryError, UserError
from prep.events import Event, Warned
from prep.tagging.models.obtain import TaggerFiles
from prep.tagging.runtime.cluster import node_actor
from prep.tagging.runtime.cluster.node_worker import Fault, Loaded, names_of
from prep.tagging.runtime.running import Running, idle_gpu

_LOOK_EVERY = 5.0
"""Seconds between two looks for new nodes."""
_HEAD_SECONDS = 20.0
"""Without the cluster's head until it counts as lost; after 60 Ray would end the process."""
_STARTS, _LOSSES = 3, 12
"""Workers that a node may lose one after the other: before they are ready, and at work.

A broken image can end seven in a row, while shards are halved to find it.
"""
SHARDS = 2
"""That a worker has at once."""
_SHARD, _FIRST = 64, 8
"""Images of a shard: at most, and of a worker's first ones, unless it needs more."""
_SHARD_SECONDS = 4.0
"""A shard should take: it is what is lost with a worker, or with the command."""


_KEPT = "The scores that came are kept: the same command goes on with the rest."


@dataclass
class ClusterNode:
    """A node.

    Attributes:
        node: Its id.
        address: Its name for people.
        cores: That Ray may use.
        gpus: Likewise.
        workers: That are there or on their way.
        failed: Workers lost before they were ready, since one was.
        lost: Workers lost since one gave scores.
        sees: Files are at the same paths there.
    """

    node: str
    address: str
    cores: int
    gpus: int
    workers: int = 0
    failed: int = 0
    lost: int = 0
    sees: bool = True

    @property
    def usable(self) -> bool:
        """Is it worth a try?"""
        return self.failed < _STARTS and self.lost < _LOSSES


@dataclass(eq=False)
class WorkerHandle:
    """A worker.

    Attributes:
        handle: Of Ray.
        place: Where it is.
        threads: That it may use.
        checked: Its node can work.
        loaded: What runs the model.
        size: Images of its next shard.
        heard: When it answered last.
    """

    handle: Any
    place: ClusterNode
    threads: int
    checked: bool = False
    loaded: Loaded | None = None
    size: int = _FIRST
    heard: float = 0.0

    def answered(self, images: int, sent: float) -> None:
        """Note that it did a shard, which was ``sent`` to it at that time; set the next size."""
        now = time.perf_counter()
        pace = images * _SHARD_SECONDS / max(now - max(sent, self.heard), 1e-3)
        least = self.loaded.least if self.loaded else 1
        self.size = max(least, min(_SHARD, 2 * self.size, round(pace)))
        self.heard = now


@dataclass
class WorkerPool:
    """Starts workers and gets them ready.

    Attributes:
        ray: The module.
        files: The tagger.
        running: How it runs.
        answers: Does the cluster's head answer?
        ready: Those that can score.
        coming: Those that cannot yet, by the call that is awaited.
    """

    ray: Any
    files: TaggerFiles
    running: Running
    answers: Callable[[], bool] = lambda: True
    ready: list[WorkerHandle] = field(default_factory=list)
    coming: dict[Any, WorkerHandle] = field(default_factory=dict)
    _places: dict[str, ClusterNode] = field(default_factory=dict)
    _looked: float = float("-inf")
    _answered: float = field(default_factory=time.monotonic)
    _reason: UserError | None = None
    _told: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._key = self.files.key()
        self._parts: list[Any] = []
        # Pickled by value: a node without shikomi can then say that this is what it lacks.
        self.ray.cloudpickle.register_pickle_by_value(node_actor)
        self._outpost = self.ray.remote(node_actor.NodeActor)

    def start_workers(self) -> None:
        """Start workers where there are too few; looks at the cluster every few seconds only.

        Raises:
            UserError: There are none, and there will be none; RetryError when there were.
        """
        idle = not self.ready and not self.coming
        if time.monotonic() - self._looked < _LOOK_EVERY and not idle:
            return
        self._looked = time.monotonic()
        if not self._head_answers(idle):
            return
        places = list(self._alive())
        gpus = self.running.device != "cpu" and any(place.gpus for place in places)
        for place in places:
            wanted = place.gpus if gpus else min(place.cores, 1)
            while place.usable and place.workers < wanted:
                self._start(place, wanted, gpu=gpus)
        if not self.ready and not self.coming:
            raise self._reason or UserError(
                "The cluster has neither GPUs nor cores to run on.",
                "See what it has with: ray status",
            )

    def _head_answers(self, idle: bool) -> bool:
        """Is the head there? Workers go on for a while without it, but nobody else starts."""
        if self.answers():
            self._answered = time.monotonic()
            return True
        if idle or time.monotonic() - self._answered > _HEAD_SECONDS:
            raise RetryError("The head of the cluster does not answer any more.", _KEPT)
        return False

    def _alive(self) -> Iterator[ClusterNode]:
        for node in self.ray.nodes():
            if node["Alive"]:
                has = node["Resources"]
                cores, gpus = int(has.get("CPU", 0)), int(has.get("GPU", 0))
                new = ClusterNode(node["NodeID"], node["NodeManagerAddress"], cores, gpus)
                yield self._places.setdefault(new.node, new)

    def _start(self, place: ClusterNode, wanted: int, *, gpu: bool) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        threads = place.cores // wanted
        options = self._outpost.options(
            num_cpus=threads,
            num_gpus=int(gpu),
            max_restarts=0,
            max_concurrency=SHARDS,
            scheduling_strategy=NodeAffinitySchedulingStrategy(place.node, soft=False),
        )
        hand = WorkerHandle(options.remote(), place, threads)
        place.workers += 1
        self.coming[hand.handle.check.remote(version())] = hand

    def advance(self, call: Any) -> Iterator[Event]:
        """Take in an answer of a worker that is coming, and go on with it.

        Raises:
            UserError: The tagger is broken.
        """
        hand = self.coming.pop(call)
        try:
            answer = self.ray.get(call)
        except self.ray.exceptions.RayTaskError:
            raise
        except self.ray.exceptions.RayError as error:
            yield from self.lose(hand, error)
            return
        if isinstance(answer, Fault):
            raise answer.error()
        if isinstance(answer, Loaded):
            hand.loaded, hand.place.failed = answer, 0
            hand.size = max(_FIRST, answer.least)
            self.ready.append(hand)
            if answer.gpu_idle and answer.reason not in self._told:
                self._told.add(answer.reason)
                yield idle_gpu(answer.reason, answer.cure)
        elif answer:
            yield self._useless(hand, answer)
        else:
            self._load(hand)

    def _load(self, hand: WorkerHandle) -> None:
        """Let a worker load the tagger; the second time it is sent the files."""
        parts = self._sent() if hand.checked else []
        hand.checked = True
        running = replace(self.running, threads=self.running.threads or hand.threads)
        call = hand.handle.call.remote("load", self.files, self._key, running, *parts)
        self.coming[call] = hand

    def _sent(self) -> list[Any]:
        """Put the files into the object store, once: Ray brings them to each node once."""
        if not self._parts:
            names_of(self.files)
            paths = (self.files.model, self.files.table, *self.files.extra)
            self._parts = [self.ray.put(_bytes(path)) for path in paths]
        return self._parts

    def _useless(self, hand: WorkerHandle, reason: str) -> Warned:
        """Give up a node that can never work."""
        hand.place.failed = _STARTS
        self.dismiss(hand)
        message = f"The node {hand.place.address} cannot work: {reason}."
        hint = f"Install on it: pip install 'shikomi[ray]=={version() or 'VERSION'}'"
        self._reason = self._reason or UserError(message, hint)
        return Warned(message, hint)

    def lose(self, hand: WorkerHandle, error: BaseException) -> Iterator[Event]:
        """Note that a worker is gone."""
        if hand.loaded is None:
            hand.place.failed += 1
        hand.place.lost += 1
        self.dismiss(hand)
        self._looked = float("-inf")
        said = next(iter(str(error).splitlines()), "") or type(error).__name__
        self._reason = RetryError(
            f"No worker of the cluster is left; the last was on {hand.place.address}: {said}",
            _KEPT,
        )
        yield Warned(f"A worker on {hand.place.address} was lost; what it had is done again.")

    def dismiss(self, hand: WorkerHandle) -> None:
        """End a worker."""
        hand.place.workers -= 1
        if hand in self.ready:
            self.ready.remove(hand)
        self.ray.kill(hand.handle)

    def close(self) -> None:
        """End all workers."""
        for hand in [*self.ready, *self.coming.values()]:
            self.dismiss(hand)


def version() -> str:
    """Return the version of this shikomi; empty where it is not installed but only lies there."""
    try:
        return metadata.version("shikomi")
    except metadata.PackageNotFoundError:
        return ""


def _bytes(path: Path) -> Any:
    """Return a file as an array, without reading it yet."""
    return (
        np.asarray(np.memmap(path, np.uint8, "r")) if path.stat().st_size else np.empty(0, np.uint8)
    )
