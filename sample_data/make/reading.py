"""Reads images with the exported demo tagger, through onnxruntime, as any WD tagger is read.

This is a second, independent writing of the WD preprocessing: the scripts that judge the demo
world must not share mistakes with the product that they are data for.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from PIL import Image, ImageOps

from sample_data.make.augment import pad_to_square
from sample_data.make.tag_table import CHARACTER, GENERAL, Row, read
from sample_data.make.training import SAMPLE_DATA

SIDE = 448
THRESHOLDS = {GENERAL: 0.35, CHARACTER: 0.85}
BATCH = 16

Scores = npt.NDArray[np.float32]


def prepare(image: Image.Image) -> Scores:
    """Turn any image into the pixels that a WD tagger takes: 448 px, BGR, 0-255."""
    upright = ImageOps.exif_transpose(image).convert("RGBA")
    paper = Image.new("RGBA", upright.size, (255, 255, 255, 255))
    flat = Image.alpha_composite(paper, upright).convert("RGB")
    square = pad_to_square(flat).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(square, np.float32)[:, :, ::-1]


class Reader:
    """The demo tagger, loaded."""

    def __init__(self, folder: Path = SAMPLE_DATA / "tagger", threads: int = 1) -> None:
        """Load model and table."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.rows: list[Row] = read(folder / "selected_tags.csv")
        self.session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )

    def scores(self, images: Iterable[Image.Image]) -> Scores:
        """Return one row of probabilities per image."""
        pixels = np.stack([prepare(image) for image in images])
        parts = [
            self.session.run(["output"], {"input": pixels[start : start + BATCH]})[0]
            for start in range(0, len(pixels), BATCH)
        ]
        found: Scores = np.concatenate(parts)
        return found

    def tags(self, images: Iterable[Image.Image]) -> Iterator[set[str]]:
        """Yield the general and character tags found on each image."""
        for line in self.scores(images):
            yield {
                row.name
                for row, score in zip(self.rows, line, strict=True)
                if score >= THRESHOLDS.get(row.category, 2.0)
            }
