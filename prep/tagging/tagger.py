"""A WD tagger: an ONNX model that gives every image a score for every tag of its table.

The contract, read from the public models: one input, float32, batch x height x width x 3; one
output of probabilities, batch x tags. Names, side and whether the batch is free differ between
exports, so they are read from the model.
"""

import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep import parallel
from prep.errors import UnreadableError, UserError
from prep.tagging import preprocess, providers
from prep.tagging.models import TaggerFiles, read_table

Scores = NDArray[np.float32]

_SIDE = 448
"""Of all public WD taggers; for exports that leave it open."""
_CPU_BATCH, _GPU_BATCH = 1, 16


class Tagger:
    """A loaded tagger.

    Attributes:
        table: What its outputs mean.
        side: Pixels each way that it wants.
        choice: The provider that really runs it, and why it is not the GPU.
        batch: Images per run when nobody asks for another number.
    """

    def __init__(self, files: TaggerFiles, device: str = "auto", threads: int = 0) -> None:
        """Load the model.

        Args:
            files: From ``tagger_models.find``.
            device: ``auto``, ``cpu`` or ``cuda``.
            threads: For the CPU; 0 for one per core.

        Raises:
            UserError: Broken or foreign model, a table that does not belong to it, or CUDA was
                asked for and does not work.
        """
        self.files = files
        self.table = read_table(files.table)
        self._session, self.choice = _session(files.model, device, threads)
        self._input, self.side, self._fixed = _check_input(files.model, self._session)
        self._check_outputs(self._session.get_outputs()[0].shape[-1])
        self.batch = self._fixed or (_GPU_BATCH if self.provider == providers.CUDA else _CPU_BATCH)

    @property
    def name(self) -> str:
        """Its name for people."""
        return self.files.name

    @property
    def provider(self) -> str:
        """What runs it, in the words of onnxruntime."""
        return self.choice.provider

    def scores(self, pixels: NDArray[np.uint8]) -> Scores:
        """Return the scores, 0 to 1, of a batch.

        Args:
            pixels: BGR, of shape (images, side, side, 3).

        Returns:
            Shape (images, tags).

        Raises:
            UserError: The model failed, or its output is not what a WD tagger gives.
        """
        size = self._fixed or len(pixels)
        parts = [self._run(pixels[start : start + size]) for start in range(0, len(pixels), size)]
        return np.concatenate(parts)

    def _run(self, pixels: NDArray[np.uint8]) -> Scores:
        """Run one batch; a model with a fixed batch gets blank images behind a short one."""
        count = len(pixels)
        batch = np.zeros((self._fixed or count, *pixels.shape[1:]), np.float32)
        batch[:count] = pixels
        try:
            output = np.asarray(self._session.run(None, {self._input: batch})[0], np.float32)
        except Exception as error:  # onnxruntime raises types of its own, one for each status
            raise UserError(
                f"{self.files.model} failed: {_first_line(error)}",
                "Try a smaller batch, or the CPU.",
            ) from error
        self._check_outputs(output.shape[-1])
        found = output[:count]
        if found.size and not (found.min() >= -1e-3 and found.max() <= 1.001):
            raise UserError(
                f"{self.files.model} does not give probabilities from 0 to 1.",
                "Taggers that give logits, as cl_tagger, are not supported.",
            )
        return found

    def _check_outputs(self, outputs: Any) -> None:
        if isinstance(outputs, int) and outputs != len(self.table):
            raise UserError(
                f"{self.files.model} has {outputs:,} outputs, but {self.files.table.name} lists"
                f" {len(self.table):,} tags.",
                "The two files belong to different taggers: take both from the same place.",
            )


def score_files(
    tagger: Tagger, paths: Iterable[Path], *, batch: int = 0, threads: int = 0
) -> Generator[tuple[Path, Scores | UnreadableError], None, None]:
    """Yield the scores (shape (tags,)) of each file, or why it cannot be read, in order.

    Files are decoded in threads while the model runs.

    Args:
        tagger: A loaded tagger.
        paths: Image files.
        batch: Images per run; 0 for what suits the device.
        threads: That decode; 0 for one per core.
    """
    size = batch or tagger.batch
    waiting: list[tuple[Path, preprocess.Pixels | UnreadableError]] = []
    with closing(preprocess.ahead(paths, tagger.side, threads)) as decoded:
        for item in decoded:
            waiting.append(item)
            if len(waiting) == size:
                yield from _scored(tagger, waiting)
                waiting = []
        yield from _scored(tagger, waiting)


def _scored(
    tagger: Tagger, items: list[tuple[Path, preprocess.Pixels | UnreadableError]]
) -> Iterator[tuple[Path, Scores | UnreadableError]]:
    readable = [pixels for _, pixels in items if not isinstance(pixels, UnreadableError)]
    scores = iter(tagger.scores(np.stack(readable)) if readable else ())
    for path, pixels in items:
        yield path, pixels if isinstance(pixels, UnreadableError) else next(scores)


def _session(model: Path, device: str, threads: int) -> tuple[Any, providers.Choice]:
    """Open the model on the best provider; a GPU that fails at this point means the CPU, too."""
    choice = providers.choose(device)
    if choice.provider == providers.CUDA:
        try:
            session = _open(model, [providers.CUDA, providers.CPU], threads)
        except UserError as error:
            choice = providers.Choice(providers.CPU, error.message, gpu_idle=True)
        else:
            if session.get_providers()[0] == providers.CUDA:
                return session, providers.Choice(providers.CUDA)
            reason = choice.reason or "CUDA did not start"
            choice = providers.Choice(providers.CPU, reason, gpu_idle=True)
    if device == "cuda":
        raise UserError(f"CUDA cannot be used: {choice.reason}.", "Use: --device cpu")
    return _open(model, [providers.CPU], threads), choice


def _open(model: Path, wanted: list[str], threads: int) -> Any:
    runtime = providers.quiet_runtime()
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads or parallel.workers()
    options.inter_op_num_threads = 1
    # Threads that spin while they wait take the cores from those that decode: a third of all time.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        # With its own fall-back on, onnxruntime prints to stdout before it tries the CPU.
        return runtime.InferenceSession(
            str(model), options, providers=wanted, enable_fallback=False
        )
    except Exception as error:  # onnxruntime raises types of its own, one for each status
        raise UserError(
            f"{model} cannot be loaded: {_first_line(error)}", _load_hint(model)
        ) from error


def _load_hint(model: Path) -> str:
    with model.open("rb") as file:
        if file.read(40).startswith(b"version https://git-lfs"):
            return "It is only a Git LFS pointer: fetch the real file with: git lfs pull"
    return "Download it again: it may be cut off or need a newer onnxruntime."


def _check_input(model: Path, session: Any) -> tuple[str, int, int]:
    """Return the name of the input, its side in pixels, and its batch (0 when it is free)."""
    inputs = session.get_inputs()
    shape = inputs[0].shape if len(inputs) == 1 else []
    if len(shape) != 4 or shape[3] != 3 or inputs[0].type != "tensor(float)":
        found = ", ".join(f"{i.name} {i.type} {i.shape}" for i in inputs)
        raise UserError(
            f"{model} is not a WD tagger: it takes {found or 'nothing'}.",
            "A WD tagger takes one tensor(float) of batch x side x side x 3.",
        )
    side = shape[1] if isinstance(shape[1], int) else _SIDE
    return inputs[0].name, side, shape[0] if isinstance(shape[0], int) else 0


def _first_line(error: Exception) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", line)
