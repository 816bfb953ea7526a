"""What is trained on: the folders or the dataset file that the arguments name, or the project.

Source: ``library/config_util.py``: the arguments about images and captions are the values of keys
that a dataset file leaves out.
"""

from pathlib import Path
from typing import Any

import tomlkit

from prep.errors import ConfigError, reason_of
from prep.language import quantity
from prep.project import Project, parse_folder
from prep.project.boundary import refuse_links
from prep.system.files import text_hash, write_text
from prep.system.names import with_home
from prep.texts import parse_toml, read_text
from train.data.dataset_keys import faults_of
from train.kohya.book import Book
from train.kohya.report import Outcome
from train.kohya.values import shown

_MULTIPLE = 8
"""Pixels that a side of an image must be a multiple of, for both families."""
_PATHS = ("image_dir", "metadata_file", "conditioning_data_dir")
_CAPTIONS = {
    "shuffle_caption": "shuffle_caption",
    "keep_tokens": "keep_tokens",
    "caption_dropout_rate": "caption_dropout",
    "caption_tag_dropout_rate": "tag_dropout",
}
"""Arguments that are settings of ``[train]``, but give way to a dataset file."""
_OF_BUCKETS = {
    "min_bucket_reso": "minimum",
    "max_bucket_reso": "maximum",
    "bucket_reso_steps": "step",
    "bucket_no_upscale": "no_upscale",
}
_DECIDED = "the project's export decides"


def translate_dataset(book: Book, project: Project) -> str:
    """Choose what is trained on.

    Args:
        book: Of the translation.
        project: Its export is the training set where the file names none that is here.

    Returns:
        The text of a dataset file; empty for the project's export.

    Raises:
        ConfigError: A dataset file that is named is broken.
    """
    named = book.source.place(str(book.get("dataset_config", "")))
    images = book.source.place(str(book.get("train_data_dir", "")))
    if "dataset_config" in book.values and named.is_file():
        table = _completed(book, named)
        book.say("dataset_config", "maps", f"dataset {named}")
    elif "in_json" in book.values and book.source.place(str(book.values["in_json"])).is_file():
        table = _of_metadata(book, images)
    elif "in_json" not in book.values and "train_data_dir" in book.values and images.is_dir():
        table = _of_folders(book, images)
    else:
        for name in ("dataset_config", "in_json", "train_data_dir", "reg_data_dir"):
            book.say(name, "differs", "it is not here: the project is exported and trained on")
        _compare(book, project)
        return ""
    _check(book, table)
    return tomlkit.dumps(table)


def store(text: str, project: Project, source: Path) -> Path:
    """Write a dataset file into the project; one of other content gets another name.

    Raises:
        ConfigError: The folder is a link that leads out of the project.
    """
    name = f"{source.stem}-{text_hash(text)[:8]}.toml"
    file = project.output / "from_kohya" / name
    refuse_links(project, file.parent)
    write_text(file, text)
    return file


def _completed(book: Book, file: Path) -> dict[str, Any]:
    """Return a dataset file with the values that it leaves to the arguments."""
    try:
        table = parse_toml(read_text(file))
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read as TOML: {reason_of(error)}") from error
    if faults := [fault for fault in faults_of(table) if not fault.endswith("is missing")]:
        raise ConfigError(f"{file}: " + "; ".join(faults))
    general = dict(table.get("general", {}))
    for argument, setting in _CAPTIONS.items():
        if argument in book.values:
            general.setdefault(argument, book.values[argument])
            book.settings.pop(setting, None)
            book.say(argument, "maps", "of the dataset, where its file does not say otherwise")
    table["general"] = book.dataset | general
    for dataset in (table["general"], *table.get("datasets", [])):
        for part in (dataset, *dataset.get("subsets", [])):
            for key in _PATHS:
                if key in part:
                    part[key] = str((file.parent / with_home(part[key])).absolute())
    return table


