"""The workers of a cluster: one per GPU, or per node if there are no GPUs.

Lost workers are replaced, also on new nodes, until a node has lost too many.
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
"""Seconds between two checks for new nodes."""
_HEAD_SECONDS = 20.0
"""Seconds without the cluster's head until it counts as lost; after 60 Ray ends the process."""
_STARTS, _LOSSES = 3, 12
"""Workers that a node may lose in a row: before they are ready, and while working.

A broken image can end seven in a row, while shards are halved to find it.
"""
SHARDS = 2
"""Shards that a worker has at once."""
_SHARD, _FIRST = 64, 8
"""Images per shard: maximum, and in a worker's first ones, unless it needs more."""
_SHARD_SECONDS = 4.0
"""Seconds that a shard should take: the work lost with a worker, or with the command."""


_KEPT = "Finished scores are kept: run the same command again to continue."


@dataclass
class ClusterNode:
    """A node of the cluster.

    Attributes:
        node: Its id.
        address: Its address, for messages.
        cores: Cores that Ray may use.
        gpus: GPUs that Ray may use.
        workers: Workers that are running or starting.
        failed: Workers lost before they were ready, since the last one that was.
        lost: Workers lost since one last returned scores.
        sees: Whether it has the files at the same paths.
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
        """Return whether it is worth a try."""
        return self.failed < _STARTS and self.lost < _LOSSES


@dataclass(eq=False)
class WorkerHandle:
    """A worker process on a node.

    Attributes:
        handle: Its Ray actor.
        place: Its node.
        threads: Threads that it may use.
        checked: Whether its node can work.
        loaded: What runs the model, once loaded.
        size: Images of its next shard.
        heard: Time of its last answer.
    """

    handle: Any
    place: ClusterNode
    threads: int
    checked: bool = False
    loaded: Loaded | None = None
    size: int = _FIRST
    heard: float = 0.0

    def answered(self, images: int, sent: float) -> None:
        """Record a finished shard, ``sent`` at that time, and set the size of the next one."""
        now = time.perf_counter()
        pace = images * _SHARD_SECONDS / max(now - max(sent, self.heard), 1e-3)
        least = self.loaded.least if self.loaded else 1
        self.size = max(least, min(_SHARD, 2 * self.size, round(pace)))
        self.heard = now


@dataclass
class WorkerPool:
    """Starts workers and prepares them.

    Attributes:
        ray: The module ``ray``.
        files: The tagger.
        running: How it runs.
        answers: Returns whether the cluster's head answers.
        ready: Workers that can score.
        coming: Workers in preparation, by the awaited call.
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
        # Pickled by value, so that a node without shikomi can report that it is missing.
        self.ray.cloudpickle.register_pickle_by_value(node_actor)
        self._outpost = self.ray.remote(node_actor.NodeActor)

    def start_workers(self) -> None:
        """Start missing workers; checks the cluster only every few seconds.

        Raises:
            UserError: There are no workers and cannot be any; RetryError if there were some.
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
                "Check its resources with: ray status",
            )

    def _head_answers(self, idle: bool) -> bool:
        """Return whether the head answers; without it, workers continue for a while."""
        if self.answers():
            self._answered = time.monotonic()
            return True
        if idle or time.monotonic() - self._answered > _HEAD_SECONDS:
            raise RetryError("The head of the cluster no longer answers.", _KEPT)
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
        worker = WorkerHandle(options.remote(), place, threads)
        place.workers += 1
        self.coming[worker.handle.check.remote(version())] = worker

    def advance(self, call: Any) -> Iterator[Event]:
        """Process the answer of a worker in preparation, and start its next step.

        Raises:
            UserError: The tagger is broken.
        """
        worker = self.coming.pop(call)
        try:
            answer = self.ray.get(call)
        except self.ray.exceptions.RayTaskError:
            raise
        except self.ray.exceptions.RayError as error:
            yield from self.lose(worker, error)
            return
        if isinstance(answer, Fault):
            raise answer.error()
        if isinstance(answer, Loaded):
            worker.loaded, worker.place.failed = answer, 0
            worker.size = max(_FIRST, answer.least)
            self.ready.append(worker)
            if answer.gpu_idle and answer.reason not in self._told:
                self._told.add(answer.reason)
                yield idle_gpu(answer.reason, answer.cure)
        elif answer:
            yield self._useless(worker, answer)
        else:
            self._load(worker)

    def _load(self, worker: WorkerHandle) -> None:
        """Let a worker load the tagger; the second time, send it the files."""
        parts = self._sent() if worker.checked else []
        worker.checked = True
        running = replace(self.running, threads=self.running.threads or worker.threads)
        call = worker.handle.call.remote("load", self.files, self._key, running, *parts)
        self.coming[call] = worker

    def _sent(self) -> list[Any]:
        """Put the files into the object store, once: Ray copies them to each node once."""
        if not self._parts:
            names_of(self.files)
            paths = (self.files.model, self.files.table, *self.files.extra)
            self._parts = [self.ray.put(_bytes(path)) for path in paths]
        return self._parts

    def _useless(self, worker: WorkerHandle, reason: str) -> Warned:
        """Give up a node that can never work."""
        worker.place.failed = _STARTS
        self.dismiss(worker)
        message = f"The node {worker.place.address} cannot work: {reason}."
        hint = f"Install on it: pip install 'shikomi[ray]=={version() or 'VERSION'}'"
        self._reason = self._reason or UserError(message, hint)
        return Warned(message, hint)

    def lose(self, worker: WorkerHandle, error: BaseException) -> Iterator[Event]:
        """Handle the loss of a worker."""
        if worker.loaded is None:
            worker.place.failed += 1
        worker.place.lost += 1
        self.dismiss(worker)
        self._looked = float("-inf")
        said = next(iter(str(error).splitlines()), "") or type(error).__name__
        self._reason = RetryError(
            f"No worker of the cluster is left; the last was on {worker.place.address}: {said}",
            _KEPT,
        )
        yield Warned(f"A worker on {worker.place.address} was lost; its images are scored again.")

    def dismiss(self, worker: WorkerHandle) -> None:
        """End a worker."""
        worker.place.workers -= 1
        if worker in self.ready:
            self.ready.remove(worker)
        self.ray.kill(worker.handle)

    def close(self) -> None:
        """End all workers."""
        for worker in [*self.ready, *self.coming.values()]:
            self.dismiss(worker)


def version() -> str:
    """Return the version of this shikomi; empty if it is not installed (a plain checkout)."""
    try:
        return metadata.version("shikomi")
    except metadata.PackageNotFoundError:
        return ""


def _bytes(path: Path) -> Any:
    """Return a file as an array, without reading it yet."""
    return (
        np.asarray(np.memmap(path, np.uint8, "r")) if path.stat().st_size else np.empty(0, np.uint8)
    )
