"""A project: a folder of images with its settings, ``shikomi.toml``.

Any folder of images or kohya folders can be opened; the file is created when
something must be saved. Settings are declared once, here (and in ``train.config`` for training):
the same models give the file, the flags, the forms and the documentation.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import tomlkit
from pydantic import Field, ValidationError
from tomlkit.exceptions import TOMLKitError

from prep.captions.patterns import Patterns, Renames
from prep.errors import ConfigError
from prep.images.buckets import Buckets
from prep.images.quality.thresholds import QualitySection
from prep.project.captioner import CaptionerSection as CaptionerSection
from prep.project.crops import CropSection as CropSection
from prep.project.faults import describe_faults
from prep.project.tagger import TaggerSection as TaggerSection
from prep.section import Section as Section
from prep.section import TagText
from prep.system.files import write_text
from prep.system.names import existing, known_as, with_home
from prep.texts import LARGEST_SETTINGS, composed, read_text

FILE_NAME = "shikomi.toml"
STATE_NAME = ".shikomi"
MOST_REPEATS = 100_000
"""Maximum of repeats of a folder; an epoch is a list of all exposures."""
_FOLDER = re.compile(r"(\d+)_(.*)", re.DOTALL)


class ProjectSection(Section):
    """Name, model family and resolution."""

    name: str = ""
    """Name of the LoRA and of its files; the folder's name if empty."""
    family: Literal["sd15", "sdxl"] = "sd15"
    """Base model family: sd15 (Stable Diffusion 1.5) or sdxl."""
    resolution: int = Field(512, ge=64, le=4096)
    """Training resolution, pixels: 512 or 768 for SD 1.5, 1024 for SDXL."""


class BucketSection(Section):
    """Aspect-ratio buckets, as in sd-scripts."""

    step: int = Field(64, ge=8, le=256)
    """Every side of a bucket is a multiple of this, pixels."""
    minimum: int = Field(256, ge=8)
    """Shortest side of a bucket, pixels."""
    maximum: int = Field(1024, ge=8)
    """Longest side of a bucket, pixels."""
    no_upscale: bool = False
    """Never enlarge: small images get small buckets."""


class ConceptSection(Section):
    """One folder of images that teaches one concept."""

    trigger: TagText = ""
    """Trigger word; comes first in every caption of the folder."""
    repeats: int | None = Field(None, ge=1, le=MOST_REPEATS)
    """How often each image is seen per epoch; by default the number before `_` in the folder's
    name, else 1."""
    prune: tuple[str, ...] = ()
    """Tags of the concept itself, left out of captions so that the trigger word absorbs them."""
    regularization: bool = False
    """These are regularisation images, which preserve the class."""


class CaptionSection(Section):
    """Rules that turn tags of the tagger into captions."""

    extension: Literal[".txt", ".caption"] = ".txt"
    """Suffix of caption files."""
    always_first: tuple[TagText, ...] = ()
    """Tags that come right after the trigger word if present, in this order."""
    drop: tuple[str, ...] = ()
    """Tags that never enter a caption."""
    blacklist: str = ""
    """A text file with more tags to drop, one per line; `*` matches anything."""
    only: tuple[str, ...] = ()
    """The only tags that may enter a caption, besides the trigger word; all if empty."""
    whitelist: str = ""
    """A text file with more such tags, one per line; `*` matches anything."""
    replace: Renames = Field(default_factory=dict)
    """Tags to rename: old = new."""
    regex: Patterns = Field(default_factory=dict)
    """Regular expression = replacement, for each tag; `\\1` is its first group."""
    aliases: str = ""
    """A CSV with old and new names of tags, or a tag list with aliases."""
    implications: str = ""
    """A CSV with tags and the tags that they imply."""
    expand: bool = False
    """Add implied tags; otherwise tags that another tag of the caption implies are dropped."""
    order: Literal["", "alphabetical", "people"] = ""
    """Sort the tags: alphabetical, or people: tags that count characters (1girl) first."""
    words: Literal["spaces", "underscores"] = "spaces"
    """Write new tags with spaces or underscores between words; emoticons such as ^_^ stay."""
    brackets: Literal["plain", "escaped"] = "plain"
    """Write the brackets of new tags plain, as trainers read them, or escaped by backslashes."""


class VocabularySection(Section):
    """The tags that the base model knows."""

    files: tuple[str, ...] = ()
    """Tag lists: booru CSV (name,type,count,aliases), a tagger's selected_tags.csv, or one tag per
    line. If empty, the tags of the tagger."""
    own: tuple[str, ...] = ()
    """Tags that are valid although no list has them."""


class Settings(Section):
    """All of ``shikomi.toml``."""

    project: ProjectSection = ProjectSection()
    buckets: BucketSection = BucketSection()
    crops: CropSection = CropSection()
    concepts: dict[str, ConceptSection] = Field(default_factory=dict)
    """Concepts by the name of their folder below the dataset folder."""
    captions: CaptionSection = CaptionSection()
    tagger: TaggerSection = TaggerSection()
    captioner: CaptionerSection = CaptionerSection()
    quality: QualitySection = QualitySection()
    vocabulary: VocabularySection = VocabularySection()
    filters: dict[str, str] = Field(default_factory=dict)
    """Filters with names, for the terminal application."""
    train: dict[str, Any] = Field(default_factory=dict)
    """Checked by the trainer, which owns these settings."""

    def concept(self, folder: str) -> ConceptSection:
        """Return the settings of a concept folder, however the accents of its name are encoded."""
        name = known_as(folder, self.concepts)
        return ConceptSection() if name is None else self.concepts[name]


