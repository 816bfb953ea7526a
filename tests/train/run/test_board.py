"""TensorBoard's curves, made of the events of a run."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from prep.errors import MissingExtraError
from prep.events import Metric, Sample, Saved, Validation, Warned
from tests.train.tiny import MakeRun
from train import extra
from train.run.board import Board, scalars

METRIC = Metric(
    7, 9, 1, loss=0.5, average_loss=0.25, learning_rate=1e-4, it_per_s=2.0, memory_bytes=8,
    rates={"unet": 1e-4, "text_encoder": 5e-5}, gradient_norm=0.125,
)  # fmt: skip
ROUND = Validation(
    9, 9, 1, 0.5, 0.25, {"low": 0.75, "high": 0.25}, {"low": 0.5}, 0.1, 0.3, 0.2, {"a.png": 0.5}
)


class Writer:
    """What a board wrote."""

    def __init__(self, folder: Path, purge_step: int) -> None:
        self.folder, self.purge_step = folder, purge_step
        self.scalars: list[tuple[str, float, int]] = []
        self.images: list[tuple[str, tuple[int, ...], int]] = []
        self.closed = 0
        self.error: OSError | None = None
        MADE.append(self)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        if self.error:
            raise self.error
        self.scalars.append((name, value, step))

    def add_image(self, name: str, pixels: Any, step: int, dataformats: str) -> None:
        assert dataformats == "HWC"
        self.images.append((name, pixels.shape, step))

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed += 1


MADE: list[Writer] = []


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Writer]:
    module: Any = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    MADE.clear()
    return MADE


def test_curves_of_a_step_and_of_a_round() -> None:
    assert scalars(METRIC) == {
        "loss/step": 0.5,
        "loss/average": 0.25,
        "gradient/norm": 0.125,
        "speed/steps_per_s": 2.0,
        "speed/memory_bytes": 8.0,
        "learning_rate/unet": 1e-4,
        "learning_rate/text_encoder": 5e-5,
    }
    assert scalars(ROUND) == {
        "validation/held_out": 0.5,
        "validation/trained": 0.25,
        "validation/gap": 0.2,
        "validation_held_out/low": 0.75,
        "validation_held_out/high": 0.25,
        "validation_trained/low": 0.5,
    }


def test_a_board_writes_what_happens_where_it_belongs(
    tmp_path: Path, made: list[Writer], make_run: MakeRun
) -> None:
    assert Board.of(make_run()) is None
    run = make_run(tensorboard=True)
    board = Board.of(run)
    assert board is not None
    board.close()  # a run that failed before its first step
    Image.new("RGB", (6, 4)).save(run.project / "step00000007-01.png")
    for event in (
        Saved("a", 1, 1),
        METRIC,
        Sample("step00000007-01.png", "smile", 1, {}, 7),
        ROUND,
    ):
        assert board.take(event) is None
    board.close()
    (writer,) = made
    assert writer.folder == run.project / "output" / "tensorboard" / "mochi"
    # A resumed run hides what was written after the state that it went back to.
    assert writer.purge_step == 7
    assert ("loss/step", 0.5, 7) in writer.scalars
    assert ("validation/gap", 0.2, 9) in writer.scalars
    assert writer.images == [("samples/01 smile", (4, 6, 3), 7)]
    assert writer.closed == 1


def test_a_full_disk_ends_the_curves_and_not_the_run(tmp_path: Path, made: list[Writer]) -> None:
    board = Board(tmp_path, tmp_path)
    board.take(METRIC)
    made[0].error = OSError(28, "No space left on device")
    warning = board.take(METRIC)
    assert isinstance(warning, Warned)
    assert "No space left" in warning.message
    assert board.take(METRIC) is None
    # A sample that somebody removed meanwhile is the same.
    board = Board(tmp_path, tmp_path)
    assert isinstance(board.take(Sample("gone.png", "", 1, {}, 7)), Warned)


def test_without_the_package_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        extra.require_tensorboard()
    assert caught.value.hint == "Install it with: pip install 'shikomi[tensorboard]'"


def test_tensorboard_reads_the_files(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    Image.new("RGB", (6, 4)).save(tmp_path / "step00000007-01.png")
    board = Board(tmp_path / "board", tmp_path)
    for event in (METRIC, Sample("step00000007-01.png", "smile", 1, {}, 7), ROUND):
        assert board.take(event) is None
    board.close()
    found = EventAccumulator(str(tmp_path / "board"))
    found.Reload()
    assert [(e.step, e.value) for e in found.Scalars("loss/step")] == [(7, 0.5)]
    assert found.Scalars("validation_held_out/low")[0].value == 0.75
    assert found.Images("samples/01 smile")[0].width == 6
