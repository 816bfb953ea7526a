"""``images.json`` of a job: what the run knows about its images, for ``shikomi doctor``."""

import json
from collections import Counter
from typing import Any

from prep.system.files import write_text
from train.lora.metadata import tag_frequency
from train.run.ledger import ImageLosses
from train.run.prepare import Training
from train.settings.validation import IMAGES_FILE


def write_images(training: Training) -> None:
    """Write the losses of the images up to this step, and the tags that their captions have."""
    images = [image for image in training.schedule.images if not image.regularization]
    body = {
        "step": training.counters.step,
        "steps": training.schedule.steps,
        "images": [_row(training, entry) for entry in training.ledger.entries()],
        "folders": Counter(image.folder for image in images),
        "tags": tag_frequency(tuple(images)),
    }
    write_text(training.job.directory / IMAGES_FILE, json.dumps(body, ensure_ascii=False) + "\n")


def _row(training: Training, entry: ImageLosses) -> dict[str, Any]:
    return {
        "path": training.relative(entry.image.path),
        "folder": entry.image.folder,
        "regularization": entry.image.regularization,
        "exposures": entry.exposures,
        "rated": entry.rated,
        "relative": entry.relative,
        "spread": entry.spread,
        "first": entry.first,
        "last": entry.last,
    }