def _of_folders(book: Book, images: Path) -> dict[str, Any]:
    """Return a dataset file for folders named ``10_name``, and those of regularisation images."""
    subsets = _subsets(images)
    if subsets:
        book.say("train_data_dir", "maps", f"{quantity(len(subsets), 'folder')} of {images}")
    else:
        book.say("train_data_dir", "refused", "holds no folder that is named like 10_mychara")
    if "reg_data_dir" in book.values:
        regular = book.source.place(str(book.values["reg_data_dir"]))
        found = [{**subset, "is_reg": True} for subset in _subsets(regular)]
        subsets += found
        if found:
            book.say("reg_data_dir", "maps", f"{quantity(len(found), 'folder')} of {regular}")
        else:
            book.say("reg_data_dir", "refused", "holds no folder that is named like 1_girl")
    return {"general": dict(book.dataset), "datasets": [{"subsets": subsets}]}


def _of_metadata(book: Book, images: Path) -> dict[str, Any]:
    """Return a dataset file for images whose captions are in one file."""
    file = book.source.place(str(book.values["in_json"])).absolute()
    subset: dict[str, Any] = {"metadata_file": str(file)}
    book.say("in_json", "maps", f"captions and tags of {file.name}")
    if "train_data_dir" in book.values:
        subset["image_dir"] = str(images.absolute())
        book.say("train_data_dir", "maps", "where the images of in_json are")
    if "dataset_repeats" in book.values:
        subset["num_repeats"] = book.values["dataset_repeats"]
        book.say("dataset_repeats", "maps", "num_repeats of the dataset")
    book.say("reg_data_dir", "harmless", "sd-scripts reads it without in_json only")
    return {"general": dict(book.dataset), "datasets": [{"subsets": [subset]}]}


def _subsets(parent: Path) -> list[dict[str, Any]]:
    folders = sorted(parent.iterdir()) if parent.is_dir() else []
    found = []
    for folder in folders:
        repeats, name = parse_folder(folder.name)
        if repeats and folder.is_dir():
            place = str(folder.absolute())
            found.append({"image_dir": place, "num_repeats": repeats, "class_tokens": name})
    return found


def _check(book: Book, table: dict[str, Any]) -> None:
    """Say what became of the keys; steps of buckets that no model takes are raised."""
    general = table["general"]
    _refuse_unknown(book)
    for key in book.dataset:
        told = f"{key} of the dataset"
        if key == "bucket_reso_steps" and general[key] % _MULTIPLE:
            general[key] = -(-general[key] // _MULTIPLE) * _MULTIPLE
            book.say(key, "differs", f"{general[key]}: sides are multiples of {_MULTIPLE}")
        elif key == "num_repeats":
            del general[key]
            book.say(key, "harmless", "folders are named with their repeats")
        elif key not in book.lines:
            book.say(key, "maps", told)
    if "resolution" not in general and any("resolution" not in d for d in table["datasets"]):
        raise ConfigError(f"{book.source.path} says no resolution.", "Add resolution = 512.")


def _compare(book: Book, project: Project) -> None:
    """Say how the project's export compares with the arguments."""
    _refuse_unknown(book)
    side = project.settings.project.resolution
    for key, value in book.dataset.items():
        if key == "resolution" and value != [side, side]:
            size = "x".join(map(str, value))
            book.say(key, "differs", f"the project has {side}, not {size}: see [project]")
        elif key in _OF_BUCKETS:
            setting, own = _OF_BUCKETS[key], getattr(project.settings.buckets, _OF_BUCKETS[key])
            outcome: Outcome = "harmless" if own == value else "differs"
            book.say(key, outcome, f"{_DECIDED}: {setting} = {shown(own)} in [buckets]")
        elif key == "enable_bucket" and not value:
            book.say(key, "differs", "exports always have buckets")
        elif key in ("resolution", "enable_bucket"):
            book.say(key, "harmless", "as in the project")
        elif key == "caption_extension":
            book.say(key, "harmless", "the captions of the project are used")
        elif not value or (key, value) in _USUAL:
            book.say(key, "harmless", "it is off")
        else:
            book.say(key, "differs", f"{_DECIDED}: give a dataset file to train with it")


_USUAL = (("token_warmup_min", 1), ("caption_separator", ","), ("num_repeats", 1))


def _refuse_unknown(book: Book) -> None:
    """Refuse what the trainer does not have, whatever it trains on."""
    for key, value in book.dataset.items():
        alone = {"resolution": 512, "subsets": [{"image_dir": "x"}]}
        table = {"general": {key: value}, "datasets": [alone]}
        for fault in faults_of(table):
            if fault.startswith(f"general.{key} "):
                book.say(key, "refused", fault.removeprefix(f"general.{key} "))
