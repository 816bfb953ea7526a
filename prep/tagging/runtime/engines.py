"""Where taggers run: in this process, or on the machines of a cluster.

An engine returns scores of contents and does not know the store; the caller stores them.
"""

import time
from collections.abc import Callable, Collection, Generator
from contextlib import closing
from pathlib import Path

from prep.errors import UnreadableError
from prep.events import Event
from prep.tagging.models.obtain import TaggerFiles
from prep.tagging.runtime.running import Engine, Running, Scored, idle_gpu, smaller_batches
from prep.tagging.runtime.tagger import Tagger, run_files


def engine(files: TaggerFiles, running: Running) -> Engine:
    """Return the engine that will run a tagger, without loading anything."""
    if running.engine == "local":
        return Local(files, running)
    from prep.tagging.runtime.cluster.ray_engine import RayEngine

    return RayEngine(files, running)


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
        """Run as in ``Engine.run``, in the order of ``contents``."""
        running = self._running
        tagger = Tagger(self._files, running.device, running.threads, running.decode)
        self.provider, self.reason = tagger.provider, tagger.choice.reason
        if tagger.choice.gpu_idle:
            yield idle_gpu(self.reason, tagger.choice.cure)
        files = (path(content) for content in contents)
        start = time.perf_counter()
        with closing(
            run_files(tagger, files, batch=running.batch, threads=running.threads, stored=True)
        ) as scored:
            for content, (_, found) in zip(contents, scored, strict=True):
                if isinstance(found, UnreadableError):
                    yield Scored(content, found)
                else:
                    yield Scored(content, *found)
        self.seconds = time.perf_counter() - start
        if tagger.most:
            yield smaller_batches(tagger.most)
