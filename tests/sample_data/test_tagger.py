"""The demo tagger's file: WD v3's contract, and the graph computes what was trained."""

import random
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import ModelProto
from torch.nn import functional

from sample_data.make.reading import Reader, prepare
from sample_data.make.tagger import POOL, Tagger
from sample_data.make.tagger_export import build
from sample_data.make.world import draw, sample_scene, tags

FOLDER = Path(__file__).parents[2] / "sample_data" / "tagger"


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(FOLDER)


def test_contract(reader: Reader) -> None:
    (given,), (answered,) = reader.session.get_inputs(), reader.session.get_outputs()
    assert (given.name, given.shape) == ("input", ["batch_size", 448, 448, 3])
    assert (answered.name, answered.shape) == ("output", ["batch_size", len(reader.rows)])
    assert (given.type, answered.type) == ("tensor(float)", "tensor(float)")


def test_reads_drawings_and_rates_them_general(reader: Reader) -> None:
    rng = random.Random("unseen")
    scenes = [sample_scene(rng) for _ in range(24)]
    pictures = [draw(scene, (200, 240)) for scene in scenes]
    scores = reader.scores(pictures)
    assert scores[:, :4].argmax(axis=1).max() == 0
    pairs = list(zip(scenes, reader.tags(pictures), strict=True))
    hits = sum(len(found & set(tags(scene))) for scene, found in pairs)
    assert hits / sum(len(tags(scene)) for scene, _ in pairs) > 0.9


def test_graph_equals_the_network() -> None:
    torch.manual_seed(0)
    tagger = Tagger(outputs=9).eval()
    model: ModelProto = build(tagger)
    pixels = np.stack([prepare(draw(sample_scene(random.Random(k)), (100, 80))) for k in range(3)])
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (answer,) = session.run(["output"], {"input": pixels})
    small = functional.avg_pool2d(torch.from_numpy(pixels).permute(0, 3, 1, 2), POOL)
    with torch.inference_mode():
        wanted = torch.sigmoid(tagger(small)).numpy()
    np.testing.assert_allclose(answer, wanted, atol=5e-3)
