"""The contract of head detectors: all forms of answers, against an implementation of its own."""

import io
import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from prep.errors import UnreadableError, UserError
from prep.tagging.models.detectors import DetectorFiles, at_hand, names_in, obtain
from prep.tagging.runtime.detector import (
    Boxes,
    Detector,
    FileHeads,
    detect_files,
    without_overlaps,
)
from tests.prep.model_hub import ModelHub
from tests.prep.tiny_detectors import SIDE, Form, make_detector

SIZES = ((64, 64), (120, 80), (80, 120), (200, 10), (10, 200), (16, 16), (333, 217), (101, 103))


def found_by(folder: Path, **options: Any) -> Detector:
    files = at_hand(str(folder), folder)
    assert files is not None
    return Detector(files, "cpu", 1, **options)


def with_red(size: tuple[int, int], corners: tuple[float, ...], mode: str = "RGB") -> Image.Image:
    """Draw a picture with a red part, given as fractions."""
    image = Image.new("RGB", size, (30, 90, 60))
    left, top, right, bottom = (round(share * size[n % 2]) for n, share in enumerate(corners))
    ImageDraw.Draw(image).rectangle((left, top, right - 1, bottom - 1), fill=(250, 10, 20))
    if mode == "P":
        return image.quantize(16)
    return image.convert(mode)


def odd_pictures(folder: Path) -> list[Path]:
    """Write pictures of all shapes and modes, turned ones, and such in which nothing is red."""
    found: list[Path] = []

    def save(image: Image.Image, suffix: str, **more: Any) -> None:
        path = folder / f"{len(found):02}{suffix}"
        image.save(path, **more)
        found.append(path)

    for size in SIZES:
        save(with_red(size, (0.25, 0.125, 0.75, 0.5)), ".png")
        save(with_red(size, (0.0, 0.0, 0.5, 0.6)), ".png")
        save(with_red(size, (0.5, 0.4, 1.0, 1.0), "RGBA"), ".png")
        save(with_red(size, (0.1, 0.2, 0.9, 0.8), "CMYK"), ".jpg", quality=95)
        save(with_red(size, (0.3, 0.3, 0.6, 0.7), "P"), ".png")
        save(with_red(size, (0.25, 0.25, 0.5, 0.5), "L"), ".png")
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = turn
        save(with_red((90, 60), (0.1, 0.2, 0.4, 0.7)), ".png", exif=exif)
    hole = with_red((80, 80), (0.2, 0.2, 0.8, 0.8), "RGBA")
    hole.putalpha(Image.linear_gradient("L").resize((80, 80)))
    save(hole, ".png")
    save(with_red((60, 40), (0.2, 0.2, 0.8, 0.8)), ".webp", lossless=True)
    return found


# ---- an independent implementation -------------------------------------------------------


def reference(session: Any, path: Path, form: Form) -> list[list[float]]:
    """Return [left, top, right, bottom, score] in pixels of the upright picture, step by step."""
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened)
        if image.mode in ("RGBA", "P") and "transparency" not in image.info:
            canvas = Image.new("RGBA", image.size, "white")
            canvas.alpha_composite(image.convert("RGBA"))
            image = canvas
        image = image.convert("RGB")
    width, height = image.size
    if form == "rtdetr":
        square, scale_x, scale_y, left, top = image.resize((SIDE, SIDE), 2), 0.0, 0.0, 0, 0
        scale_x, scale_y = SIDE / width, SIDE / height
    else:
        scale = min(SIDE / width, SIDE / height)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        left, top = int((SIDE - size[0]) / 2), int((SIDE - size[1]) / 2)
        square = Image.new("RGB", (SIDE, SIDE), (114, 114, 114))
        square.paste(image.resize(size, Image.Resampling.BILINEAR), (left, top))
        scale_x, scale_y = size[0] / width, size[1] / height
    pixels = np.asarray(square, np.float32).transpose(2, 0, 1)[None] / np.float32(255)
    fixed = session.get_inputs()[0].shape[0]
    if isinstance(fixed, int):
        pixels = np.repeat(pixels, fixed, axis=0)
    (answer,) = session.run(["output0"], {"images": pixels})
    return [
        [
            min(max((x - left) / scale_x, 0), width),
            min(max((y - top) / scale_y, 0), height),
            min(max((far - left) / scale_x, 0), width),
            min(max((low - top) / scale_y, 0), height),
            score,
        ]
        for x, y, far, low, score in _best(answer[0], form)
    ]


