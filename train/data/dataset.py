"""The images of a run and the order in which they are seen; no files, no pixels, no torch.

Everything is a pure function of the dataset file, the seed and the epoch, so that a resumed run
sees what it would have seen.
"""

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from prep.captions.shuffle import CaptionRules, plain, varied
from prep.errors import UserError
from prep.events import Skipped
from prep.images.buckets import Fit, Size
from prep.seeding import generator
from prep.system.files import text_hash
from prep.training_set.plan.split import held_out
from train.config import TrainSettings
from train.data.dataset_file import DatasetPart
from train.data.origins import Origin

_WINDOWS = 5
"""Places of a random crop: few enough that each is encoded once, before training."""


@dataclass(frozen=True)
class TrainMask:
    """Which pixels of an image count: white ones.

    Attributes:
        file: A grey picture with the shape of the image, or the image itself.
        content: ``prep.system.files.content_hash`` of it.
        alpha: The mask is the alpha channel of the file.
    """

    file: Path
    content: str
    alpha: bool = False


@dataclass(frozen=True)
class TrainImage:
    """One image of the run.

    Attributes:
        path: The file.
        content: ``prep.system.files.content_hash`` of it.
        caption: What its rules read of its caption file, or its class tokens.
        rules: How the caption changes from epoch to epoch.
        repeats: Exposures per epoch.
        fit: Its place in its bucket.
        part: Which ``[[datasets]]`` table it belongs to.
        folder: Name of its folder.
        origin: Where it comes from, for models that are told.
        flip: Shown mirrored in half of its exposures.
        regularization: Belongs to the class, not to the subject.
        mask: Which of its pixels count; ``None`` for all.
        opaque: Its colours count where it is transparent: its alpha channel is no transparency.
        kernel: What it is scaled with, from ``prep.images.pixels.KERNELS``; empty for the usual.
        weight: Factor of its loss.
        random_crop: What exceeds its bucket is cut off at random.
    """

    path: Path
    content: str
    caption: str
    rules: CaptionRules
    repeats: int
    size: Size
    fit: Fit
    part: int
    folder: str
    origin: Origin
    flip: bool = False
    regularization: bool = False
    mask: TrainMask | None = None
    opaque: bool = False
    kernel: str = ""
    weight: float = 1.0
    random_crop: bool = False

    @property
    def windows(self) -> "tuple[TrainImage, ...]":
        """The image as its exposures cut it: once, or at a few places along what exceeds it."""
        fit = self.fit
        spare = (fit.resized[0] - fit.bucket[0], fit.resized[1] - fit.bucket[1])
        if not self.random_crop or spare == (0, 0):
            return (self,)
        shares = [number / (_WINDOWS - 1) for number in range(_WINDOWS)]
        corners = [tuple(round(share * side) for side in spare) for share in shares]
        return tuple(self._cut_at(left, top) for left, top in dict.fromkeys(corners))

    def _cut_at(self, left: int, top: int) -> "TrainImage":
        fit = replace(self.fit, left=left, top=top)
        return replace(self, fit=fit, origin=Origin.of_fit(self.size, fit))


@dataclass(frozen=True)
class Exposure:
    """One image as one epoch shows it; ``turn`` counts its repeats."""

    image: TrainImage
    turn: int

    def chance(self, seed: int, epoch: int) -> tuple[int | str, ...]:
        """Return what everything that is drawn for this exposure is a function of."""
        image = self.image
        # The same picture at another resolution draws for itself.
        place = (image.content, image.part) if image.part else (image.content,)
        return (seed, epoch, *place, self.turn)

    def shown(self, seed: int, epoch: int) -> "tuple[TrainImage, bool]":
        """Return the image as it is cut, and whether it is mirrored."""
        image, chance = self.image, self.chance(seed, epoch)
        windows = image.windows
        cut = generator("crop", *chance).choice(windows) if len(windows) > 1 else image
        return cut, image.flip and generator("flip", *chance).random() < 0.5

    def caption(self, seed: int, epoch: int, warmth: float) -> str:
        """Return its caption; ``warmth`` is that of ``prep.captions.shuffle.varied``."""
        image = self.image
        _, _, *place = self.chance(seed, epoch)
        return varied(image.caption, image.rules, seed, epoch, *place, warmth=warmth)


Batch = tuple[Exposure, ...]


@dataclass(frozen=True)
class Dataset:
    """What was read: the images, those left out, and the parts of the dataset file."""

    parts: tuple[DatasetPart, ...]
    images: tuple[TrainImage, ...]
    skipped: tuple[Skipped, ...]

    def without(self, skipped: Sequence[tuple[TrainImage, str]]) -> "Dataset":
        """Leave out images that turned out to be broken."""
        broken = {image.path for image, _ in skipped}
        events = tuple(Skipped(str(image.path), reason) for image, reason in skipped)
        images = tuple(image for image in self.images if image.path not in broken)
        return Dataset(self.parts, images, self.skipped + events)

    @property
    def fingerprint(self) -> str:
        """Changes with any pixel, caption, mask, repeat or bucket."""
        # Not where files are: a dataset may move.
        images = (
            replace(i, path=Path(), mask=i.mask and replace(i.mask, file=Path()))
            for i in self.images
        )
        return text_hash("\n".join(map(repr, images)))


