"""OneTrainer's ``concepts.json``.

Source: ``modules/util/config/ConceptConfig.py`` (keys and defaults; what is absent gets its
default) and the concept window's texts. Captions lie beside the images, a line for each variant;
masks are ``NAME-masklabel.png``. A caption may also come from the file name, or from one text
file for the whole concept.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prep import captions
from prep.errors import ConfigError
from prep.formats import paths
from prep.formats.collection import (
    Collection,
    SourceCaption,
    SourceConcept,
    SourceImage,
    free_folder,
)
from prep.formats.folders import common_class_tokens
from prep.formats.sidecars import FolderFiles, below
from prep.project import parse_folder
from prep.texts import parse_json, read_text
from prep.training_set.kohya import ExportSubset

_REG = "reg"


def is_concepts_file(file: Path) -> bool:
    """Return whether this is a list of concepts."""
    if file.suffix.lower() != ".json":
        return False
    try:
        data = parse_json(read_text(file))
    except (OSError, ValueError, RecursionError):
        return False
    if isinstance(data, dict):
        data = data.get("concepts")
    return isinstance(data, list) and any(
        isinstance(item, dict) and "path" in item for item in data
    )


def read(file: Path, home: Path | None = None) -> Collection:
    """Read ``concepts.json``, or a configuration with concepts inside.

    Args:
        file: The file.
        home: Ignore everything outside this folder; ``None`` for no limit.

    Raises:
        ConfigError: It is broken.
    """
    try:
        data = parse_json(read_text(file))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{file} is broken: {error}.") from error
    items = data.get("concepts") if isinstance(data, dict) else data
    collection = Collection("OneTrainer concepts")
    taken: set[str] = set()
    for item in items if isinstance(items, list) else []:
        if isinstance(item, dict):
            _read_one(file, home, collection, item, taken)
    return collection


def _read_one(
    file: Path, home: Path | None, collection: Collection, item: Mapping[str, Any], taken: set[str]
) -> None:
    place = paths.find(file, str(item.get("path") or ""), home, Path.is_dir)
    if place is None:
        collection.skipped.append((str(item.get("path")), "the folder does not exist"))
        return
    if item.get("enabled") is False:
        collection.skipped.append((str(place), "the concept is disabled"))
        return
    concept = free_folder(place.name, taken)
    found = below(place, concept, ".txt", deep=bool(item.get("include_subdirectories")))
    text: Any = item.get("text")
    text = text if isinstance(text, dict) else {}
    pictures = _captioned(file, home, found.pictures, text)
    collection.pictures += pictures
    collection.skipped += found.skipped
    _, tokens = parse_folder(concept)
    name = str(item.get("name") or "")
    regular = _is_regular(item, place)
    names = () if regular else (tokens, name)
    trigger = next((t for n in names if (t := common_class_tokens(n, FolderFiles(pictures)))), "")
    collection.concepts[concept] = SourceConcept(
        _repeats(collection, item, concept), trigger, regular
    )


def _is_regular(item: Mapping[str, Any], place: Path) -> bool:
    return item.get("type") == "PRIOR_PREDICTION" or place.parent.name == _REG


def _repeats(collection: Collection, item: Mapping[str, Any], concept: str) -> int | None:
    """Return the repeats; shares of a repeat and counted samples have no counterpart."""
    value = item.get("balancing", item.get("repeats", 1))
    if str(item.get("balancing_strategy", "REPEATS")).upper() != "REPEATS":
        collection.notes.append(
            (f"{concept} uses {value} samples per epoch.", "Set repeats for it: shikomi concept")
        )
        return None
    number = value if isinstance(value, int | float) and value > 0 else 1
    if number != int(number):
        collection.notes.append(
            (
                f"{concept} has {number} repeats; here they are rounded to whole numbers.",
                f"Taken: {max(1, round(number))}.",
            )
        )
    return max(1, round(number))


def _captioned(
    file: Path, home: Path | None, pictures: Sequence[SourceImage], text: Mapping[str, Any]
) -> list[SourceImage]:
    """Assign the captions that OneTrainer would use."""
    source = text.get("prompt_source", "sample")
    shared: Path | None = None
    if source == "concept":
        shared = paths.find(file, str(text.get("prompt_path") or ""), home, Path.is_file)
    made = []
    for picture in pictures:
        caption = picture.caption
        if source == "filename":
            caption = SourceCaption(text=Path(picture.name).stem)
        elif source == "concept":
            caption = None if shared is None else SourceCaption(shared)
        made.append(
            SourceImage(picture.file, picture.concept, picture.name, caption, picture.others)
        )
    return made


def concepts_json(
    subsets: Sequence[ExportSubset], *, shuffle: bool, tag_dropout: float = 0.0
) -> str:
    """Return the text of ``concepts.json``; missing keys get OneTrainer's defaults.

    Images are already cropped to their buckets, so its random crop and flip are disabled.

    Args:
        subsets: Subsets, with folders as they should be written.
        shuffle: Shuffle the tags of captions.
        tag_dropout: Share of tags left out of each caption, 0 to 1.
    """
    made = [_concept(subset, shuffle, tag_dropout) for subset in subsets]
    return json.dumps(made, indent=4) + "\n"


def _concept(subset: ExportSubset, shuffle: bool, tag_dropout: float) -> dict[str, Any]:
    concept = subset.concept
    text: dict[str, Any] = {
        "prompt_source": "sample",
        "enable_tag_shuffling": shuffle,
        "tag_delimiter": ",",
        "keep_tags_count": len(captions.split(concept.trigger)),
    }
    if tag_dropout:
        # RANDOM drops each tag independently, as sd-scripts does; FULL would drop all at once.
        text |= {
            "tag_dropout_enable": True,
            "tag_dropout_mode": "RANDOM",
            "tag_dropout_probability": tag_dropout,
        }
    return {
        "name": concept.name,
        "path": subset.folder,
        "seed": 0,
        "enabled": True,
        "include_subdirectories": False,
        "image_variations": 1,
        "text_variations": 1,
        "balancing": float(concept.repeats),
        "balancing_strategy": "REPEATS",
        "loss_weight": 1.0,
        "image": {"enable_crop_jitter": False, "enable_random_flip": False},
        "text": text,
    }