def _best(answer: NDArray[Any], form: Form) -> list[tuple[float, ...]]:
    rows = answer.T if form == "yolo" else answer
    boxes = []
    for row in rows.tolist():
        if form == "end-to-end":
            boxes.append((*row[:4], row[4]))
        else:
            x, y, w, h, score = (v * SIDE if form == "rtdetr" and n < 4 else v
                                 for n, v in enumerate(row))  # fmt: skip
            boxes.append((x - w / 2, y - h / 2, x + w / 2, y + h / 2, score))
    kept: list[tuple[float, ...]] = []
    for box in sorted((b for b in boxes if b[4] >= 0.1), key=lambda b: -b[4]):
        if all(_overlap(box, other) <= 0.5 for other in kept):
            kept.append(box)
    return kept


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    across = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    down = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (one, other)]
    return across * down / (sum(areas) - across * down)


@pytest.mark.parametrize("form", get_args(Form))
@pytest.mark.parametrize("batch", ["batch", 1, 4])
def test_heads_are_those_of_an_independent_implementation(
    form: Form, batch: int | str, tmp_path: Path
) -> None:
    folder = make_detector(tmp_path / "model", form, batch=batch)
    paths = odd_pictures(tmp_path)
    assert len(paths) > 50
    sizes = [_upright(path) for path in paths]
    detector = found_by(folder)
    assert detector.fixed == (batch if isinstance(batch, int) else 0)
    results = list(detect_files(detector, zip(paths, sizes, strict=True), batch=7, threads=2))
    with_heads, session = 0, onnxruntime.InferenceSession(str(folder / "model.onnx"))
    for path, size, (seen, heads) in zip(paths, sizes, results, strict=True):
        assert seen == path
        assert not isinstance(heads, UnreadableError)
        expected = reference(session, path, form)
        assert len(heads) == len(expected), path
        for head, (left, top, right, bottom, score) in zip(heads, expected, strict=True):
            with_heads += 1
            box = head.box
            corners = (box.x, box.y, box.x + box.width, box.y + box.height)
            pixels = [share * size[n % 2] for n, share in enumerate(corners)]
            assert pixels == pytest.approx([left, top, right, bottom], abs=0.01), path
            assert head.score == pytest.approx(score)
    assert with_heads > 40  # grey ones have none


def _upright(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).size


def test_boxes_are_where_the_red_is(tmp_path: Path) -> None:
    """What the reference shares with us could be wrong in both: here the truth is drawn."""
    for form in get_args(Form):
        detector = found_by(make_detector(tmp_path / form, form))
        for size in ((640, 320), (320, 640), (128, 128)):
            path = tmp_path / "picture.png"
            with_red(size, (0.25, 0.125, 0.75, 0.5)).save(path)
            [(_, heads)] = detect_files(detector, [(path, size)])
            assert not isinstance(heads, UnreadableError)
            [head] = heads
            found = (head.box.x, head.box.y, head.box.width, head.box.height)
            assert found == pytest.approx((0.25, 0.125, 0.5, 0.375), abs=1.5 / 32)


