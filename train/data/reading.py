"""From a dataset file to the images of a run: files, captions, masks; no pixels are decoded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from prep.captions import read as read_caption
from prep.captions.shuffle import CaptionRules, read_part
from prep.errors import ConfigError, UnreadableError, UserError
from prep.events import Skipped
from prep.formats.sd_scripts import listed_images
from prep.images import is_image_name, probe
from prep.system.files import content_hash
from prep.system.names import existing, is_there, same_name
from prep.system.walking import REPEATED, walk_folders
from prep.training_set.plan.split import exposures
from train.config import TrainSettings
from train.data.dataset import Dataset, TrainImage, TrainMask
from train.data.dataset_file import DatasetPart, Subset, read_dataset_file
from train.data.origins import exported_origins, origin_of

_NAMED = 5
"""How many faulty files an error lists by name."""


def read_dataset(path: Path, settings: TrainSettings) -> Dataset:
    """Read the dataset file, find its images, their captions and masks.

    Raises:
        ConfigError: Faults of the dataset file.
        UserError: No usable image, or captions or masks that are missing or unreadable.
    """
    reader = _Reader(path, settings)
    parts = read_dataset_file(path)
    for number, part in enumerate(parts):
        for subset in part.subsets:
            reader.add(number, part, subset)
    reader.refuse_incomplete()
    if not reader.images:
        raise UserError(f"{path} leads to no usable image.", "Check its image_dir entries.")
    return Dataset(parts, tuple(_balanced(reader.images)), tuple(reader.skipped))


@dataclass(frozen=True)
class _Found:
    """An image of a subset; ``text`` is its caption where a metadata file has it."""

    file: Path
    text: str | None = None


class _NoCaptionError(Exception):
    """Neither a caption nor class tokens."""


class _NoMaskError(Exception):
    """A folder of masks, and none in it for an image."""


class _Reader:
    """Collects images, and what is wrong with the others."""

    def __init__(self, path: Path, settings: TrainSettings) -> None:
        self._settings, self._exported = settings, exported_origins(path.parent)
        self.images: list[TrainImage] = []
        self.skipped: list[Skipped] = []
        self._uncaptioned: list[tuple[Path, Subset]] = []
        self._unmasked: list[tuple[Path, Subset]] = []

    def add(self, number: int, part: DatasetPart, subset: Subset) -> None:
        """Read the images of a subset of a part."""
        rules = _rules(subset.captions, self._settings)
        subset = replace(subset, captions=rules)
        masks = _masks(subset.masks) if subset.masks else None
        for found in self._files(subset):
            try:
                self.images.append(self._image(found, subset, part, number, masks))
            except UnreadableError as error:
                self.skipped.append(Skipped(str(found.file), error.message))
            except _NoCaptionError:
                self._uncaptioned.append((found.file, subset))
            except _NoMaskError:
                self._unmasked.append((found.file, subset))

    def refuse_incomplete(self) -> None:
        """Raise an error if captions or masks are missing."""
        if self._uncaptioned:
            raise UserError(
                f"{_images(self._uncaptioned)} no caption: {_names(self._uncaptioned)}.",
                _caption_hint(self._uncaptioned),
            )
        if self._unmasked:
            folder = self._unmasked[0][1].masks
            raise UserError(
                f"{_images(self._unmasked)} no mask in {folder}: {_names(self._unmasked)}.",
                "Masks have the names of their images. Add an all-white one where everything"
                " counts, or remove conditioning_data_dir.",
            )

    def _files(self, subset: Subset) -> Iterator[_Found]:
        if subset.metadata is None:
            files, repeated = _listed(subset.folder)
            self.skipped += [Skipped(str(file), REPEATED) for file in repeated]
            yield from map(_Found, files)
            return
        separator = subset.captions.separator
        seen: set[Path] = set()
        for key, file, text in listed_images(
            subset.metadata, subset.folder, f"{separator.strip()} "
        ):
            if file is None:
                reason = f"listed in {subset.metadata.name}, but the file does not exist"
                self.skipped.append(Skipped(key, reason))
            elif file in seen:
                self.skipped.append(Skipped(key, f"listed twice in {subset.metadata.name}"))
            else:
                seen.add(file)
                yield _Found(file, _lines_joined(text or "", subset.captions))

    def _image(
        self,
        found: _Found,
        subset: Subset,
        part: DatasetPart,
        number: int,
        masks: dict[str, Path] | None,
    ) -> TrainImage:
        file, info = found.file, probe(found.file)
        size = (info.width, info.height)
        text = found.text
        if text is None:
            text = read_caption(existing(file.with_suffix(subset.caption_extension)))
        caption = read_part(text or "", subset.captions) or subset.class_tokens
        if not caption:
            raise _NoCaptionError
        content, fit = content_hash(file), part.fit(size)
        return TrainImage(
            file,
            content,
            caption,
            subset.captions,
            subset.repeats,
            size,
            fit,
            number,
            subset.folder.name,
            origin_of(file, content, size, fit, self._exported),
            subset.flip,
            subset.regularization,
            _mask(file, content, masks, alpha=subset.alpha_mask and info.alpha),
            subset.alpha_mask,
            subset.kernel,
            subset.weight,
            subset.random_crop,
        )


def _mask(
    file: Path, content: str, masks: dict[str, Path] | None, *, alpha: bool
) -> TrainMask | None:
    """Return the mask of an image."""
    if masks is None:
        return TrainMask(file, content, alpha=True) if alpha else None
    mask = masks.get(same_name(file.stem))
    if mask is None:
        raise _NoMaskError
    return TrainMask(mask, content_hash(mask))


def _listed(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the images right inside a folder, in natural order, and further links to them."""
    try:
        (found,) = walk_folders(folder, is_image_name, deep=False)
    except UserError as error:
        raise UserError(f"The image folder {folder} cannot be read: {error.message}") from error
    images = [name for name in found.names if is_image_name(name)]
    taken = [folder / name for name in images if name not in found.repeated]
    return taken, [folder / name for name in found.repeated]


