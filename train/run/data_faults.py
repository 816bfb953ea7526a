"""What is wrong with a dataset, seen beside the base model and the settings of its run."""

from collections.abc import Generator

from prep.errors import UserError
from prep.events import Event, Warned
from prep.language import english, quantity
from train.config import TrainSettings
from train.data.dataset import Dataset, Schedule
from train.families.base_model import BaseModel
from train.families.conditioning import Texts


def check_buckets(data: Dataset, base: BaseModel) -> None:
    """Check that the base model can be shown pictures of these sizes.

    Raises:
        UserError: It cannot.
    """
    multiple = base.pixel_multiple
    for image in data.images:
        width, height = image.fit.bucket
        if width % multiple or height % multiple:
            raise UserError(
                f"The bucket {width}x{height} does not fit the base model.",
                f"Make resolution and bucket_reso_steps multiples of {multiple}.",
            )


def data_warnings(
    data: Dataset, schedule: Schedule, texts: Texts, settings: TrainSettings
) -> Generator[Event, None, None]:
    """Warn of captions that are cut, and of batches that are not what was asked for."""
    lines = {(image.path, line) for image in data.images for line in image.caption.splitlines()}
    cut = texts.too_long(sorted(line for _, line in lines))
    if cut:
        yield Warned(
            english(
                "{count} caption is longer than {limit} tokens; its end is cut off: {example}…",
                "{count} captions are longer than {limit} tokens; their ends are cut off, for"
                " example: {example}…",
                len(cut),
                limit=settings.max_token_length,
                example=cut[0][:60],
            ),
            "Raise max_token_length, or shorten the captions.",
        )
    for size in {part.batch_size for part in data.parts} - {None, settings.batch_size}:
        yield Warned(
            f"The dataset file says batch_size {size}; the run uses {settings.batch_size}.",
            "The settings of the run take precedence over the dataset file.",
        )
    if len(schedule.images) == 1:
        yield Warned(
            "There is a single image to train on: what is learned is this image.",
            "Ten different ones or more show what they have in common.",
        )
    exposures = sum(image.repeats for image in schedule.images)
    filled = exposures / schedule.batches_per_epoch
    if filled < min(settings.batch_size, exposures) / 2:
        buckets = len({(image.part, image.fit.bucket) for image in schedule.images})
        yield Warned(
            f"Batches have {filled:.1f} images on average, not {settings.batch_size}: the images"
            f" are spread over {quantity(buckets, 'bucket')}.",
            "Raise bucket_reso_steps or num_repeats, crop the images to fewer shapes, or lower"
            " batch_size and raise gradient_accumulation.",
        )
