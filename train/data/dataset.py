"""The images of a run and the order in which they are seen; no pixels, no torch.

Everything is a pure function of the dataset file, the seed and the epoch, so that a resumed run
sees what it would have seen.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from prep.captions import read as read_caption
from prep.captions.shuffle import CaptionRules, first_line, plain
from prep.errors import UnreadableError, UserError
from prep.events import Skipped
from prep.images import is_image_name, probe
from prep.images.buckets import Fit, Size
from prep.seeding import generator
from prep.system.files import content_hash, text_hash
from prep.system.names import existing, is_there
from prep.system.walking import REPEATED, walk_folders
from prep.training_set.plan.split import exposures, held_out
from train.config import TrainSettings
from train.data.dataset_file import DatasetPart, Subset, read_dataset_file
from train.data.origins import Origin, exported_origins, origin_of

_NAMED = 5
"""How many faulty files an error lists by name."""


@dataclass(frozen=True)
class TrainImage:
    """One image of the run.

    Attributes:
        path: The file.
        content: ``prep.system.files.content_hash`` of it.
        caption: First line of its caption file, or its class tokens.
        rules: How the caption changes from epoch to epoch.
        repeats: Exposures per epoch.
        fit: Its place in its bucket.
        part: Which ``[[datasets]]`` table it belongs to.
        folder: Name of its folder.
        origin: Where it comes from, for models that are told.
        flip: Shown mirrored in half of its exposures.
        regularization: Belongs to the class, not to the subject.
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


@dataclass(frozen=True)
class Exposure:
    """One image as one epoch shows it; ``turn`` counts its repeats."""

    image: TrainImage
    turn: int


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
        """Changes with any pixel, caption, repeat or bucket."""
        lines = (
            f"{i.content} {i.caption} {i.rules} {i.repeats} {i.fit} {i.origin} {i.part} {i.flip}"
            for i in self.images
        )
        return text_hash("\n".join(lines))


def read_dataset(path: Path, settings: TrainSettings) -> Dataset:
    """Read the dataset file, find its images and their captions.

    Raises:
        ConfigError: Faults of the dataset file.
        UserError: No usable image, or captions that are missing or unreadable.
    """
    parts, exported = read_dataset_file(path), exported_origins(path.parent)
    images: list[TrainImage] = []
    skipped: list[Skipped] = []
    uncaptioned: list[tuple[Path, str]] = []
    for number, part in enumerate(parts):
        for subset in part.subsets:
            files, repeated = _files(subset.folder)
            skipped += [Skipped(str(file), REPEATED) for file in repeated]
            for file in files:
                try:
                    images.append(_image(file, subset, part, number, settings, exported))
                except UnreadableError as error:
                    skipped.append(Skipped(str(file), error.message))
                except _NoCaptionError:
                    uncaptioned.append((file, subset.caption_extension))
    if uncaptioned:
        names = _some([file.name for file, _ in uncaptioned])
        raise UserError(
            f"{len(uncaptioned)} images have no caption: {names}.", _caption_hint(uncaptioned)
        )
    if not images:
        raise UserError(f"{path} leads to no usable image.", "Check its image_dir entries.")
    return Dataset(parts, tuple(_balanced(images)), tuple(skipped))


class _NoCaptionError(Exception):
    """Neither a caption nor class tokens."""


def _caption_hint(images: Sequence[tuple[Path, str]]) -> str:
    """Return what to do about images without a caption of the given suffix."""
    for suffix in (".txt", ".caption"):
        others = (file.with_suffix(suffix) for file, read in images if read != suffix)
        if any(is_there(existing(file)) for file in others):
            return f'They have {suffix} files: set caption_extension = "{suffix}".'
    return "Tag them (shikomi tag), or set class_tokens for their folder."


def _files(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the images right inside a folder, in natural order, and further links to them."""
    try:
        (found,) = walk_folders(folder, is_image_name, deep=False)
    except UserError as error:
        raise UserError(f"The image folder {folder} cannot be read: {error.message}") from error
    images = [name for name in found.names if is_image_name(name)]
    taken = [folder / name for name in images if name not in found.repeated]
    return taken, [folder / name for name in found.repeated]


def _image(
    file: Path,
    subset: Subset,
    part: DatasetPart,
    number: int,
    settings: TrainSettings,
    exported: Mapping[str, tuple[Path, Origin]],
) -> TrainImage:
    info = probe(file)
    size = (info.width, info.height)
    text = read_caption(existing(file.with_suffix(subset.caption_extension))) or ""
    caption = first_line(text) or subset.class_tokens
    if not caption:
        raise _NoCaptionError
    content, fit = content_hash(file), part.fit(size)
    return TrainImage(
        file,
        content,
        caption,
        _rules(subset.captions, settings),
        subset.repeats,
        size,
        fit,
        number,
        subset.folder.name,
        origin_of(file, content, size, fit, exported),
        subset.flip,
        subset.regularization,
    )


def _rules(rules: CaptionRules, settings: TrainSettings) -> CaptionRules:
    """Put the settings of the run over those of the dataset file."""
    if settings.shuffle_caption is not None:
        rules = replace(rules, shuffle=settings.shuffle_caption)
    if settings.keep_tokens is not None:
        rules = replace(rules, keep_tokens=settings.keep_tokens)
    if settings.caption_dropout is not None:
        rules = replace(rules, dropout=settings.caption_dropout)
    if settings.tag_dropout is not None:
        rules = replace(rules, tag_dropout=settings.tag_dropout)
    return rules


def _balanced(images: Sequence[TrainImage]) -> list[TrainImage]:
    """Give regularisation images as many exposures as the others have, like sd-scripts."""
    counts = exposures([i.repeats for i in images], [i.regularization for i in images])
    shown = [replace(i, repeats=count) for i, count in zip(images, counts, strict=True) if count]
    return sorted(shown, key=lambda image: image.regularization)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def split_validation(
    images: Sequence[TrainImage], fraction: float, seed: int
) -> tuple[list[TrainImage], list[TrainImage]]:
    """Hold some images out of training, chosen by content.

    Copies of one picture stay on one side of the line; regularisation images are never held out.

    Args:
        images: All images.
        fraction: Share to hold out, 0 to 0.5; above 0 at least one picture is held out.
        seed: Changes the choice.

    Returns:
        The images to train on, and those held out.
    """
    pictures = (image.content for image in images if not image.regularization)
    held = held_out(pictures, fraction, seed)
    train = [image for image in images if image.content not in held]
    return train, [image for image in images if image.content in held and not image.regularization]


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

    def _batches(self, epoch: int) -> list[Batch]:
        if epoch not in self._epochs:
            self._epochs.clear()
            settings = self.settings
            self._epochs[epoch] = epoch_batches(
                self.images, settings.batch_size, settings.seed, epoch
            )
        return self._epochs[epoch]


def validation_caption(image: TrainImage) -> str:
    """Return the caption that the validation loss is measured with."""
    return plain(image.caption, image.rules)