def _masks(folder: Path) -> dict[str, Path]:
    """Return the masks of a folder by the names of their images."""
    files, _ = _listed(folder)
    return {same_name(file.stem): file for file in files}


def _lines_joined(text: str, rules: CaptionRules) -> str:
    """Return a text of a metadata file, which means one line unless a random one is drawn."""
    if rules.wildcards:
        return text
    return f"{rules.separator.strip()} ".join(filter(None, map(str.strip, text.splitlines())))


def _rules(rules: CaptionRules, settings: TrainSettings) -> CaptionRules:
    """Put the settings of the run over those of the dataset file.

    Raises:
        ConfigError: They do not go together.
    """
    if settings.shuffle_caption is not None:
        rules = replace(rules, shuffle=settings.shuffle_caption)
    if settings.keep_tokens is not None:
        rules = replace(rules, keep_tokens=settings.keep_tokens)
    if settings.caption_dropout is not None:
        rules = replace(rules, dropout=settings.caption_dropout)
    if settings.tag_dropout is not None:
        rules = replace(rules, tag_dropout=settings.tag_dropout)
    if settings.caption_mix:
        if rules.separator.strip() != ",":
            raise ConfigError(
                f"caption_mix needs tags that are separated by commas, not by {rules.separator!r}.",
                "Remove caption_separator from the dataset file, or caption_mix from [train].",
            )
        rules = replace(rules, mix=tuple(settings.caption_mix.items()))
    return rules


def _balanced(images: Sequence[TrainImage]) -> list[TrainImage]:
    """Give regularisation images as many exposures as the others have, like sd-scripts."""
    counts = exposures([i.repeats for i in images], [i.regularization for i in images])
    shown = [replace(i, repeats=count) for i, count in zip(images, counts, strict=True) if count]
    return sorted(shown, key=lambda image: image.regularization)


def _caption_hint(images: Sequence[tuple[Path, Subset]]) -> str:
    """Return what to do about images without a caption."""
    for suffix in (".txt", ".caption"):
        others = (file.with_suffix(suffix) for file, s in images if s.caption_extension != suffix)
        if any(is_there(existing(file)) for file in others):
            return f'They have {suffix} files: set caption_extension = "{suffix}".'
    return "Tag them (shikomi tag), or set class_tokens for their folder."


def _images(images: Sequence[tuple[Path, Subset]]) -> str:
    return "1 image has" if len(images) == 1 else f"{len(images)} images have"


def _names(images: Sequence[tuple[Path, Subset]]) -> str:
    names, more = [file.name for file, _ in images[:_NAMED]], len(images) - _NAMED
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")
