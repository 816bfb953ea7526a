"""A tagger: an ONNX model that scores every tag of its table for an image.

The contract of WD taggers, read from the public models: one input, float32, batch x height x
width x 3; one output of probabilities, batch x tags. Names, side and whether the batch is free
differ between exports, so they are read from the model; other kinds have a record. Some take a
second input, which pixels are padding, and some give a second output, an embedding.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prep.errors import UnreadableError, UserError
from prep.system import parallel
from prep.tagging.models.contract import read_contract, wrong_number
from prep.tagging.models.obtain import TaggerFiles
from prep.tagging.runtime import preprocess, providers
from prep.tagging.runtime.preprocess import Decode, Levels, Recipe
from prep.tagging.runtime.session import failed, open_session

Scores = NDArray[np.float32]
Embedding = NDArray[np.float32]
Inputs = Mapping[str, NDArray[Any]]
"""Inputs of a model, by name; the first axis is the image."""
DecodedFile = tuple[Path, Levels | UnreadableError]


class Outputs(NamedTuple):
    """What a model gives for some images, or for one of them.

    Attributes:
        scores: 0 to 1; shape (images, tags) or (tags,).
        embedding: Features; shape (images, any) or (any,); ``None`` if the model gives none.
    """

    scores: NDArray[np.floating[Any]]
    embedding: Embedding | None = None

    def halved(self) -> "Outputs":
        """Return them with scores in half precision, as they are stored."""
        return Outputs(self.scores.astype(np.float16), self.embedding)

    def each(self) -> Iterator["Outputs"]:
        """Yield those of each image."""
        for number, scores in enumerate(self.scores):
            yield Outputs(scores, None if self.embedding is None else self.embedding[number])


class FileOutputs(NamedTuple):
    """A file, and what the model gives for it, or why it cannot be read."""

    path: Path
    found: Outputs | UnreadableError


_MOST_AT_ONCE = 8
"""Parallel runs; each needs memory for the activations."""
_WAITING = 384 << 20
"""Bytes of pictures that may wait for a card."""
_FARTHEST = 80.0
"""Logits beyond this are 0 or 1 in float32 anyway, and would overflow."""


class Tagger:
    """A loaded tagger.

    Attributes:
        table: Names and categories of its outputs.
        recipe: Its input format.
        choice: The provider that actually runs it, and why it is not the GPU.
        batch: Default number of images per run; halved when memory runs out.
        most: Images per run that fit after memory ran out; 0 if it never did.
        at_once: Parallel runs. On a CPU each gets one thread: threads sharing a run wait for each
            other at every layer, which took a sixth of the time. On a GPU, the tensor of one run is
            prepared while another runs.
        ahead: Pictures that may wait for the model; 0 for twice as many as threads decode. A card
            takes them faster than they come, so that none of the cores may wait: neither for the
            first run, which takes a second or two, nor for a picture that takes long.
    """

    def __init__(
        self,
        files: TaggerFiles,
        device: str = "auto",
        threads: int = 0,
        decode: Decode = "reference",
    ) -> None:
        """Load the model.

        Args:
            files: From ``prep.tagging.models.obtain.find``.
            device: A ``providers.Device``.
            threads: For the CPU; 0 for one per core.
            decode: ``reference``, or ``fast``, which may differ by a grey level here and there.

        Raises:
            UserError: The model is broken or of another kind, the table does not belong to it, or a
                device was requested that does not work.
        """
        self.files = files
        self.table = files.tags()
        workers = threads or parallel.workers()
        self.at_once = min(workers, _MOST_AT_ONCE)
        self._session, self.choice = open_session(files.model, device, workers // self.at_once)
        self._contract = read_contract(
            files.model, self._session, files.record, len(self.table), files.table.name
        )
        self.recipe = Recipe(self._contract.side, files.record, decode)
        self.batch = self._contract.batch or self.choice.batch
        self.most = self.ahead = 0
        if self.provider != providers.CPU:
            self.at_once = 2
            self.ahead = _waiting(self.recipe)

    @property
    def name(self) -> str:
        """Its display name."""
        return self.files.name

    @property
    def side(self) -> int:
        """Width and height of its input, pixels."""
        return self.recipe.side

    @property
    def provider(self) -> str:
        """Its provider, named as in onnxruntime."""
        return self.choice.provider

    def scores(self, pixels: Levels) -> Scores:
        """Return the scores, 0 to 1, of a batch; shape (images, tags).

        Args:
            pixels: See ``outputs``.

        Raises:
            UserError: As in ``outputs``.
        """
        return np.asarray(self.outputs(pixels).scores, np.float32)

    def outputs(self, pixels: Levels) -> Outputs:
        """Return the scores of a batch, and its embedding.

        Args:
            pixels: Channels in the record's order, shape (images, height, width, 3), or 4 channels
                where the last one is padding; see ``preprocess.Levels``.

        Raises:
            UserError: The model failed, or its output is not that of a tagger.
        """
        return self.run(self.inputs(pixels))

    def inputs(self, pixels: Levels) -> Inputs:
        """Return the model's inputs for pictures: scaled, with the model's order of axes."""
        record, contract = self.files.record, self._contract
        tensor = pixels[..., :3].astype(np.float32)
        if record.divide != 1.0:
            tensor /= record.divide
        if any(record.mean):
            tensor -= np.array(record.mean, np.float32)
        if record.std != (1.0, 1.0, 1.0):
            tensor /= np.array(record.std, np.float32)
        if contract.channels_first:
            tensor = np.ascontiguousarray(tensor.transpose(0, 3, 1, 2))
        found: dict[str, NDArray[Any]] = {contract.input: tensor.astype(contract.dtype, copy=False)}
        if contract.mask:
            # Without the channel of padding, none of it is padding.
            found[contract.mask] = np.asarray(pixels[..., 3:].any(axis=-1))
        return found

    def run(self, inputs: Inputs) -> Outputs:
        """Run the model; in smaller batches if memory runs out."""
        count = len(inputs[self._contract.input])
        size = self._contract.batch or min(count, self.most or count)
        while True:
            try:
                return _joined(
                    self._run({name: part[at : at + size] for name, part in inputs.items()})
                    for at in range(0, count, size)
                )
            except Exception as error:  # onnxruntime has its own exception types, one per status
                if isinstance(error, UserError):
                    raise
                if size == 1 or self._contract.batch or not providers.out_of_memory(error):
                    raise failed(self.files.model, self.provider, error) from error
            size = self.most = -(-size // 2)
            self.batch = min(self.batch, size)

    def _run(self, inputs: Inputs) -> Outputs:
        """Run one batch; a model with a fixed batch gets blank images behind a short one."""
        contract = self._contract
        count = len(inputs[contract.input])
        if contract.batch and count < contract.batch:
            inputs = {name: _filled(part, contract.batch) for name, part in inputs.items()}
        wanted = [contract.output, *([contract.embedding] if contract.embedding else [])]
        first, *others = self._session.run(wanted, dict(inputs))
        embedding = np.asarray(others[0], np.float32)[:count] if others else None
        return Outputs(self._checked(first)[:count], embedding)

    def _checked(self, output: NDArray[Any]) -> Scores:
        """Return an output as scores.

        Raises:
            UserError: It does not fit the tags, or is not a probability.
        """
        found: Scores = np.asarray(output, np.float32).reshape(len(output), -1)
        if found.shape[1] != len(self.table):
            table = self.files.table.name
            raise wrong_number(self.files.model, found.shape[1], len(self.table), table)
        if self.files.record.logits:
            bounded = np.clip(found, -_FARTHEST, _FARTHEST)
            return np.asarray(1 / (1 + np.exp(-bounded)), np.float32)
        if found.size and not (found.min() >= -1e-3 and found.max() <= 1.001):
            raise UserError(
                f"{self.files.model} does not give probabilities from 0 to 1.",
                "If these are logits, put logits = true into tagger.toml beside it"
                " (docs/topics/tagging-models.md).",
            )
        return found


def score_files(
    tagger: Tagger, paths: Iterable[Path], *, batch: int = 0, threads: int = 0
) -> Generator[tuple[Path, Scores | UnreadableError], None, None]:
    """Yield the scores (shape (tags,)) of each file, or why it cannot be read; as ``run_files``."""
    with closing(run_files(tagger, paths, batch=batch, threads=threads)) as done:
        for path, found in done:
            if isinstance(found, UnreadableError):
                yield path, found
            else:
                yield path, np.asarray(found.scores, np.float32)


def run_files(
    tagger: Tagger,
    paths: Iterable[Path],
    *,
    batch: int = 0,
    threads: int = 0,
    stored: bool = False,
) -> Generator[FileOutputs, None, None]:
    """Yield what the model gives for each file, or why it cannot be read, in order.

    Files are decoded in threads, and inputs built in those that run the model, which also convert
    its answers: 16 cores and a GPU would wait for any work in this thread.

    Args:
        tagger: A loaded tagger.
        paths: Image files.
        batch: Images per run; 0 for the default of the device.
        threads: Threads that decode; 0 for one per core.
        stored: Scores in half precision, as they are stored.
    """

    def run(items: list[DecodedFile]) -> Iterator[Outputs]:
        readable = [pixels for _, pixels in items if not isinstance(pixels, UnreadableError)]
        if not readable:
            return iter(())
        found = tagger.outputs(np.stack(readable))
        return (found.halved() if stored else found).each()

    with (
        closing(preprocess.ahead(paths, tagger.recipe, threads, tagger.ahead)) as decoded,
        closing(parallel.ordered(run, _batches(tagger, decoded, batch), tagger.at_once)) as done,
    ):
        for items, found in done:
            for path, pixels in items:
                yield FileOutputs(
                    path, pixels if isinstance(pixels, UnreadableError) else next(found)
                )


def _waiting(recipe: Recipe) -> int:
    """Return how many pictures may wait for a card."""
    levels = recipe.side**2 * (4 if recipe.record.mask else 3)
    return _WAITING // (levels * (4 if recipe.record.exact else 1))


def _joined(parts: Iterable[Outputs]) -> Outputs:
    """Return the outputs of several runs as of one."""
    scores, embeddings = zip(*parts, strict=True)
    features = [part for part in embeddings if part is not None]
    return Outputs(np.concatenate(scores), np.concatenate(features) if features else None)


def _filled(part: NDArray[Any], count: int) -> NDArray[Any]:
    """Return an input with blank images behind it."""
    blank = np.zeros((count - len(part), *part.shape[1:]), part.dtype)
    return np.concatenate([part, blank])


def _batches(
    tagger: Tagger, decoded: Iterable[DecodedFile], batch: int
) -> Iterator[list[DecodedFile]]:
    """Yield batches of items that fit into one run."""
    waiting: list[DecodedFile] = []
    shape: tuple[int, ...] | None = None
    for item in decoded:
        if not isinstance(item[1], UnreadableError):
            if shape not in (
                None,
                item[1].shape,
            ):  # a tagger that keeps the aspect ratio of pictures
                yield waiting
                waiting = []
            shape = item[1].shape
        waiting.append(item)
        if len(waiting) >= (batch or tagger.batch):
            yield waiting
            waiting = []
    if waiting:
        yield waiting
