"""The tagger over models with the public contract, and over models that break it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prep import demo_world
from prep.errors import UnreadableError, UserError
from prep.tagging.models.obtain import find
from prep.tagging.runtime.tagger import Tagger, score_files
from tests.prep.tiny_taggers import SIDE, TAGS, Tag, make_tagger

NAMES = [tag.name for tag in TAGS]


def load(folder: Path) -> Tagger:
    return Tagger(find(str(folder), folder), "cpu", threads=1)


def colours(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{number:02}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.new("RGB", (20, 20), (10 * number, 255 - 10 * number, 0)).save(path)
    return paths


@pytest.mark.parametrize(
    ("batch", "name"), [("batch_size", "input"), (1, "input_1:0"), (4, "input_1:0")]
)
@pytest.mark.parametrize("asked", [0, 1, 3, 16])
def test_free_and_fixed_batches_give_the_same_scores(
    tmp_path: Path, batch: int | str, name: str, asked: int
) -> None:
    tagger = load(make_tagger(tmp_path / "tagger", batch=batch, input_name=name))
    paths = colours(tmp_path, 10)
    found = list(score_files(tagger, paths, batch=asked, threads=2))
    assert [path for path, _ in found] == paths
    for number, (_, scores) in enumerate(found):
        assert not isinstance(scores, UnreadableError)
        assert scores.dtype == np.float32
        assert scores[NAMES.index("red_sky")] == pytest.approx(number * 10 / 255, abs=1e-5)
        assert scores[NAMES.index("green_sky")] == pytest.approx(1 - number * 10 / 255, abs=1e-5)
        assert scores[NAMES.index("blue_sky")] == 0


def test_broken_files_come_in_their_place_also_when_all_are(tmp_path: Path) -> None:
    tagger = load(make_tagger(tmp_path / "tagger"))
    paths = colours(tmp_path, 5)
    paths[1].write_bytes(b"")
    paths[3].unlink()
    found = list(score_files(tagger, paths, batch=2))
    assert [isinstance(scores, UnreadableError) for _, scores in found] == [0, 1, 0, 1, 0]
    assert all(isinstance(s, UnreadableError) for _, s in score_files(tagger, paths[1:4:2]))
    assert list(score_files(tagger, [])) == []


def test_closing_early_ends_the_decoding(tmp_path: Path) -> None:
    tagger = load(make_tagger(tmp_path / "tagger"))
    scored = score_files(tagger, iter(colours(tmp_path, 20)))
    next(scored)
    scored.close()
    assert list(scored) == []


def test_the_side_is_the_models_and_448_when_it_leaves_it_open(tmp_path: Path) -> None:
    assert load(make_tagger(tmp_path / "small")).side == SIDE
    assert load(make_tagger(tmp_path / "open", shape=("height", "width", 3))).side == 448


def test_a_table_of_another_model_is_refused_with_both_numbers(tmp_path: Path) -> None:
    folder = make_tagger(tmp_path / "mixed", listed=TAGS[:-2])
    with pytest.raises(UserError, match=rf"{len(TAGS)} outputs.* lists {len(TAGS) - 2} tags"):
        load(folder)


def test_a_channels_first_model_is_refused(tmp_path: Path) -> None:
    folder = make_tagger(tmp_path / "nchw", shape=("channels", "height", "width"))
    with pytest.raises(UserError, match="not a WD tagger: it takes input") as caught:
        load(folder)
    assert "side x 3" in caught.value.hint


def test_a_corrupt_model_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = make_tagger(tmp_path / "broken")
    (folder / "model.onnx").write_bytes(b"\x08\x08\x12 not an ONNX model")
    with pytest.raises(UserError, match=r"model\.onnx cannot be loaded") as caught:
        load(folder)
    assert "\n" not in caught.value.message


def test_a_git_lfs_pointer_is_recognised(tmp_path: Path) -> None:
    folder = make_tagger(tmp_path / "pointer")
    (folder / "model.onnx").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(UserError) as caught:
        load(folder)
    assert "git lfs pull" in caught.value.hint


def test_cuda_is_refused_where_it_does_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prep.tagging.runtime.providers._DRIVER", "libno-such-driver.so.1")
    files = find(str(make_tagger(tmp_path / "tagger")), tmp_path)
    with pytest.raises(UserError, match="CUDA cannot be used: no NVIDIA driver") as caught:
        Tagger(files, "cuda")
    assert "--device cpu" in caught.value.hint


def test_logits_are_not_taken_for_probabilities(tmp_path: Path) -> None:
    folder = make_tagger(tmp_path / "tagger")
    tagger = load(folder)

    class Logits:
        def run(self, *_: object) -> list[list[list[float]]]:
            return [[[-3.0] * len(TAGS)]]

    tagger._session = Logits()
    with pytest.raises(UserError, match="does not give probabilities"):
        tagger.scores(np.zeros((1, SIDE, SIDE, 3), np.uint8))


def test_a_failing_run_names_the_model(tmp_path: Path) -> None:
    tagger = load(make_tagger(tmp_path / "tagger"))
    with pytest.raises(UserError, match=r"model\.onnx failed"):
        tagger.scores(np.zeros((1, SIDE + 1, SIDE, 3), np.uint8))


def test_one_tag_is_enough(tmp_path: Path) -> None:
    folder = make_tagger(tmp_path / "one", tags=(Tag("red", 0, red=1.0),))
    ((_, scores),) = score_files(load(folder), colours(tmp_path, 1))
    assert not isinstance(scores, UnreadableError)
    assert scores.tolist() == [0.0]


def test_the_demo_tagger_sees_what_is_drawn() -> None:
    files = find("demo", Path())
    assert files.name == "demo tagger"
    assert files.model == demo_world.tagger() / "model.onnx"
    tagger = Tagger(files, "cpu", threads=1)
    assert tagger.side == 448
    assert len(tagger.table.ratings) == 4