def split_validation(
    data: Dataset, settings: TrainSettings
) -> tuple[list[TrainImage], list[TrainImage]]:
    """Hold some images out of training, chosen by content.

    A ``[[datasets]]`` table may have a share and a seed of its own; the settings decide for the
    others. Copies of one picture stay on one side of the line, at whatever resolution;
    regularisation images are never held out.

    Returns:
        The images to train on, and those held out.

    Raises:
        UserError: All are held out.
    """
    held: set[str] = set()
    for number, part in enumerate(data.parts):
        share = settings.validation_fraction if part.validation is None else part.validation
        seed = settings.seed if part.validation_seed is None else part.validation_seed
        images = [i for i in data.images if i.part == number and not i.regularization]
        held |= held_out((image.content for image in images), share, seed)
    train = [image for image in data.images if image.content not in held]
    if not train:
        raise UserError(
            "No image is left to train on: all are held out.",
            "Lower validation_split in the dataset file, or validation_fraction in [train].",
        )
    return train, [i for i in data.images if i.content in held and not i.regularization]


def watched_images(images: Iterable[TrainImage], settings: TrainSettings) -> list[TrainImage]:
    """Return the images, of those that are trained on, that validation measures as well.

    They are chosen by content, so that they are the same in every run of a dataset.
    """
    own = {image.content: image for image in images if not image.regularization}
    return heapq.nsmallest(
        settings.watched_images,
        own.values(),
        key=lambda image: text_hash(f"{settings.seed} watched {image.content}"),
    )


def epoch_batches(
    images: Sequence[TrainImage], batch_size: int, seed: int, epoch: int
) -> list[Batch]:
    """Return the batches of one epoch: each of one bucket, the last of a bucket may be short."""
    buckets: dict[tuple[int, Size], list[Exposure]] = defaultdict(list)
    for image in images:
        for turn in range(image.repeats):
            buckets[image.part, image.fit.bucket].append(Exposure(image, turn))
    rng = generator(seed, "order", epoch)
    batches: list[Batch] = []
    for key in sorted(buckets):
        exposures = buckets[key]
        rng.shuffle(exposures)
        batches += [
            tuple(exposures[start : start + batch_size])
            for start in range(0, len(exposures), batch_size)
        ]
    rng.shuffle(batches)
    return batches


@dataclass(frozen=True)
class Schedule:
    """Which batches each optimiser step uses; one window of batches is one step.

    Attributes:
        window: Batches per step, all devices together.
        steps_per_epoch: Optimiser steps of an epoch.
        steps: Optimiser steps of the run.
    """

    images: tuple[TrainImage, ...]
    settings: TrainSettings
    processes: int
    batches_per_epoch: int
    _epochs: dict[int, list[Batch]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def make(
        cls, images: Sequence[TrainImage], settings: TrainSettings, processes: int
    ) -> "Schedule":
        """Count the batches of an epoch (every epoch has as many)."""
        count = len(epoch_batches(images, settings.batch_size, settings.seed, 0))
        return cls(tuple(images), settings, processes, count)

    @property
    def window(self) -> int:
        """Batches per optimiser step, all devices together."""
        return self.processes * self.settings.gradient_accumulation

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of an epoch; the last one may have fewer batches."""
        return math.ceil(self.batches_per_epoch / self.window)

    @property
    def steps(self) -> int:
        """Optimiser steps of the run; ``prep.training_set.plan.make_plan`` counts the same."""
        total = self.steps_per_epoch * self.settings.epochs
        return min(total, self.settings.max_steps or total)

    def epoch_of(self, step: int) -> int:
        """Return the epoch, from 0, that step ``step``, from 0, belongs to."""
        return step // self.steps_per_epoch

    def window_of(self, step: int) -> list[tuple[int, Batch]]:
        """Return the batches of step ``step``, from 0, each with its place in the step."""
        place = step % self.steps_per_epoch * self.window
        batches = self._batches(self.epoch_of(step))
        return list(enumerate(batches[place : place + self.window]))

    def captions_of(self, step: int, batch: Batch) -> list[str]:
        """Return the captions of a batch of step ``step``, from 0."""
        seed, epoch = self.settings.seed, self.epoch_of(step)
        return [
            exposure.caption(seed, epoch, exposure.image.rules.warmth(step, self.steps))
            for exposure in batch
        ]

    def captions_from(self, step: int, rank: int) -> Iterator[str]:
        """Yield what one process reads from step ``step``, from 0, to the end of the run."""
        for later in range(step, self.steps):
            for _, batch in self.window_of(later)[rank :: self.processes]:
                yield from self.captions_of(later, batch)

    def _batches(self, epoch: int) -> list[Batch]:
        if epoch not in self._epochs:
            self._epochs.clear()
            settings = self.settings
            self._epochs[epoch] = epoch_batches(
                self.images, settings.batch_size, settings.seed, epoch
            )
        return self._epochs[epoch]


def largest_bucket(images: Sequence[TrainImage]) -> Size:
    """Return the bucket of the most pixels."""
    return max((image.fit.bucket for image in images), key=lambda size: size[0] * size[1])


def validation_caption(image: TrainImage) -> str:
    """Return the caption that the validation loss is measured with."""
    return plain(image.caption, image.rules)
