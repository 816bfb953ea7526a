"""Stage lists of ``preprocess.json``: understood as dghs-imgutils means them, or refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from prep.errors import UserError
from prep.tagging.models.layouts import resolved
from prep.tagging.models.records import PIXAI, TIMM, Record
from prep.tagging.models.stages import output_size, understand
from prep.tagging.runtime.staged import staged

TENSOR: dict[str, Any] = {"type": "to_tensor"}
NORMAL: dict[str, Any] = {"type": "normalize", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
CROP: dict[str, Any] = {"type": "center_crop", "size": [8, 8]}


def resize(size: Any, **more: Any) -> dict[str, Any]:
    return {"type": "resize", "size": size, **more}


def seen(image: Image.Image, *stages: dict[str, Any]) -> Image.Image:
    return staged(image, understand([*stages, TENSOR], "preprocess.json").pictures)


def slope(size: tuple[int, int]) -> Image.Image:
    """Return a picture whose red is the column and whose green is the row."""
    values = np.zeros((size[1], size[0], 3), np.uint8)
    values[..., 0], values[..., 1] = np.arange(size[0]), np.arange(size[1])[:, None]
    return Image.fromarray(values)


@pytest.mark.parametrize(
    ("stages", "fault"),
    [
        ([{"type": "random_crop", "size": 8}, TENSOR], r"stage 1 \(random_crop\): unknown stage"),
        ([{"size": 8}, TENSOR], "stage 1: unknown stage None; known: pad_to_size, resize"),
        (["resize"], "stage 1: unknown stage"),
        ([resize(8, fill=3), TENSOR], r"stage 1 \(resize\): unknown parameter fill \(known: size"),
        (
            [TENSOR, {**NORMAL, "inplace": True}],
            r"stage 2 \(normalize\): unknown parameter inplace",
        ),
        ([{"type": "maybe_to_tensor", "dtype": "f"}], "unknown parameter dtype .known: none"),
        ([{"type": "resize"}, TENSOR], "parameter size is missing"),
        ([resize(8, interpolation="area"), TENSOR], "interpolation: 'area' is not supported"),
        ([resize([8, 8, 8]), TENSOR], "size: .* is not supported"),
        ([resize(0), TENSOR], "size: 0 is not supported"),
        ([resize([8, 8], max_size=9), TENSOR], "max_size goes only with the size of the shorter"),
        ([{"type": "pad_to_size", "size": 8, "background_color": "mauvish"}], "background_color"),
        (
            [{"type": "convert_rgb", "force_background": "black"}, TENSOR],
            "'black' is not supported",
        ),
        ([TENSOR, CROP], r"stage 2 \(center_crop\): it works on a picture, but stands behind"),
        ([NORMAL, TENSOR], "it works on a tensor, but stands before to_tensor"),
        ([TENSOR, TENSOR], r"stage 2 \(to_tensor\): there are two of it"),
        ([TENSOR, NORMAL, NORMAL], r"stage 3 \(normalize\): there are two of it"),
        ([TENSOR, NORMAL, {"type": "rescale"}], "it stands behind normalize"),
        ([TENSOR, {**NORMAL, "std": [0, 1, 1]}], "std: 0 is not supported"),
        ([CROP], "there is no to_tensor"),
        ([], "has no list of stages"),
        ({"type": "resize"}, "has no list of stages"),
        (None, "has no list of stages"),
    ],
)
def test_what_is_unknown_is_refused_by_name(stages: Any, fault: str) -> None:
    with pytest.raises(UserError, match=rf"preprocess\.json.*{fault}") as caught:
        understand(stages, "preprocess.json")
    assert "tagger.toml" in caught.value.hint


def test_values_are_scaled_as_the_stages_say() -> None:
    plain = understand([TENSOR], "")
    assert (plain.divide, plain.mean, plain.std) == (255, (0, 0, 0), (1, 1, 1))
    one = understand([TENSOR, {"type": "normalize", "mean": 0.5, "std": [0.25]}], "")
    assert (one.mean, one.std) == ((0.5,) * 3, (0.25,) * 3)
    again = understand([{"type": "maybe_to_tensor"}, {"type": "rescale", "rescale_factor": 2}], "")
    assert again.divide == 127.5
    twice = [{"type": "maybe_to_tensor"}, {"type": "maybe_to_tensor"}]
    assert understand(twice, "").divide == 255


@pytest.mark.parametrize(
    ("full", "stage", "size"),
    [
        ((20, 10), resize(5), (10, 5)),
        ((10, 21), resize([5]), (5, 10)),  # 10.5, cut
        ((20, 10), resize([6, 4]), (4, 6)),  # height and width
        ((40, 10), resize(5, max_size=12), (12, 3)),
        ((10, 40), resize(5, max_size=12), (3, 12)),
        ((900, 1), resize(1), (900, 1)),
        ((20, 10), {"type": "pad_to_size", "size": [30, 16]}, (30, 16)),  # width and height
        ((5, 30), {"type": "center_crop", "size": [8, 9]}, (9, 8)),
        ((30, 5), {"type": "center_crop", "size": 7}, (7, 7)),
    ],
)
def test_sizes(full: tuple[int, int], stage: dict[str, Any], size: tuple[int, int]) -> None:
    assert seen(slope(full), stage).size == size
    pictures = understand([stage, TENSOR], "").pictures
    fixed = stage["type"] != "resize" or len(np.atleast_1d(stage["size"])) == 2
    assert output_size(pictures) == (size if fixed else None)


def test_the_middle_is_cut_out_and_what_is_missing_is_black() -> None:
    cut = np.asarray(seen(slope((21, 14)), {"type": "center_crop", "size": [7, 10]}))
    assert cut[0, 0].tolist() == [5, 3, 0]  # (21 - 10) // 2, (14 - 7) // 2
    bright = Image.new("RGB", (4, 9), (255, 255, 255))
    filled = np.asarray(seen(bright, {"type": "center_crop", "size": [9, 9]}))
    assert (filled[:, 2:6] == 255).all()
    assert (filled[:, :2] == 0).all()
    assert (filled[:, 6:] == 0).all()


@pytest.mark.parametrize("colour", ["white", 255, [255, 255, 255], [255, 255, 255, 255], "#fff"])
def test_padding_keeps_the_aspect_ratio(colour: Any) -> None:
    stage = {"type": "pad_to_size", "size": 12, "background_color": colour}
    padded = np.asarray(seen(Image.new("RGB", (30, 10), (9, 9, 9)), stage))
    assert (padded[4:8] == 9).all()
    assert (padded[:4] == 255).all()
    assert (padded[8:] == 255).all()


def test_without_antialiasing_shrinking_drops_pixels() -> None:
    stripes = Image.fromarray(np.indices((64, 64)).sum(0).astype(np.uint8) % 2 * 255).convert("RGB")
    smooth = np.asarray(seen(stripes, resize([4, 4], antialias=True)))
    rough = np.asarray(seen(stripes, resize([4, 4], antialias=False)))
    assert np.ptp(smooth) < 16
    assert not np.array_equal(smooth, rough)
    assert np.array_equal(smooth, np.asarray(seen(stripes, resize([4, 4], antialias="warn"))))


def described(folder: Path, content: Any, record: Record = TIMM) -> Record:
    file = folder / record.preprocess
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return resolved(record, folder)


def test_the_list_for_users_counts(tmp_path: Path) -> None:
    test, other = [resize(8), CROP, TENSOR], [{"type": "unheard_of"}]
    found = described(tmp_path, {"val": other, "test": test})
    assert len(found.stages) == 2
    assert described(tmp_path, {"stages": test}) == found
    assert described(tmp_path, {"val": test}) == found
    assert described(tmp_path, test) == found
    with pytest.raises(UserError, match="unheard_of"):
        described(tmp_path, {"val": test, "test": other})


def test_pixai_is_still_what_it_was(tmp_path: Path) -> None:
    """Its scores are kept under a key that contains how pixels are made."""
    stages = [resize([448, 448], interpolation="bilinear", max_size=None, antialias=True), TENSOR]
    found = described(tmp_path, {"stages": [*stages, NORMAL]})
    assert found.pixel_key() == PIXAI.pixel_key()
    small = described(tmp_path, {"stages": [resize([320, 320]), TENSOR, NORMAL]})
    assert (small.fit, small.side, small.stages) == ("stretch", 320, ())
    assert described(tmp_path, {"stages": [resize(448), TENSOR, NORMAL]}).stages != ()


def test_scores_are_kept_by_what_the_stages_do(tmp_path: Path) -> None:
    lists = (
        [CROP, TENSOR],
        [resize([8, 8], antialias=False), TENSOR],
        [{"type": "pad_to_size", "size": [8, 8]}, TENSOR],
        [CROP, TENSOR, NORMAL],
        [CROP, CROP, TENSOR],
        [CROP, TENSOR, {"type": "rescale", "rescale_factor": 2}],
    )
    keys = {described(tmp_path, stages).pixel_key() for stages in lists}
    assert len(keys) == len(lists)
    assert described(tmp_path, [{"type": "convert_rgb"}, CROP, TENSOR]).pixel_key() in keys


@pytest.mark.parametrize("content", ["{", "[1", "", "\xff"])
def test_what_is_no_json_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(UserError, match=r"preprocess\.json cannot be read"):
        described(tmp_path, content)