def test_overlapping_boxes_are_one_head() -> None:
    rng = np.random.default_rng(1)
    corner = rng.uniform(0, 60, (400, 2))
    corners = np.concatenate([corner, corner + rng.uniform(5, 30, (400, 2))], 1).astype(np.float32)
    scores = rng.uniform(0.1, 1, 400).astype(np.float32)
    found = without_overlaps(Boxes(corners, scores))
    rows = [(*box, score) for box, score in zip(corners.tolist(), scores.tolist(), strict=True)]
    kept: list[tuple[float, ...]] = []
    for row in sorted(rows, key=lambda r: -r[4]):
        if all(_overlap(row, other) <= 0.5 for other in kept):
            kept.append(row)
    expected = kept[:300]
    assert 100 < len(expected) < 299
    assert found.corners.tolist() == [list(row[:4]) for row in expected]
    assert found.scores.tolist() == [row[4] for row in expected]


def test_names_say_which_boxes_are_heads(tmp_path: Path) -> None:
    path, size = tmp_path / "picture.png", (64, 64)
    with_red(size, (0.2, 0.2, 0.8, 0.8)).save(path)
    names = ("face", "Anime Head", "hand")

    def count(detector: Detector) -> int:
        [(_, heads)] = detect_files(detector, [(path, size)])
        assert not isinstance(heads, UnreadableError)
        return len(heads)

    for form in get_args(Form):
        for number, expected in ((0, 0), (1, 1), (2, 0)):
            folder = make_detector(tmp_path / f"{form} {number}", form, names=names, head=number)
            assert count(found_by(folder)) == expected, (form, number)
    two = make_detector(tmp_path / "two", "rtdetr", names=("head", "tail"))
    [(_, heads)] = detect_files(found_by(two), [(path, size)])
    assert not isinstance(heads, UnreadableError)
    [head] = heads  # six columns, as those of an end-to-end model
    assert (head.box.x, head.box.width) == pytest.approx((0.2, 0.6), abs=0.02)
    noted = {"names": "{0: 'face', 1: \"Anime Head\", 2: 'hand'}", "imgsz": "[64, 64]"}
    told = make_detector(
        tmp_path / "told", names=names, head=1, labels=False, metadata=noted, side="any"
    )
    detector = found_by(told)
    assert detector.recipe.side == 64
    assert count(detector) == 1
    with pytest.raises(UserError, match="finds no heads, but: face, hand"):
        found_by(make_detector(tmp_path / "faces", names=("face", "hand")))


def test_models_of_other_kinds_are_named(tmp_path: Path) -> None:
    two = make_detector(tmp_path / "two")
    (two / "labels.json").write_text('["head", "head 2"]')
    path = tmp_path / "picture.png"
    with_red((64, 64), (0.2, 0.2, 0.8, 0.8)).save(path)
    with pytest.raises(UserError, match="an answer of 5 x 3 does not fit 2 names"):
        list(detect_files(found_by(two), [(path, (64, 64))]))
    (two / "labels.json").write_text('{"0": "head"}')
    with pytest.raises(UserError, match="is not a list of names"):
        found_by(two)
    (two / "labels.json").write_text(" " * 70_000)
    with pytest.raises(UserError, match="cannot be read"):
        found_by(two)
    (two / "labels.json").unlink()
    (two / "model.onnx").write_bytes(b"no model")
    with pytest.raises(UserError, match="cannot be loaded"):
        found_by(two)


def test_scores_are_probabilities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = found_by(make_detector(tmp_path / "model"))
    answer = np.zeros((1, 5, 3), np.float32)
    monkeypatch.setattr(detector, "_run", lambda tensor: answer)
    pixels = np.zeros((1, SIDE, SIDE, 3), np.uint8)
    answer[0, :, 0] = (np.nan, 5, 4, 4, 0.9)
    answer[0, :, 1] = (8, 8, 4, 4, np.nan)
    answer[0, :, 2] = (62, 8, 8, 4, 0.5)
    [[head]] = detector.heads(pixels, [(64, 64)])
    assert (head.box.x, head.box.width, head.score) == (58 / 64, 6 / 64, 0.5)  # cut at the edge
    answer[0, 4, 2] = 3.5
    with pytest.raises(UserError, match="not probabilities"):
        detector.heads(pixels, [(64, 64)])


