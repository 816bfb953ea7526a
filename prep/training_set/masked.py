"""How masks go into a training set for sd-scripts: in the alpha channel, or in a folder.

Facts (``library/config_util.py``, ``library/train_util.py``): ``alpha_mask`` works for single
subsets and needs no flag. ``conditioning_data_dir`` needs ``--masked_loss``, must be given for all
subsets of a dataset, wants a mask for every image, and knows neither ``is_reg`` nor
``class_tokens``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from prep import events
from prep.dataset.index import ImageRow
from prep.errors import ConfigError
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
    """Plan the training set, with what the dataset file must say about masks.

    Raises:
        ConfigError: sd-scripts cannot train regularisation images with masks in a folder.
    """
    wanted = training_set(project, rows, image_format, alpha_masks=masks == "alpha")
    subsets = wanted.subsets
    if masks == "folder":
        if any(subset.concept.settings.regularization for subset in subsets):
            raise ConfigError(
                "sd-scripts takes no regularisation images together with a folder of masks.",
                "Put the masks into the images instead: --masks alpha",
            )
        subsets = tuple(replace(one, masks=f"{MASKS_FOLDER}/{one.folder}") for one in subsets)
    elif masks == "alpha":
        masked = {example.folder for example in wanted.examples if example.mask}
        subsets = tuple(replace(one, alpha_mask=one.folder in masked) for one in subsets)
    return replace(wanted, subsets=subsets)


def wishes_by_source(
    wanted: TrainingSet, masks: MaskFiles
) -> Iterator[tuple[str, Sequence[OutputFile]]]:
    """Yield the files of each example, with the image it is made from."""
    for example in wanted.examples:
        wishes = [wish for wish in (example.image, example.caption) if wish]
        if masks == "folder":
            wishes.append(example.mask or white_mask(example))
        yield example.source, wishes


def mask_count(wanted: TrainingSet, masks: MaskFiles, *, drawn: bool) -> int:
    """Return how many images are exported with their mask.

    Args:
        wanted: The training set.
        masks: What was asked for.
        drawn: The layout takes drawn masks along in any case.
    """
    if masks != "none":
        return sum(example.mask is not None for example in wanted.examples)
    return sum(example.drawn_mask for example in wanted.examples) if drawn else 0


def mask_advice(wanted: TrainingSet, masks: MaskFiles) -> Iterator[events.Event]:
    """Warn of masks that are left out, and of what a folder of masks needs."""
    # Transparency alone is no wish to train with masks.
    drawn = sum(example.drawn_mask for example in wanted.examples)
    if drawn and masks == "none":
        whose = "1 image has a mask" if drawn == 1 else f"{drawn} images have masks"
        yield events.Warned(
            f"{whose}, which this training set leaves out.",
            "Take masks along for sd-scripts with: --masks alpha",
        )
    elif masks == "folder":
        yield events.Warned(
            "Masks in a folder need --masked_loss: without it sd-scripts refuses dataset.toml.",
            "Give --masked_loss to its training script, or export with --masks alpha.",
        )
