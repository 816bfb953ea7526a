"""Embeddings that taggers give beside their scores: kept once per content, in half precision."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prep import events
from prep.dataset.index import Index
from prep.dataset.values import score_blobs
from prep.dataset.values.embeddings import Embeddings, halves
from prep.ops import scan, tag
from prep.ops.tag import TagOptions
from prep.project import Project
from prep.tagging.models.obtain import find
from prep.tagging.runtime.tagger import Tagger
from tests.prep.tagging.layouts import TAGS, Graph, make, table, text

PROBABILITIES = {"probabilities": "prediction"}
STAGES = [
    {"type": "resize", "size": [32, 32], "interpolation": "bilinear"},
    {"type": "to_tensor"},
]


def tagger(folder: Path, outputs: dict[str, str]) -> Path:
    files = (table(), text("preprocess.json", {"test": STAGES}))
    return make(folder, Graph(32, "input", outputs), *files)


@pytest.fixture
def pictures(project: Project) -> Project:
    folder = project.dataset / "10_mochi"
    for number in range(5):
        Image.new("RGB", (40, 40), (50 * number, 200, 9)).save(folder / f"{number}.png")
    Image.new("RGB", (40, 40), (0, 200, 9)).save(folder / "again.png")
    list(scan.run(project))
    return project


def run(project: Project, model: Path) -> list[events.Event]:
    return list(tag.run(project, TagOptions(model=str(model), device="cpu", write="none")))


def stored(index: Index, number: int = 0) -> Embeddings:
    return Embeddings(index.connection, score_blobs.taggers(index.connection)[number].id)


def test_one_pass_keeps_scores_and_embeddings(pictures: Project) -> None:
    outputs = {"embedding": "embedding", "logits": "logits", **PROBABILITIES}
    model = tagger(pictures.root / "tagger", outputs)
    run(pictures, model)
    with Index(pictures) as index:
        kept = stored(index)
        rows = [row for row in index.select() if row.folder == "10_mochi"]
        contents = [row.content or "" for row in rows]
        assert kept.contents() == set(contents)
        assert len(kept.contents()) == 5  # of six files, two have the same bytes
        known, vectors = kept.load([*contents, "unknown", contents[0]])
        assert known == [*contents, contents[0]]
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
        # The features of the model are the mean colours of a grid.
        red = [50 * int(Path(row.path).stem[:1].replace("a", "0")) for row in rows]
        for vector, value in zip(vectors, red, strict=False):
            wanted = np.repeat([value, 200, 9], 16) / 255
            np.testing.assert_allclose(vector, wanted / np.linalg.norm(wanted), atol=1e-3)
        size = index.connection.execute("SELECT max(length(data)) FROM embeddings").fetchone()
        assert size == (2 * 48,)
        assert kept.load(["unknown"])[0] == []


def test_taggers_have_their_own(pictures: Project) -> None:
    both = {"embedding": "features", **PROBABILITIES}
    run(pictures, tagger(pictures.root / "one", PROBABILITIES))
    run(pictures, tagger(pictures.root / "two", both))
    with Index(pictures) as index:
        assert stored(index, 0).contents() == set()
        assert len(stored(index, 1).contents()) == 5


@pytest.mark.parametrize(
    ("outputs", "name"),
    [
        ({"embedding": "embedding", "logits": "logits", **PROBABILITIES}, "embedding"),
        ({"embedding": "Features", **PROBABILITIES}, "Features"),
        ({"embedding": "add_12", **PROBABILITIES}, "add_12"),  # one of two
        ({"embedding": "add_12", "logits": "logits", **PROBABILITIES}, ""),  # who knows
        (PROBABILITIES, ""),
        ({"logits": "logits", **PROBABILITIES}, ""),
    ],
)
def test_which_output_is_the_embedding(tmp_path: Path, outputs: dict[str, str], name: str) -> None:
    loaded = Tagger(find(str(tagger(tmp_path / "x", outputs)), tmp_path), "cpu", 1)
    assert loaded._contract.embedding == name
    found = loaded.outputs(np.zeros((3, 32, 32, 3), np.uint8))
    assert found.scores.shape == (3, len(TAGS))
    assert (found.embedding is None) == (not name)
    if found.embedding is not None:
        assert found.embedding.shape == (3, 48)


def test_a_batch_that_does_not_fit_keeps_its_embeddings_in_order(tmp_path: Path) -> None:
    outputs = {"embedding": "embedding", **PROBABILITIES}
    loaded = Tagger(find(str(tagger(tmp_path / "x", outputs)), tmp_path), "cpu", 1)
    pixels = np.arange(7, dtype=np.uint8)[:, None, None, None] * np.ones((1, 32, 32, 3), np.uint8)
    whole = loaded.outputs(pixels)
    loaded.most = 2
    parts = loaded.outputs(pixels)
    assert whole.embedding is not None
    assert parts.embedding is not None
    np.testing.assert_allclose(parts.embedding, whole.embedding)
    np.testing.assert_allclose(whole.embedding[:, 0] * 255, np.arange(7), atol=1e-4)


def test_what_is_too_large_for_half_precision_stays_a_number() -> None:
    found = halves([np.array([1e9, -1e9, 0.5], np.float32)])
    assert np.isfinite(found).all()
    assert found[0, 0] == -found[0, 1] == np.finfo(np.float16).max
    assert halves([]).shape == (0, 0)
