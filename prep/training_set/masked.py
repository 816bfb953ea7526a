"""Masks in a training set for sd-scripts: in the alpha channel, or in a folder.

Source (``library/config_util.py``, ``library/train_util.py``): ``alpha_mask`` works for single
subsets and needs no flag. ``conditioning_data_dir`` needs ``--masked_loss``, must be given for all
subsets of a dataset, needs a mask for every image, and supports neither ``is_reg`` nor
``class_tokens``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from prep import events
from prep.dataset.index import ImageRow
from prep.errors import ConfigError
from prep.language import english
from prep.project import Project
from prep.training_set import (
    MASKS_FOLDER,
    Format,
    OutputFile,
    TrainingSet,
    training_set,
    white_mask,
)

MaskFiles = Literal["none", "alpha", "folder"]


def masked_set(
    project: Project, rows: Sequence[ImageRow], image_format: Format, masks: MaskFiles
) -> TrainingSet:
    """Plan the training set, with the mask settings of its subsets.

    Raises:
        ConfigError: sd-scripts cannot train regularisation images with masks in a folder.
    """
    wanted = training_set(project, rows, image_format, alpha_masks=masks == "alpha")
    subsets = wanted.subsets
    if masks == "folder":
        if any(subset.concept.settings.regularization for subset in subsets):
            raise ConfigError(
                "sd-scripts does not accept regularisation images together with a folder of masks.",
                "Put the masks into the images instead: --masks alpha",
            )
        subsets = tuple(replace(one, masks=f"{MASKS_FOLDER}/{one.folder}") for one in subsets)
    elif masks == "alpha":
        masked = {example.folder for example in wanted.examples if example.mask}
        subsets = tuple(replace(one, alpha_mask=one.folder in masked) for one in subsets)
    return replace(wanted, subsets=subsets)


def outputs_by_source(
    wanted: TrainingSet, masks: MaskFiles
) -> Iterator[tuple[str, Sequence[OutputFile]]]:
    """Yield the files of each example, with the image it is made from."""
    for example in wanted.examples:
        outputs = [output for output in (example.image, example.caption) if output]
        if masks == "folder":
            outputs.append(example.mask or white_mask(example))
        yield example.source, outputs


def mask_count(wanted: TrainingSet, masks: MaskFiles, *, drawn: bool) -> int:
    """Return how many images are exported with a mask.

    Args:
        wanted: The training set.
        masks: The requested way to export masks.
        drawn: The layout includes drawn masks in any case.
    """
    if masks != "none":
        return sum(example.mask is not None for example in wanted.examples)
    return sum(example.drawn_mask for example in wanted.examples) if drawn else 0


def mask_advice(wanted: TrainingSet, masks: MaskFiles) -> Iterator[events.Event]:
    """Warn of masks that are left out, and of the flag that a folder of masks needs."""
    # Transparency alone does not mean that the user wants masks.
    drawn = sum(example.drawn_mask for example in wanted.examples)
    if drawn and masks == "none":
        yield events.Warned(
            english(
                "{count} image has a mask, which this training set leaves out.",
                "{count} images have masks, which this training set leaves out.",
                drawn,
            ),
            "Include masks for sd-scripts with: --masks alpha",
        )
    elif masks == "folder":
        yield events.Warned(
            "Masks in a folder need --masked_loss: without it sd-scripts refuses dataset.toml.",
            "Give --masked_loss to its training script, or export with --masks alpha.",
        )
