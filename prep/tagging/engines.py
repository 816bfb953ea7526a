"""Where taggers run: in this process, or on the machines of a cluster.

An engine gives scores of contents and knows nothing of the store; whoever asks it keeps them.
"""

import time
from collections.abc import Callable, Collection, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from prep.errors import UnreadableError
from prep.events import Event, Warned
from prep.tagging.models import TaggerFiles
from prep.tagging.preprocess import Decode
from prep.tagging.providers import Device
from prep.tagging.tagger import Scores, Tagger, score_files

Scored = tuple[str, Scores | UnreadableError]
"""A content, and its scores, shape (tags,), or why there are none."""
Kind = Literal["local", "ray"]


@dataclass(frozen=True)
class Running:
    """How models run.

    Attributes:
        device: On which processor.
        batch: Images per run; 0 for what suits the device.
        threads: That decode images and run the model on the CPU; 0 for one per core.
        decode: How exactly pictures are decoded.
        engine: In this process, or on a cluster of Ray.
        address: Of the cluster, see ``cluster.link.connected``.
    """

    device: Device = "auto"
    batch: int = 0
    threads: int = 0
    decode: Decode = "reference"
    engine: Kind = "local"
    address: str = ""


class Engine(Protocol):
    """What gives scores.

    Attributes:
        provider: What ran the model, in the words of onnxruntime; empty before it runs.
        reason: Why not something faster.
        workers: Processes that gave scores.
        nodes: Machines that they were on.
        seconds: What scoring took, without loading.
    """

    provider: str
    reason: str
    workers: int
    nodes: int
    seconds: float

    def run(
        self, contents: Collection[str], path: Callable[[str], Path]
    ) -> Generator[Event | Scored, None, None]:
        """Load the tagger and yield what becomes of each content, each once, in any order.

        Args:
            contents: Different ones.
            path: Tells where the file of a content is.

        Yields:
            Besides, Progress and Warned.

        Raises:
            UserError: The tagger is broken; RetryError when the cluster was lost.
        """
        ...


def engine(files: TaggerFiles, running: Running) -> Engine:
    """Return what will run a tagger; nothing is loaded yet."""
    if running.engine == "local":
        return Local(files, running)
    from prep.tagging.cluster.engine import Cluster

    return Cluster(files, running)


class Local:
    """Runs a tagger in this process."""

    def __init__(self, files: TaggerFiles, running: Running) -> None:
        self._files, self._running = files, running
        self.provider, self.reason = "", ""
        self.workers = self.nodes = 1
        self.seconds = 0.0

    def run(
        self, contents: Collection[str], path: Callable[[str], Path]
    ) -> Generator[Event | Scored, None, None]:
        """As ``Engine.run``, in the order of ``contents``."""
        running = self._running
        tagger = Tagger(self._files, running.device, running.threads, running.decode)
        self.provider, self.reason = tagger.provider, tagger.choice.reason
        if tagger.choice.gpu_idle:
            yield idle_gpu(self.reason, tagger.choice.cure)
        files = (path(content) for content in contents)
        start = time.perf_counter()
        with closing(
            score_files(tagger, files, batch=running.batch, threads=running.threads)
        ) as scored:
            for content, (_, scores) in zip(contents, scored, strict=True):
                yield content, scores
        self.seconds = time.perf_counter() - start
        if tagger.most:
            yield smaller_batches(tagger.most)


def idle_gpu(reason: str, cure: str) -> Warned:
    """Return the warning for a GPU that seems to be there and is not used."""
    return Warned(f"The tagger runs on the CPU: {reason}.", cure)


def smaller_batches(most: int) -> Warned:
    """Return the warning for memory that had run out; ``most`` images fitted."""
    return Warned(
        f"Memory ran out: images were run in batches of {most}.",
        f"For this tagger, use: --batch {most}",
    )
