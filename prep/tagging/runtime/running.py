"""How taggers run, and the protocol of engines that run them.

An engine returns scores of contents and does not know the store; the caller stores them.
"""

from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from prep.errors import UnreadableError
from prep.events import Event, Warned
from prep.tagging.runtime.preprocess import Decode
from prep.tagging.runtime.providers import Device
from prep.tagging.runtime.tagger import Embedding


class Scored(NamedTuple):
    """A content, and its scores of shape (tags,), or why there are none.

    Attributes:
        embedding: Features of the picture, shape (any,); ``None`` if the model gives none.
    """

    content: str
    scores: NDArray[np.floating[Any]] | UnreadableError
    embedding: Embedding | None = None


EngineKind = Literal["local", "ray"]


@dataclass(frozen=True)
class Running:
    """How a model is run.

    Attributes:
        device: The processor to use.
        batch: Images per run; 0 for the default of the device.
        threads: Threads that decode images and run the model on the CPU; 0 for one per core.
        decode: How pictures are decoded: reference or fast.
        engine: In this process, or on a Ray cluster.
        address: Address of the cluster, see ``cluster.connect.connected``.
    """

    device: Device = "auto"
    batch: int = 0
    threads: int = 0
    decode: Decode = "reference"
    engine: EngineKind = "local"
    address: str = ""


class Engine(Protocol):
    """Runs a tagger and yields scores.

    Attributes:
        provider: Provider of the model, named as in onnxruntime; empty before it runs.
        reason: Why it was not a faster one.
        workers: Processes that computed scores.
        nodes: Machines on which they ran.
        seconds: Time of scoring, without loading.
    """

    provider: str
    reason: str
    workers: int
    nodes: int
    seconds: float

    def run(
        self, contents: Collection[str], path: Callable[[str], Path]
    ) -> Generator[Event | Scored, None, None]:
        """Load the tagger and yield the result of each content, each once, in any order.

        Args:
            contents: Hashes of contents, each once.
            path: Returns the file of a content.

        Yields:
            Also Progress and Warned.

        Raises:
            UserError: The tagger is broken; RetryError if the cluster was lost.
        """
        ...


def idle_gpu(reason: str, cure: str) -> Warned:
    """Return the warning for a GPU that seems to be present but is not used."""
    return Warned(f"The tagger runs on the CPU: {reason}.", cure)


def smaller_batches(most: int) -> Warned:
    """Return the warning that memory ran out; batches of ``most`` images fit."""
    return Warned(
        f"Memory ran out: images were run in batches of {most}.",
        f"For this tagger, use: --batch {most}",
    )
