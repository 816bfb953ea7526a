"""A detector of heads: an ONNX model, and what its answers mean.

Three kinds of answers are published, and told apart by their shape (batch, rows, columns) with n
names: YOLO from version 8 on gives a column for each anchor, with the middle, width and height of a
box in pixels of the input and n scores (4 + n rows); its end-to-end form (version 10) gives rows
of left, top, right, bottom, score and number of the name (6 columns), overlaps already removed;
RT-DETR gives rows of a box as fractions of the input and n scores (4 + n columns).
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prep.errors import UnreadableError, UserError
from prep.images.buckets import Size
from prep.images.crops import Box
from prep.images.crops.heads import Head
from prep.language import quantity
from prep.system import parallel
from prep.tagging.models.detectors import DetectorFiles, names_in
from prep.tagging.runtime import preprocess, providers
from prep.tagging.runtime.preprocess import Levels, Recipe
from prep.tagging.runtime.session import failed, open_session

FLOOR = 0.1
"""Scores below this are not kept; no detector recommends a threshold as low."""
OVERLAP = 0.5
"""Intersection over union of two boxes above which they are of the same head. Ultralytics' 0.7 is
for things that may hide one another by half; of heads it leaves many twice."""

_SIDE = 640
"""Input side, pixels, for models that leave it open."""
_MOST = 1000
"""Boxes, the best ones, among which overlaps are looked for."""
_KEPT = 300
_AT_ONCE = 8
_WAITING = 64
"""Pictures that may wait for a card."""
_TYPES: dict[str, type[np.floating[Any]]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}

Answer = NDArray[np.float32]
Corners = NDArray[np.float32]
"""Left, top, right, bottom; shape (boxes, 4)."""


class Boxes(NamedTuple):
    """Boxes in pixels of the input, and their scores, 0 to 1; shapes (boxes, 4) and (boxes,)."""

    corners: Corners
    scores: NDArray[np.float32]


class FileHeads(NamedTuple):
    """A file, and the heads in it, the surest first, or why it cannot be read."""

    path: Path
    found: tuple[Head, ...] | UnreadableError


class Detector:
    """A loaded detector.

    Attributes:
        names: What it finds.
        recipe: Its input.
        choice: What actually runs it, and why it is not the GPU.
        batch: Images per run; halved when memory runs out.
        fixed: Images per run if the model says so, else 0.
        at_once: Parallel runs.
        ahead: Pictures that may wait; 0 for twice as many as threads decode.
    """

    def __init__(self, files: DetectorFiles, device: str = "auto", threads: int = 0) -> None:
        """Load the model.

        Args:
            files: From ``prep.tagging.models.detectors``.
            device: A ``providers.Device``.
            threads: For the CPU; 0 for one per core.

        Raises:
            UserError: The model is broken, of another kind, or finds no heads, or a device was
                requested that does not work.
        """
        self.files, self._rtdetr = files, files.rtdetr
        workers = threads or parallel.workers()
        self.at_once = min(workers, _AT_ONCE)
        self._session, self.choice = open_session(files.model, device, workers // self.at_once)
        self._input, side, self.fixed, self._dtype = self._read_input()
        self.names = files.labels or names_in(self._metadata().get("names", ""))
        self._heads = self._columns_of_heads()
        self.recipe = Recipe(side, files.record)
        self.batch, self.ahead = self.fixed or self.choice.batch, 0
        if self.choice.provider != providers.CPU:
            self.at_once, self.ahead = 2, _WAITING

    def heads(self, pixels: Levels, sizes: Sequence[Size]) -> list[tuple[Head, ...]]:
        """Return the heads in pictures.

        Args:
            pixels: Shape (images, side, side, 3), red first, 0 to 255.
            sizes: Width and height of the upright pictures that they were made from.

        Raises:
            UserError: The model failed, or its answer is not that of a detector.
        """
        tensor = pixels.astype(np.float32).transpose(0, 3, 1, 2) / self.files.record.divide
        answers = self._run(np.ascontiguousarray(tensor, self._dtype))
        return [
            self._in_picture(self._boxes(answer), size)
            for answer, size in zip(answers, sizes, strict=True)
        ]

    def _run(self, tensor: NDArray[Any]) -> Answer:
        size = self.fixed or min(len(tensor), self.batch)
        while True:
            try:
                parts = [
                    self._run_once(tensor[at : at + size]) for at in range(0, len(tensor), size)
                ]
                return np.concatenate(parts)
            except Exception as error:  # onnxruntime has its own exception types, one per status
                if isinstance(error, UserError):
                    raise
                if size == 1 or self.fixed or not providers.out_of_memory(error):
                    raise failed(self.files.model, self.choice.provider, error) from error
            size = self.batch = -(-size // 2)

    def _run_once(self, tensor: NDArray[Any]) -> Answer:
        """Run one batch; a model with a fixed batch gets blank images behind a short one."""
        count = len(tensor)
        if self.fixed > count:
            blank = np.zeros((self.fixed - count, *tensor.shape[1:]), tensor.dtype)
            tensor = np.concatenate([tensor, blank])
        first, *_ = self._session.run(None, {self._input: tensor})
        answer = np.asarray(first, np.float32)
        if answer.ndim != 3 or len(answer) < count:
            raise self._foreign(f"its answer has the shape {list(answer.shape)}")
        return answer[:count]

    def _boxes(self, answer: Answer) -> Boxes:
        """Return the boxes of heads in one answer, the surest first, each head once.

        Raises:
            UserError: It is of no known kind.
        """
        rows, columns = answer.shape
        names = len(self.names) or 1
        if rows == 4 + names:
            found = _of_middles(answer.T, self._heads, 1.0)
        elif columns == 6 and not self._rtdetr:  # which has six with two names
            wanted = np.isin(answer[:, 5], self._heads)
            found = Boxes(answer[wanted, :4], answer[wanted, 4])
        elif columns == 4 + names:
            found = _of_middles(answer, self._heads, float(self.recipe.side))
        else:
            named = quantity(names, "name")
            raise self._foreign(f"an answer of {rows} x {columns} does not fit {named}")
        if (found.scores > 1.001).any():
            raise self._foreign("its scores are not probabilities from 0 to 1")
        usable = (found.scores >= FLOOR) & np.isfinite(found.corners).all(axis=1)
        return without_overlaps(Boxes(found.corners[usable], found.scores[usable]))

    def _in_picture(self, boxes: Boxes, size: Size) -> tuple[Head, ...]:
        """Return boxes as parts of a picture; what lies beyond its edges is cut off."""
        left, top, right, bottom = preprocess.placement(size, self.recipe)
        origin, extent = np.array([left, top] * 2), np.array([right - left, bottom - top] * 2)
        shares = np.clip((boxes.corners - origin) / extent, 0, 1)
        return tuple(
            Head(Box(float(x), float(y), float(far - x), float(low - y)), float(score))
            for (x, y, far, low), score in zip(shares, boxes.scores, strict=True)
            if far > x and low > y
        )

    def _read_input(self) -> tuple[str, int, int, type[np.floating[Any]]]:
        """Return name, side and fixed batch (0 for any) of the input, and its type."""
        inputs = self._session.get_inputs()
        shape = list(inputs[0].shape) if len(inputs) == 1 else []
        kind = _TYPES.get(inputs[0].type) if len(inputs) == 1 else None
        if len(shape) != 4 or kind is None or (isinstance(shape[1], int) and shape[1] != 3):
            told = ", ".join(f"{i.name} {i.type} {i.shape}" for i in inputs) or "nothing"
            raise self._foreign(f"it takes {told}")
        sides = {side for side in shape[2:] if isinstance(side, int)}
        sides = sides or set(map(int, _numbers(self._metadata().get("imgsz", "")))) or {_SIDE}
        if len(sides) > 1 or not 32 <= min(sides) <= 4096:
            raise self._foreign("its input is not a square of 32 to 4,096 pixels")
        fixed = shape[0] if isinstance(shape[0], int) and shape[0] > 0 else 0
        return inputs[0].name, min(sides), fixed, kind

    def _metadata(self) -> dict[str, str]:
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def _columns_of_heads(self) -> list[int]:
        if len(self.names) <= 1:
            return [0]
        found = [n for n, name in enumerate(self.names) if "head" in name.casefold()]
        if not found:
            raise UserError(
                f"{self.files.model} finds no heads, but: {', '.join(self.names[:6])}.",
                "Choose a model for heads, such as head_detect_v1.6_s.",
            )
        return found

    def _foreign(self, why: str) -> UserError:
        return UserError(
            f"{self.files.model} is not a known kind of head detector: {why}.",
            "YOLO (8 and later) and RT-DETR models, exported to ONNX, are (docs/topics/crops.md).",
        )


def detect_files(
    detector: Detector, files: Iterable[tuple[Path, Size]], *, batch: int = 0, threads: int = 0
) -> Generator[FileHeads, None, None]:
    """Yield the heads in each file, or why it cannot be read, in order.

    Args:
        detector: A loaded detector.
        files: Image files, with their upright sizes.
        batch: Images per run; 0 for the default of the device.
        threads: Threads that decode; 0 for one per core.
    """
    waiting: list[Size] = []

    def paths() -> Iterator[Path]:
        for path, size in files:
            waiting.append(size)
            yield path

    def batches() -> Generator[list[tuple[Path, Levels | UnreadableError, Size]], None, None]:
        found = []
        ahead = preprocess.ahead(paths(), detector.recipe, threads, detector.ahead)
        with closing(ahead) as decoded:
            for path, pixels in decoded:
                found.append((path, pixels, waiting.pop(0)))
                if len(found) >= (batch or detector.batch):
                    yield found
                    found = []
        if found:
            yield found

    def run(items: list[tuple[Path, Levels | UnreadableError, Size]]) -> list[FileHeads]:
        readable = [(p, size) for _, p, size in items if not isinstance(p, UnreadableError)]
        found = iter(
            detector.heads(np.stack([p for p, _ in readable]), [size for _, size in readable])
            if readable
            else ()
        )
        return [
            FileHeads(path, p if isinstance(p, UnreadableError) else next(found))
            for path, p, _ in items
        ]

    with (
        closing(batches()) as sets,
        closing(parallel.ordered(run, sets, detector.at_once)) as done,
    ):
        for _, heads in done:
            yield from heads


def without_overlaps(boxes: Boxes) -> Boxes:
    """Return the boxes, the surest first, without those that overlap a surer one too much."""
    order = np.argsort(-boxes.scores, kind="stable")[:_MOST]
    corners, scores = boxes.corners[order], boxes.scores[order]
    areas = (corners[:, 2:] - corners[:, :2]).clip(min=0).prod(axis=1)
    left = np.ones(len(order), bool)
    kept: list[int] = []
    for place in range(len(order)):
        if not left[place] or len(kept) == _KEPT:
            continue
        kept.append(place)
        near = np.maximum(corners[:, :2], corners[place, :2])
        far = np.minimum(corners[:, 2:], corners[place, 2:])
        shared = (far - near).clip(min=0).prod(axis=1)
        left &= shared <= OVERLAP * (areas + areas[place] - shared)
    return Boxes(corners[kept], scores[kept])


def _of_middles(rows: Answer, heads: list[int], scale: float) -> Boxes:
    """Return boxes given by middle, width and height; of several names for heads the best counts.

    Args:
        rows: Shape (boxes, 4 + names).
        heads: Which names are those of heads.
        scale: Pixels of the input by which the boxes are to be multiplied.
    """
    middle, half = rows[:, :2] * scale, rows[:, 2:4] * (scale / 2)
    scores = rows[:, [4 + column for column in heads]].max(axis=1)
    return Boxes(np.concatenate([middle - half, middle + half], axis=1), scores)


def _numbers(text: str) -> Iterator[str]:
    return (part for part in text[:64].strip("[]() ").replace(" ", "").split(",") if part.isdigit())
