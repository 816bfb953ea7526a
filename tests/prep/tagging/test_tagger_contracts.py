"""The public taggers' contracts, each against another way to the same input and the same answer.

The other way is written from what the models' pages say, with numpy and Pillow, and calls nothing
of ours: what goes into the model is compared value by value, and what comes out, too.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from prep.errors import UnreadableError
from prep.tagging.models.obtain import find
from prep.tagging.runtime.tagger import Tagger, run_files
from tests.prep.odd_pictures import odd_pictures, thin_pictures, upright_on_white
from tests.prep.tagging.layouts import (
    TAGS,
    VOCABULARY,
    Floats,
    Graph,
    Writer,
    grouped,
    make,
    table,
    text,
)

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
Mask = NDArray[np.bool_]
Given = tuple[Floats, Mask | None]
"""The input for a picture, channels first, and what of it is padding."""


def picture(path: Path) -> Image.Image:
    return Image.fromarray(upright_on_white(path).astype(np.uint8))


def planes(
    image: Image.Image | Floats, mean: Any = 0.0, std: Any = 1.0, scale: float = 255.0
) -> Floats:
    values = np.asarray(image, np.float64) / scale
    return np.asarray(((values - mean) / std).transpose(2, 0, 1))


def white_square(image: Image.Image, side: int) -> Image.Image:
    full = max(image.size)
    canvas = Image.new("RGB", (full, full), "white")
    canvas.paste(image, ((full - image.width) // 2, (full - image.height) // 2))
    return canvas.resize((side, side), Image.Resampling.BICUBIC)


def wd(path: Path) -> Given:
    return planes(white_square(picture(path), 448), scale=1.0)[::-1], None


def canary(path: Path) -> Given:
    return planes(white_square(picture(path), 448), 0.5, 0.5)[::-1], None


@functools.cache
def triangle(source: int, target: int) -> Floats:
    """Return the weights of antialiased bilinear scaling, shape (target, source)."""
    scale = source / target
    support = max(scale, 1.0)
    centres = (np.arange(target)[:, None] + 0.5) * scale
    distance = np.abs(np.arange(source)[None] + 0.5 - centres) / support
    found = np.clip(1 - distance, 0, None)
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def pixai_1(path: Path) -> Given:
    """Scale in floating point by min(1008 / height, 1008 / width), cut to whole pixels, black."""
    values = upright_on_white(path) / 255
    height, width = values.shape[:2]
    factor = min(1008 / height, 1008 / width)
    new = max(1, int(height * factor)), max(1, int(width * factor))
    scaled = np.einsum(
        "yh,hwc,xw->yxc", triangle(height, new[0]), values, triangle(width, new[1]), optimize=True
    )
    canvas = np.zeros((1008, 1008, 3))
    top, left = (1008 - new[0]) // 2, (1008 - new[1]) // 2
    canvas[top : top + new[0], left : left + new[1]] = scaled
    return planes(canvas, 0.5, 0.5, scale=1.0), None


def oppai(path: Path) -> Given:
    image = picture(path)
    factor = min(448 / image.width, 448 / image.height)
    size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    place = ((448 - size[0]) // 2, (448 - size[1]) // 2)
    canvas = Image.new("RGB", (448, 448), (114, 114, 114))
    canvas.paste(image.resize(size, Image.Resampling.LANCZOS), place)
    padding = np.ones((448, 448), bool)
    padding[place[1] : place[1] + size[1], place[0] : place[0] + size[0]] = False
    return planes(canvas, 0.5, 0.5), padding


def timm(path: Path) -> Given:
    """Fit into a white 512, shorter side to 384, the middle 384, ImageNet's colours."""
    image = picture(path)
    ratio = min(512 / image.width, 512 / image.height)
    size = max(1, round(image.width * ratio)), max(1, round(image.height * ratio))
    canvas = Image.new("RGB", (512, 512), "white")
    canvas.paste(
        image.resize(size, Image.Resampling.BILINEAR),
        ((512 - size[0]) // 2, (512 - size[1]) // 2),
    )
    return planes(canvas.resize((384, 384), Image.Resampling.BICUBIC), *IMAGENET), None


def timm_crop(path: Path) -> Given:
    """Shorter side to 72, the middle 64 of that."""
    image = picture(path)
    width, height = image.size
    size = (72, int(72 * height / width)) if width < height else (int(72 * width / height), 72)
    small = image.resize(size, Image.Resampling.BICUBIC)
    left, top = (size[0] - 64) // 2, (size[1] - 64) // 2
    return planes(small.crop((left, top, left + 64, top + 64)), *IMAGENET), None


def stretched(side: int) -> Callable[[Path], Given]:
    def given(path: Path) -> Given:
        small = picture(path).resize((side, side), Image.Resampling.BILINEAR)
        return planes(small, 0.5, 0.5), None

    return given


def stages(
    *pictures: Mapping[str, Any], mean: Any = IMAGENET[0], std: Any = IMAGENET[1]
) -> list[Any]:
    return [*pictures, {"type": "maybe_to_tensor"}, {"type": "normalize", "mean": mean, "std": std}]


def resize(size: Any, kernel: str = "bicubic") -> dict[str, Any]:
    more = {"max_size": None, "antialias": True}
    return {"type": "resize", "size": size, "interpolation": kernel, **more}


PADDED = {
    "type": "pad_to_size",
    "size": [512, 512],
    "background_color": "white",
    "interpolation": "bilinear",
}
CROP = {"type": "center_crop", "size": [384, 384]}
SMALL_CROP = {"type": "center_crop", "size": [64, 64]}
THRESHOLDS = "category,name,threshold\n0,general,0.3\n4,character,0.85\n"
FIRST = {"embedding": "embedding", "logits": "logits", "probabilities": "prediction"}
OPPAI_INPUT = {
    "image_size": 448,
    "pad_color_rgb": [114, 114, 114],
    "normalize_mean": [0.5, 0.5, 0.5],
    "normalize_std": [0.5, 0.5, 0.5],
}


@dataclass(frozen=True)
class Layout:
    """A kind of tagger: its model, its files, the name of its folder, and its input.

    ``few`` pictures will do if its pixels are those of another one.
    """

    graph: Graph
    files: tuple[Writer, ...]
    given: Callable[[Path], Given]
    folder: str = "some tagger"
    few: bool = False


ONE = {"logits": "logits"}
LAYOUTS = {
    "wd": Layout(
        Graph(448, "input", {"probabilities": "output"}, first=False, scale=0.01), (table(),), wd
    ),
    "canary": Layout(
        Graph(448, "input", {"probabilities": "output"}),
        (table(),),
        canary,
        "wd-eva02-tagger-2026-canary-onnx-v2",
    ),
    "pixai 1.0": Layout(Graph(1008, "pixel_values", ONE), (table(),), pixai_1),
    "pixai 1.0, weights apart": Layout(
        Graph(1008, "pixel_values", ONE, external=True),
        (text("tags.json", grouped()),),
        pixai_1,
        few=True,
    ),
    "oppai": Layout(
        Graph(448, "pixel_values", {"probabilities": "probabilities"}, mask="padding_mask"),
        (
            table([("<PAD>", 0), ("<UNK>", 0), *TAGS[2:]]),
            text("preprocessing.json", OPPAI_INPUT),
            text("pr_thresholds.json", {"per_tag": {"per_tag": {"tag_1": {"pr_threshold": 0.5}}}}),
        ),
        oppai,
    ),
    "timm": Layout(
        Graph(384, "input", FIRST),
        (
            table([(*tag, 0.4) for tag in TAGS], ["best_threshold"]),
            text("thresholds.csv", THRESHOLDS),
            text(
                "preprocess.json",
                {"test": stages(PADDED, resize(384), CROP), "val": [{"type": "of_training"}]},
            ),
        ),
        timm,
    ),
    "timm, cropped": Layout(
        Graph(64, "input", FIRST),
        (
            table(),
            text("thresholds.csv", THRESHOLDS),
            text("preprocess.json", {"test": stages(resize(72), SMALL_CROP)}),
        ),
        timm_crop,
    ),
    "pixai 0.9": Layout(
        Graph(448, "input", FIRST),
        (
            table([(*tag, "[]") for tag in TAGS], ["ips"]),
            text("thresholds.csv", THRESHOLDS),
            text(
                "preprocess.json",
                {"stages": stages(resize([448, 448], "bilinear"), mean=[0.5] * 3, std=[0.5] * 3)},
            ),
        ),
        stretched(448),
    ),
    "cl 2": Layout(
        Graph(384, "pixel_values", ONE, external=True),
        (text("model_vocabulary.json", VOCABULARY),),
        stretched(384),
    ),
}


class Watched:
    """A session that keeps the inputs it was given."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.given: list[Mapping[str, NDArray[Any]]] = []

    def run(self, names: list[str], inputs: Mapping[str, NDArray[Any]]) -> Any:
        self.given.append(inputs)
        return self._real.run(names, inputs)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("odd")
    found = [*list(odd_pictures(folder))[::5], *thin_pictures(folder)]
    assert len(found) >= 50
    return found


def usable(path: Path, name: str) -> bool:
    # Of a picture of 2000:1 the middle is cut out of 144,000 pixels: not the matter here.
    return name != "timm, cropped" or max(picture(path).size) < 1000


def checked(tagger: Tagger, layout: Layout, paths: list[Path]) -> Iterator[float]:
    """Check inputs and answers for each picture; yields the mean difference of the inputs."""
    session = tagger._session = Watched(tagger._session)
    for path, found in run_files(tagger, paths, batch=1, threads=1):
        wanted, padding = layout.given(path)
        assert not isinstance(found, UnreadableError)
        (tensor, *masks) = session.given.pop(0).values()
        seen = tensor[0] if layout.graph.first else tensor[0].transpose(2, 0, 1)
        assert seen.shape == wanted.shape, path
        difference = np.abs(seen - wanted)
        spread = 1.0 if layout.graph.first else 128.0
        assert difference.max() <= 0.025 * spread, path  # two levels of 255
        if padding is None:
            assert masks == []
        else:
            np.testing.assert_array_equal(masks[0][0], padding)
        logits = layout.graph.logits(wanted, padding, len(tagger.table))
        np.testing.assert_allclose(found.scores, 1 / (1 + np.exp(-logits)), atol=3e-3)
        yield float(difference.mean()) / spread


@pytest.mark.parametrize("name", LAYOUTS)
def test_inputs_and_scores_are_those_of_another_way(
    tmp_path: Path, pictures: list[Path], name: str
) -> None:
    layout = LAYOUTS[name]
    folder = make(tmp_path / layout.folder, layout.graph, *layout.files)
    tagger = Tagger(find(str(folder), tmp_path), "cpu", threads=1)
    paths = [path for path in pictures if usable(path, name)][:: 9 if layout.few else 1]
    assert len(paths) >= (5 if layout.few else 50)
    differences = list(checked(tagger, layout, paths))
    assert len(differences) == len(paths)
    assert np.mean(differences) < 1e-4


def test_whole_batches_give_what_single_pictures_give(tmp_path: Path, pictures: list[Path]) -> None:
    layout = LAYOUTS["oppai"]
    folder = make(tmp_path / "tagger", layout.graph, *layout.files)
    tagger = Tagger(find(str(folder), tmp_path), "cpu", threads=1)
    some = pictures[-9:]
    one, many = (
        [
            found.scores
            for _, found in run_files(tagger, some, batch=size)
            if not isinstance(found, UnreadableError)
        ]
        for size in (1, 4)
    )
    np.testing.assert_allclose(one, many, atol=1e-6)
    assert len(one) == 9
