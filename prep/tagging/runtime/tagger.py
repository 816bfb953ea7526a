"""A tagger: an ONNX model that scores every tag of its table for an image.

The contract of WD taggers, read from the public models: one input, float32, batch x height x
width x 3; one output of probabilities, batch x tags. Names, side and whether the batch is free
differ between exports, so they are read from the model; other kinds have a record.
"""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.errors import UnreadableError, UserError
from prep.images.pixels import Pixels
from prep.system import parallel
from prep.tagging.models.contract import first_line, read_contract, wrong_number
from prep.tagging.models.obtain import TaggerFiles, read_table
from prep.tagging.runtime import preprocess, providers
from prep.tagging.runtime.preprocess import Decode, Recipe

Scores = NDArray[np.float32]
DecodedFile = tuple[Path, Pixels | UnreadableError]

_MOST_AT_ONCE = 8
"""Parallel runs; each needs memory for the activations."""
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
        self.table = read_table(files.table)
        workers = threads or parallel.workers()
        self.at_once = min(workers, _MOST_AT_ONCE)
        self._session, self.choice = _session(files.model, device, workers // self.at_once)
        if self.provider != providers.CPU:
            self.at_once = 2
        self._contract = read_contract(
            files.model, self._session, files.record, len(self.table), files.table.name
        )
        self.recipe = Recipe(self._contract.side, files.record, decode)
        self.batch = self._contract.batch or self.choice.batch
        self.most = 0

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

    def scores(self, pixels: NDArray[np.uint8]) -> Scores:
        """Return the scores, 0 to 1, of a batch.

        Args:
            pixels: Channels in the record's order, shape (images, height, width, 3).

        Returns:
            Shape (images, tags).

        Raises:
            UserError: The model failed, or its output is not that of a tagger.
        """
        return self.run(self.tensor(pixels))

    def tensor(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        """Return the model's input for pictures: scaled, with the model's order of axes."""
        record = self.files.record
        tensor = pixels.astype(np.float32)
        if record.divide != 1.0:
            tensor /= record.divide
        if any(record.mean):
            tensor -= np.array(record.mean, np.float32)
        if record.std != (1.0, 1.0, 1.0):
            tensor /= np.array(record.std, np.float32)
        if self._contract.channels_first:
            tensor = np.ascontiguousarray(tensor.transpose(0, 3, 1, 2))
        return tensor.astype(self._contract.dtype, copy=False)

    def run(self, tensor: NDArray[Any]) -> Scores:
        """Return the scores for the output of ``tensor``; in smaller batches if memory runs out."""
        size = self._contract.batch or min(len(tensor), self.most or len(tensor))
        while True:
            try:
                starts = range(0, len(tensor), size)
                return np.concatenate([self._run(tensor[at : at + size]) for at in starts])
            except Exception as error:  # onnxruntime has its own exception types, one per status
                if isinstance(error, UserError):
                    raise
                if size == 1 or self._contract.batch or not providers.out_of_memory(error):
                    raise self._failed(error) from error
            size = self.most = -(-size // 2)
            self.batch = min(self.batch, size)

    def _run(self, tensor: NDArray[Any]) -> Scores:
        """Run one batch; a model with a fixed batch gets blank images behind a short one."""
        count, fixed = len(tensor), self._contract.batch
        if fixed and count < fixed:
            tensor = np.concatenate(
                [tensor, np.zeros((fixed - count, *tensor.shape[1:]), tensor.dtype)]
            )
        inputs = {self._contract.input: tensor}
        output = self._session.run([self._contract.output], inputs)[0]
        found: Scores = np.asarray(output, np.float32).reshape(len(tensor), -1)[:count]
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

    def _failed(self, error: BaseException) -> UserError:
        model = self.files.model
        cpu = "" if self.provider == providers.CPU else " Or use: --device cpu"
        if providers.out_of_memory(error):
            return UserError(
                f"There is too little memory to run {model}.",
                f"Close other programs that use memory, or choose a smaller tagger.{cpu}",
            )
        return UserError(
            f"{model} failed: {first_line(error)}",
            f"It may be damaged, or need a newer onnxruntime.{cpu}",
        )


def score_files(
    tagger: Tagger, paths: Iterable[Path], *, batch: int = 0, threads: int = 0
) -> Generator[tuple[Path, Scores | UnreadableError], None, None]:
    """Yield the scores (shape (tags,)) of each file, or why it cannot be read, in order.

    Files are decoded in threads, and tensors built in those that run the model: 16 cores and a GPU
    would wait for any work in this thread.

    Args:
        tagger: A loaded tagger.
        paths: Image files.
        batch: Images per run; 0 for the default of the device.
        threads: Threads that decode; 0 for one per core.
    """

    def run(items: list[DecodedFile]) -> Iterator[Scores]:
        readable = [pixels for _, pixels in items if not isinstance(pixels, UnreadableError)]
        return iter(tagger.scores(np.stack(readable)) if readable else ())

    with (
        closing(preprocess.ahead(paths, tagger.recipe, threads)) as decoded,
        closing(parallel.ordered(run, _batches(tagger, decoded, batch), tagger.at_once)) as done,
    ):
        for items, scores in done:
            for path, pixels in items:
                yield path, pixels if isinstance(pixels, UnreadableError) else next(scores)


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


def _session(model: Path, device: str, threads: int) -> tuple[Any, providers.ProviderChoice]:
    """Open the model on the best provider; falls back to the CPU if a GPU fails at this point."""
    choice = providers.choose(device)
    cure = choice.cure
    if choice.provider != providers.CPU:
        try:
            session = _open(model, choice.wanted, threads)
        except UserError as error:
            reason = choice.reason or error.message
            if providers.out_of_memory(error):
                cure = "Close other programs that use the GPU's memory."
        else:
            used = session.get_providers()[0]
            if used != providers.CPU:
                return session, providers.ProviderChoice(used, batch=choice.batch)
            reason = choice.reason or f"{choice.provider} did not start"
        choice = providers.ProviderChoice(providers.CPU, reason, gpu_idle=True, cure=cure)
    if device not in ("auto", "cpu"):
        name = "CUDA" if device == "cuda" else device
        hint = f"{choice.cure} Or use: --device cpu" if choice.cure else "Use: --device cpu"
        raise UserError(f"{name} cannot be used: {choice.reason}.", hint)
    return _open(model, [providers.CPU], threads), choice


def _open(model: Path, wanted: list[str], threads: int) -> Any:
    runtime = providers.quiet_runtime()
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin while waiting take cores from those that decode: a third of the time.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if "DmlExecutionProvider" in wanted:
        options.enable_mem_pattern = False  # DirectML refuses to start with it
    try:
        # With its own fallback, onnxruntime prints to stdout before it tries the CPU.
        return runtime.InferenceSession(
            str(model), options, providers=wanted, enable_fallback=False
        )
    except Exception as error:  # onnxruntime has its own exception types, one per status
        raise UserError(
            f"{model} cannot be loaded: {first_line(error)}", _load_hint(model)
        ) from error


def _load_hint(model: Path) -> str:
    with model.open("rb") as file:
        if file.read(40).startswith(b"version https://git-lfs"):
            return "It is only a Git LFS pointer. Fetch the real file with: git lfs pull"
    return "Download it again, or update onnxruntime: it may be truncated or need a newer version."
