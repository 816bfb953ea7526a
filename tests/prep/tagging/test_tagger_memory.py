"""Batches that do not fit into memory: with onnxruntime's own errors, and those that cards give."""

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from PIL import Image

from prep import events
from prep.errors import UserError
from prep.ops import scan, tag
from prep.ops.tag import TagOptions
from prep.project import Project
from prep.tagging.models.obtain import find
from prep.tagging.runtime.providers import out_of_memory
from prep.tagging.runtime.tagger import Tagger
from tests.prep.tiny_taggers import SIDE, TAGS, make_tagger

RED = [tag.name for tag in TAGS].index("red_sky")
REAL = (
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running Conv"
    " node. Name:'conv' Status Message: /onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:"
    "376 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, onnxruntime::Stream*)"
    " Failed to allocate memory for requested buffer of size 983040000\n",
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running"
    " ReduceMean node. Name:'' Status Message: std::bad_alloc",
    "[ONNXRuntimeError] : 1 : FAIL : CUDA failure 2: out of memory ; GPU=0 ; hostname=box ;"
    " file=/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_allocator.cc ; line=47 ;",
    "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0 ; hostname=box ; expr=cublasCreate",
    "Exception(1) tid(4790) 8007000E Not enough memory resources are available to complete this"
    " operation.",
)
"""Errors as onnxruntime raises them on the CPU (first two, seen), CUDA and DirectML."""
OTHERS = (
    "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got invalid dimensions for input: input",
    "CUDA failure 700: an illegal memory access was encountered ; GPU=0",
)


class Small:
    """A session that takes so many images at once, and the real one does the rest."""

    def __init__(self, real: object, most: int, text: str = REAL[0]) -> None:
        self._real, self._most, self._text = real, most, text
        self.asked: list[int] = []

    def run(self, names: list[str], inputs: dict[str, NDArray[np.float32]]) -> object:
        (batch,) = inputs.values()
        self.asked.append(len(batch))
        if len(batch) > self._most:
            raise RuntimeError(self._text)
        return self._real.run(names, inputs)  # type: ignore[attr-defined]


def tagger_with(folder: Path, most: int, text: str = REAL[0]) -> tuple[Tagger, Small]:
    tagger = Tagger(find(str(make_tagger(folder / "tagger")), folder), "cpu", threads=1)
    session = tagger._session = Small(tagger._session, most, text)
    return tagger, session


def reds(*values: int) -> NDArray[np.uint8]:
    pixels = np.zeros((len(values), SIDE, SIDE, 3), np.uint8)
    pixels[..., 2] = np.array(values, np.uint8)[:, None, None]
    return pixels


@pytest.mark.parametrize("text", REAL)
def test_what_does_not_fit_is_run_in_halves(tmp_path: Path, text: str) -> None:
    tagger, session = tagger_with(tmp_path, 2, text)
    tagger.batch = 16
    values = tuple(range(0, 140, 20))
    assert tagger.scores(reds(*values))[:, RED] == pytest.approx(np.array(values) / 255, abs=1e-5)
    assert session.asked == [7, 4, 2, 2, 2, 1]
    assert (tagger.batch, tagger.most) == (2, 2)
    session.asked.clear()
    assert len(tagger.scores(reds(*values))) == 7
    assert session.asked == [2, 2, 2, 1]  # what was learned holds for batches of any wanted size


@pytest.mark.parametrize("text", REAL)
def test_too_little_for_one_image_is_said_so(tmp_path: Path, text: str) -> None:
    tagger, session = tagger_with(tmp_path, 0, text)
    with pytest.raises(UserError, match=r"too little memory to run .*model\.onnx") as caught:
        tagger.scores(reds(1, 2, 3))
    assert session.asked == [3, 2, 1]
    assert "smaller model" in caught.value.hint
    assert "--device cpu" not in caught.value.hint  # it is the CPU


@pytest.mark.parametrize("text", OTHERS)
def test_other_faults_are_not_tried_again(tmp_path: Path, text: str) -> None:
    assert not out_of_memory(RuntimeError(text))
    tagger, session = tagger_with(tmp_path, 0, text)
    with pytest.raises(UserError, match=r"model\.onnx failed: ") as caught:
        tagger.scores(reds(1, 2, 3))
    assert session.asked == [3]
    assert "ONNXRuntimeError" not in caught.value.message


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_onnxruntime_that_runs_out_of_memory(tmp_path: Path) -> None:
    """A model that needs 123 MB for an image, with room for four images or fewer."""
    import resource

    folder = make_tagger(tmp_path / "tagger")
    model = onnx.load(folder / "model.onnx")
    times = np.array([1, 100, 100, 1], np.int64)
    model.graph.initializer.append(numpy_helper.from_array(times, "times"))
    model.graph.node[0].input[0] = "wide"
    model.graph.node.insert(0, helper.make_node("Tile", ["input", "times"], ["wide"]))
    onnx.save(model, folder / "model.onnx")
    tagger = Tagger(find(str(folder), tmp_path), "cpu", threads=1)
    alone = np.concatenate([tagger.scores(reds(value)) for value in range(0, 160, 20)])
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 600_000_000, before[1]))
    try:
        scores = tagger.scores(reds(*range(0, 160, 20)))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert 1 <= tagger.most <= 4
    # Means over 20 million numbers are off by up to a seventh, as onnxruntime adds them up in fp32;
    # every image still has its own, in its place.
    assert scores.shape == alone.shape
    assert (np.diff(scores[:, RED]) != 0).all()
    assert np.array_equal(np.argsort(scores[:, RED]), np.argsort(alone[:, RED]))


def test_the_size_that_fits_is_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(9):
        path = project.dataset / "10_mochi" / f"{number}.png"
        Image.new("RGB", (8, 8), (255, number, 0)).save(path)
    list(scan.run(project))
    load = Tagger.__init__

    def loaded(tagger: Tagger, *arguments: object) -> None:
        load(tagger, *arguments)  # type: ignore[arg-type]
        tagger._session = Small(tagger._session, 2)

    monkeypatch.setattr(Tagger, "__init__", loaded)
    model = str(make_tagger(project.root / "tiny"))
    found = list(tag.run(project, TagOptions(model=model, device="cpu", batch=6, write="none")))
    (told,) = [event for event in found if isinstance(event, events.Warned)]
    assert "batches of 2" in told.message
    assert "--batch 2" in told.hint
    assert sum(isinstance(event, events.Tags) for event in found) == 9
