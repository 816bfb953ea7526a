"""What a run reads before anything is built: base model, dataset, latents and captions."""

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from itertools import chain
from pathlib import Path

from prep.errors import UserError
from prep.events import Event, Stage
from prep.language import quantity
from train.arithmetic.precision import choose
from train.config import RunConfig, TrainSettings
from train.data.dataset import (
    Dataset,
    Schedule,
    TrainImage,
    split_validation,
    validation_caption,
    watched_images,
)
from train.data.latents import BATCH_PIXELS, LatentCache
from train.data.reading import read_dataset
from train.families.base import Family
from train.families.base_model import BaseModel
from train.families.conditioning import Texts
from train.families.opening import open_family, opened_base
from train.run.capacity import check_whole_model, whole_model_warnings
from train.run.checkpoint import newest_step
from train.run.data_faults import check_buckets, data_warnings
from train.run.probe import probed
from train.run.processes import ProcessGroup


def opened(
    run: RunConfig, group: ProcessGroup
) -> Generator[Event, None, tuple[BaseModel, Dataset, Family]]:
    """Open the base model and read the dataset; yield warnings where they do not go together."""
    settings, base = run.train, opened_base(run)
    check_buckets(data := read_dataset(run.dataset, settings), base)
    yield from check_whole_model(base, settings, group.device)
    model = open_family(base, choose(settings.precision, group.device))
    settings.check_prediction(model.objective.prediction)
    return base, data, model


def encoded(
    run: RunConfig, data: Dataset, model: Family, group: ProcessGroup
) -> Generator[Event, None, tuple[Dataset, LatentCache]]:
    """Fill the latent cache; images that turn out to be broken are left out. Then the VAE goes."""
    began = time.monotonic()
    together = BATCH_PIXELS if group.device.type == "cuda" else 0
    cache = LatentCache(run.cache, model.base.vae_hash(), model.encode_pixels, together)
    yield Stage("encode")
    broken: list[tuple[TrainImage, str]] = []
    if group.size > 1:
        yield from cache.fill(data.images, [], group.share)
        group.meet()
    # Missing now: what is broken, and what another machine has put into a folder of its own.
    yield from cache.fill(data.images, broken)
    data = data.without(broken)
    yield from data.skipped
    if not data.images:
        raise UserError("No image of the dataset can be read.", "See the reasons above.")
    group.meet()
    count = quantity(len(data.images), "image")
    yield Stage("encode", True, round(time.monotonic() - began, 2), count)
    model.park("vae")
    return data, cache


def divided(
    run: RunConfig,
    base: BaseModel,
    model: Family,
    data: Dataset,
    states_folder: Path,
    group: ProcessGroup,
    heed: Callable[[], None],
) -> Generator[Event, None, tuple[tuple[TrainImage, ...], Schedule, Texts]]:
    """Divide the images among validation and steps, and read the captions ahead.

    Yields:
        Warnings about the dataset, and the progress of the captions.

    Returns:
        The images that are held out, the steps, and what encodes captions.
    """
    settings = run.train
    chosen, held_out = split_validation(data, settings)
    schedule = Schedule.make(chosen, settings, group.size)
    texts = Texts(model, settings)
    yield from data_warnings(data, schedule, texts, settings)
    yield from whole_model_warnings(run, base, schedule, states_folder)
    read = schedule.captions_from(newest_step(states_folder), group.rank)
    yield from _read_ahead(texts, held_out, schedule.images, settings, read, heed)
    return tuple(held_out), schedule, texts


def _read_ahead(
    texts: Texts,
    held_out: Sequence[TrainImage],
    images: Sequence[TrainImage],
    settings: TrainSettings,
    captions: Iterable[str],
    heed: Callable[[], None],
) -> Generator[Event, None, None]:
    """Encode captions: of images that are measured, and of the steps to come."""
    measured = (*held_out, *watched_images(images, settings), *probed(images))
    if not texts.trained:
        began = time.monotonic()
        yield Stage("captions")
        texts.read_ahead(chain(map(validation_caption, measured), captions), heed)
        yield Stage("captions", True, round(time.monotonic() - began, 2))
