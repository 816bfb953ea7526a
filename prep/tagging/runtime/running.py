"""How taggers run, and what every engine that runs them can do.

An engine gives scores of contents and knows nothing of the store; whoever asks it keeps them.
"""

from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from prep.errors import UnreadableError
from prep.events import Event, Warned
from prep.tagging.runtime.preprocess import Decode
from prep.tagging.runtime.providers import Device
from prep.tagging.runtime.tagger import Scores

Scored = tuple[str, Scores | UnreadableError]
"""A content, and its scores, shape (tags,), or why there are none."""

EngineKind = Literal["local", "ray"]


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
    engine: EngineKind = "local"
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


def idle_gpu(reason: str, cure: str) -> Warned:
    """Return the warning for a GPU that seems to be there and is not used."""
    return Warned(f"The tagger runs on the CPU: {reason}.", cure)


def smaller_batches(most: int) -> Warned:
    """Return the warning for memory that had run out; ``most`` images fitted."""
    return Warned(
        f"Memory ran out: images were run in batches of {most}.",
        f"For this tagger, use: --batch {most}",
    )
