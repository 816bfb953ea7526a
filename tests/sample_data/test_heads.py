"""The demo head detector: YOLO's contract, and heads where they were drawn."""

import random
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnx import ModelProto
from PIL import Image
from torch.nn import functional

from prep.errors import UnreadableError
from prep.tagging.models.detectors import at_hand
from prep.tagging.runtime.detector import Detector, detect_files
from sample_data.make.heads import CELLS, POOL, STRIDE, HeadFinder, centres
from sample_data.make.heads_export import build
from sample_data.make.world import Scene, draw, head_box, sample_scene

FOLDER = Path(__file__).parents[2] / "sample_data" / "heads"


def scenes(count: int) -> list[Scene]:
    rng = random.Random("unseen")
    found = (sample_scene(rng) for _ in iter(int, 1))
    return [next(s for s in found if s.character.species != "slime") for _ in range(count)]


def test_contract() -> None:
    session = onnxruntime.InferenceSession(
        str(FOLDER / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    (given,), (answered,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape) == ("images", ["batch", 3, 320, 320])
    assert (answered.name, answered.shape) == ("output0", ["batch", 5, 400])
    assert session.get_modelmeta().custom_metadata_map["names"] == "{0: 'head'}"


def test_heads_are_found_where_they_were_drawn(tmp_path: Path) -> None:
    files = at_hand("demo", tmp_path)
    assert files is not None
    drawn, paths = scenes(40), []
    for number, scene in enumerate(drawn):
        size = (320, 240) if number % 2 else (240, 320)
        paths.append((tmp_path / f"{number}.png", size))
        draw(scene, size).save(paths[-1][0])
    overlaps, surplus = [], 0
    for scene, (_, heads), (_, size) in zip(
        drawn, detect_files(Detector(files, "cpu", 1), paths), paths, strict=True
    ):
        assert not isinstance(heads, UnreadableError)
        sure = [head for head in heads if head.score >= files.threshold]
        surplus += max(0, len(sure) - 1)
        overlaps.append(max((_overlap(h.box.pixels(size).corners, scene, size) for h in sure),
                            default=0.0))  # fmt: skip
    assert sum(overlap > 0.7 for overlap in overlaps) >= 38
    assert np.mean(overlaps) > 0.85
    assert surplus <= 1


def _overlap(box: tuple[int, int, int, int], scene: Scene, size: tuple[int, int]) -> float:
    true = head_box(scene, size)
    true = (max(true[0], 0), max(true[1], 0), min(true[2], size[0]), min(true[3], size[1]))
    across = max(0.0, min(box[2], true[2]) - max(box[0], true[0]))
    down = max(0.0, min(box[3], true[3]) - max(box[1], true[1]))
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (box, true)]
    return across * down / (sum(areas) - across * down)


def test_nothing_is_found_where_nobody_is(tmp_path: Path) -> None:
    files = at_hand("demo", tmp_path)
    assert files is not None
    path = tmp_path / "empty.png"
    Image.linear_gradient("L").convert("RGB").save(path)
    [(_, heads)] = detect_files(Detector(files, "cpu", 1), [(path, (256, 256))])
    assert not isinstance(heads, UnreadableError)
    assert [head for head in heads if head.score >= files.threshold] == []


def test_graph_equals_the_network() -> None:
    torch.manual_seed(0)
    finder = HeadFinder().eval()
    model: ModelProto = build(finder)
    pixels = np.random.default_rng(0).random((2, 3, 320, 320)).astype(np.float32)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (answer,) = session.run(["output0"], {"images": pixels})
    with torch.inference_mode():
        maps = finder(functional.avg_pool2d(torch.from_numpy(pixels), POOL))
    reach = functional.softplus(maps[:, :4]) * STRIDE * POOL
    at = (centres() * POOL).permute(2, 0, 1)
    left, top, right, bottom = reach.unbind(1)
    wanted = [at[0] + (right - left) / 2, at[1] + (bottom - top) / 2, left + right, top + bottom]
    wanted.append(maps[:, 4].sigmoid())
    expected = torch.stack(wanted, 1).reshape(2, 5, CELLS * CELLS).numpy()
    np.testing.assert_allclose(answer, expected, atol=0.05)