@dataclass(frozen=True)
class Concept:
    """One folder of images, as trainers use it."""

    folder: str
    name: str
    repeats: int
    settings: ConceptSection

    @property
    def trigger(self) -> str:
        """The trigger word, or an empty string; its accents are parts of the letters (NFC)."""
        return composed(self.settings.trigger)


@dataclass(frozen=True)
class Project:
    """A project folder and its settings; ``root`` is absolute."""

    root: Path
    settings: Settings

    @classmethod
    def open(cls, path: Path) -> "Project":
        """Open any folder of images as a project.

        Raises:
            ConfigError: There is no such folder, or ``shikomi.toml`` is not valid (all faults).
        """
        root = with_home(path).resolve()
        if not root.is_dir():
            fault = "is a file, not a folder" if root.exists() else "does not exist"
            raise ConfigError(
                f"{path} {fault}.", "Give a folder of images, or create a project: shikomi init DIR"
            )
        return cls(root, read_settings(root / FILE_NAME))

    @property
    def file(self) -> Path:
        """Path of ``shikomi.toml``."""
        return self.root / FILE_NAME

    @property
    def name(self) -> str:
        """The name of the LoRA."""
        return self.settings.project.name or parse_folder(self.root.name)[1] or "lora"

    @property
    def dataset(self) -> Path:
        """Where the images are: ``dataset/`` if it exists, else the folder itself."""
        folder = self.root / "dataset"
        return folder if folder.is_dir() else self.root

    @property
    def models(self) -> Path:
        """Where base checkpoints are."""
        return self.root / "model"

    @property
    def output(self) -> Path:
        """Where training sets, LoRAs, samples and grids go."""
        return self.root / "output"

    @property
    def state(self) -> Path:
        """``.shikomi``: caches, journal, jobs, trash."""
        return self.root / STATE_NAME

    @property
    def jobs(self) -> Path:
        """Where job directories are."""
        return self.state / "jobs"

    @property
    def buckets(self) -> Buckets:
        """The buckets of this project's training resolution."""
        side, section = self.settings.project.resolution, self.settings.buckets
        step = min(section.step, side)
        # Limits are rounded outwards to whole steps, as in sd-scripts.
        minimum = max(1, min(section.minimum, side) // step) * step
        maximum = -(-max(section.maximum, side) // step) * step
        return Buckets((side, side), step, minimum, maximum, section.no_upscale)

    def relative(self, path: Path) -> str:
        """Return ``path`` in the form used by the index and all events: relative, with slashes."""
        return path.relative_to(self.root).as_posix()

    def caption_file(self, path: str) -> Path:
        """Return the caption file of the image ``path``, whatever form its accents have."""
        return existing((self.root / path).with_suffix(self.settings.captions.extension))

    def concept_folder(self, path: str) -> str:
        """Return the concept folder, below the dataset folder, of the image ``path``.

        It is the first folder below the dataset folder, or ``.`` for images directly in it.
        """
        inside = PurePosixPath(path).relative_to(self.relative(self.dataset))
        return inside.parts[0] if len(inside.parts) > 1 else "."

    def concept(self, folder: str) -> Concept:
        """Return the concept of a folder below the dataset folder."""
        section = self.settings.concept(folder)
        label = self.dataset.name if folder == "." else folder
        repeats, name = parse_folder(label)
        return Concept(folder, name, section.repeats or repeats or 1, section)

    def saved(self, changes: Mapping[str, Any]) -> "Project":
        """Merge ``changes`` (nested tables) into ``shikomi.toml`` and return the new project.

        Comments and order of the file are kept; a value of ``None`` removes its key.

        Raises:
            ConfigError: The result is not valid; nothing is written.
        """
        text, settings = self.with_changes(changes)
        write_text(self.file, text)
        return Project(self.root, settings)

    def with_changes(self, changes: Mapping[str, Any]) -> tuple[str, Settings]:
        """Return the text that ``saved`` would write, and the settings, without writing.

        Raises:
            ConfigError: The result is not valid.
        """
        document = _parse(self.file)
        _merge(document, changes)
        return tomlkit.dumps(document), _validated(document.unwrap(), self.file)


def parse_folder(name: str) -> tuple[int | None, str]:
    """Split ``10_mychara`` into its repeats and its name, as sd-scripts does.

    A number over ``MOST_REPEATS`` is not one of repeats: ``20240101_party`` is a date.

    Example:
        >>> parse_folder("10_mychara"), parse_folder("photos"), parse_folder("20240101_party")
        ((10, 'mychara'), (None, 'photos'), (None, '20240101_party'))
    """
    match = _FOLDER.fullmatch(name)
    if match is None or int(match[1]) > MOST_REPEATS:
        return None, name
    return int(match[1]), match[2]


def read_settings(file: Path) -> Settings:
    """Read ``shikomi.toml``; defaults if the file is missing.

    Raises:
        ConfigError: It is not valid; names each fault, its place and the nearest known key.
    """
    return _validated(_parse(file).unwrap(), file)


def _parse(file: Path) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(read_text(file, largest=LARGEST_SETTINGS))
    except FileNotFoundError:
        return tomlkit.document()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 text.", "Save it as UTF-8.") from error
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.") from error
    except TOMLKitError as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from error


def _merge(table: Any, changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        key = known_as(name, table) or name
        if isinstance(value, Mapping) and value:
            if key not in table:
                table[key] = tomlkit.table()
            _merge(table[key], value)
        elif value is None:
            table.pop(key, None)
        else:
            table[key] = list(value) if isinstance(value, tuple) else value


def _validated(data: dict[str, Any], file: Path) -> Settings:
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        faults = describe_faults(error, Settings)
        raise ConfigError(f"{file}: " + "; ".join(faults)) from error
