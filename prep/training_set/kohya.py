"""The dataset file of kohya sd-scripts: folders, resolution and use of captions.

Only keys that sd-scripts accepts (``library/config_util.py``), since it refuses unknown ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tomlkit

from prep import captions
from prep.project import Concept, Project

_COMMENT = "Written by shikomi export, which replaces this file unless you change it."


@dataclass(frozen=True)
class ExportSubset:
    """One folder of the training set; ``folder`` and ``masks`` are written unchanged.

    Attributes:
        folder: Its images.
        concept: Its concept.
        masks: Folder of the masks, one per image; empty for none.
        alpha_mask: Its images have their masks in the alpha channel.
    """

    folder: str
    concept: Concept
    masks: str = ""
    alpha_mask: bool = False


def export_folder(concept: Concept) -> str:
    """Return the export folder of a concept: ``10_mychara``, or ``reg/1_class``.

    These names also work without the dataset file: ``--train_data_dir``, ``--reg_data_dir``.
    """
    name = f"{concept.repeats}_{concept.name}"
    return f"reg/{name}" if concept.settings.regularization else name


def dataset_toml(
    project: Project, subsets: Sequence[ExportSubset], batch_size: int, *, shuffle: bool
) -> str:
    """Return the text of ``dataset.toml``.

    The images are already cropped to their buckets; the bucket settings make the trainer find the
    same buckets again.
    """
    buckets = project.buckets
    dataset: dict[str, Any] = {
        "resolution": buckets.resolution[0],
        "batch_size": batch_size,
        "enable_bucket": True,
        "min_bucket_reso": buckets.minimum,
        "max_bucket_reso": buckets.maximum,
        "bucket_reso_steps": buckets.step,
        "bucket_no_upscale": buckets.no_upscale,
        "subsets": [_subset(subset) for subset in subsets],
    }
    general = {
        "caption_extension": project.settings.captions.extension,
        "shuffle_caption": shuffle,
    }
    return f"# {_COMMENT}\n" + tomlkit.dumps({"general": general, "datasets": [dataset]})


def _subset(subset: ExportSubset) -> dict[str, Any]:
    concept = subset.concept
    table: dict[str, Any] = {
        "image_dir": subset.folder,
        "num_repeats": concept.repeats,
        # The trigger word stays in front when tags are shuffled.
        "keep_tokens": len(captions.split(concept.trigger)),
    }
    if subset.masks:
        # sd-scripts has no class tokens here; captions contain the trigger word anyway.
        return table | {"conditioning_data_dir": subset.masks}
    table["class_tokens"] = concept.trigger or concept.name
    if subset.alpha_mask:
        table["alpha_mask"] = True
    return table | ({"is_reg": True} if concept.settings.regularization else {})