def test_memory_that_runs_out_makes_batches_smaller(tmp_path: Path) -> None:
    detector = found_by(make_detector(tmp_path / "model"))
    session, sizes = detector._session, list[int]()

    class Small:
        def run(self, names: Any, inputs: dict[str, NDArray[Any]]) -> Any:
            sizes.append(len(inputs["images"]))
            if sizes[-1] > 2:
                raise RuntimeError("Failed to allocate memory for requested buffer")
            return session.run(names, inputs)

    detector._session, detector.batch = Small(), 8
    pixels = np.zeros((6, SIDE, SIDE, 3), np.uint8)
    pixels[4, 10:20, 10:30] = (255, 0, 0)
    heads = detector.heads(pixels, [(SIDE, SIDE)] * 6)
    assert [len(found) for found in heads] == [0, 0, 0, 0, 1, 0]
    assert (sizes, detector.batch) == ([6, 3, 2, 2, 2], 2)


def test_what_cannot_be_read_is_told_in_its_place(tmp_path: Path) -> None:
    detector = found_by(make_detector(tmp_path / "model"))
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    with_red((64, 64), (0.2, 0.2, 0.8, 0.8)).save(good)
    bad.write_bytes(good.read_bytes()[:60])
    files = [(path, (64, 64)) for path in (bad, good, bad)]
    results = list(detect_files(detector, files, batch=2))
    kinds = [isinstance(found, UnreadableError) for _, found in results]
    assert kinds == [True, False, True]
    assert results[1] == FileHeads(good, results[1].found)


# ---- where it comes from -----------------------------------------------------------------


def test_files_beside_the_model_describe_it(tmp_path: Path) -> None:
    folder = make_detector(tmp_path / "mine", threshold=0.37)
    files = at_hand("mine", tmp_path)
    assert files == DetectorFiles("mine", folder / "model.onnx")
    assert (files.threshold, files.labels, files.rtdetr) == (0.37, ("head",), False)
    assert at_hand(str(folder / "model.onnx"), tmp_path) == DetectorFiles("model", files.model)
    key = files.key()
    (folder / "threshold.json").write_text(json.dumps({"threshold": "high"}))
    assert files.threshold == 0.4  # nothing usable: the usual one
    assert files.key() == key  # which changes no answer
    (folder / "labels.json").write_text('["face", "head"]')
    assert files.key() != key
    assert at_hand("nowhere", tmp_path) is None
    with pytest.raises(UserError, match="There is no head detector nowhere"):
        list(obtain("nowhere", tmp_path))


def test_names_that_exporters_note() -> None:
    assert names_in("{0: 'head'}") == ("head",)
    assert names_in('{"0": "head", "1": "it\'s"}') == ("head", "it's")
    assert names_in("[" * 5000) == ()


def test_a_detector_on_the_hub_is_downloaded_once(hub: ModelHub, tmp_path: Path) -> None:
    from prep import events

    folder = make_detector(tmp_path / "made")
    kept = {f"small/{path.name}": path.read_bytes() for path in folder.iterdir()}
    data = io.BytesIO(b"another")
    hub.add("x/heads", {**kept, "large/model.onnx": data.getvalue()})
    assert at_hand("x/heads/small", tmp_path) is None
    assert hub.requests == []
    work, told = obtain("x/heads/small", tmp_path), list[events.Downloading]()
    files = None
    try:
        while True:
            event = next(work)
            told += [event] if isinstance(event, events.Downloading) else []
    except StopIteration as end:
        files = end.value
    [downloading] = told
    assert downloading.bytes == sum(map(len, kept.values()))
    assert files.labels == ("head",)
    assert files.threshold == 0.5
    hub.requests.clear()
    assert at_hand("x/heads/small", tmp_path) == files
    assert hub.requests == []
    with pytest.raises(UserError, match="it has large, small"):
        list(obtain("x/heads", tmp_path))
