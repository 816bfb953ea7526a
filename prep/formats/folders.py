"""Folders of images with captions beside them: kohya, TagGUI, BooruDatasetTagManager, or plain.

A kohya tree is recognised by its names, ``10_mychara`` and ``reg/1_class``; a folder with images
directly inside is one concept, and one with only subfolders has one concept in each.
"""

from pathlib import Path

from prep.errors import UserError
from prep.formats.collection import (
    Collection,
    SourceCaption,
    SourceConcept,
    leading_tag,
    safe_folder,
)
from prep.formats.sidecars import FolderFiles, below
from prep.images import is_image_name
from prep.language import english
from prep.project import FILE_NAME, Project, parse_folder
from prep.system.names import is_litter_folder, natural_key
from prep.system.walking import files_below
from prep.texts import decoded

_TRAIN_NAMES = ("img", "image", "images", "train", "dataset")
REG_NAMES = ("reg", "regularization", "regularisation")


def read(folder: Path, label: str = "") -> Collection:
    """Read any folder.

    Args:
        folder: The folder given by the user.
        label: Name for a single concept; the folder's name if empty.

    Raises:
        UserError: There are no images, or the folder is not readable.
    """
    if (folder / FILE_NAME).is_file():
        return _project(folder)
    trees = _kohya_trees(folder)
    collection = _tree(trees, folder) if trees else _plain(folder, label or folder.name)
    if not collection.pictures and not collection.skipped:
        raise UserError(f"There are no images in {folder}.", "Check the path.")
    return collection


def _project(folder: Path) -> Collection:
    """Read a shikomi project with its concepts, but without its journal."""
    project = Project.open(folder)
    collection = Collection("shikomi project")
    extension = project.settings.captions.extension
    for child in _folders(project.dataset):
        concept = project.concept(child.name)
        collection.concepts[child.name] = SourceConcept(
            concept.repeats, concept.trigger, concept.settings.regularization
        )
        _add(collection, below(child, child.name, extension))
    loose = below(project.dataset, safe_folder(project.name), extension, deep=False)
    _add(collection, loose)
    return collection


def _kohya_trees(folder: Path) -> list[Path]:
    """Return the concept folders of a kohya tree; empty if this is not one."""
    for root in (folder, *(folder / name for name in _TRAIN_NAMES)):
        found = _numbered(root)
        if found:
            regular = [place for name in REG_NAMES for place in _numbered(folder / name)]
            return [*found, *regular]
    return []


def is_concept(folder: Path) -> bool:
    """Return whether kohya's trainer accepts this folder (``10_mychara``)."""
    return (parse_folder(folder.name)[0] or 0) >= 1


def has_images(folder: Path) -> bool:
    """Return whether there is any image below the folder."""
    return any(files_below(folder, is_image_name))


def _numbered(folder: Path) -> list[Path]:
    return [child for child in _folders(folder) if is_concept(child)]


def _folders(folder: Path) -> list[Path]:
    try:
        children = sorted(folder.iterdir(), key=lambda child: natural_key(child.name))
    except OSError:
        return []
    return [child for child in children if child.is_dir() and not is_litter_folder(child.name)]


def _tree(concepts: list[Path], root: Path) -> Collection:
    collection = Collection("kohya folders")
    nested = 0
    for place in concepts:
        found = below(place, place.name)
        regular = place.parent.name in REG_NAMES
        _, tokens = parse_folder(place.name)
        collection.concepts[place.name] = SourceConcept(
            trigger="" if regular else common_class_tokens(tokens, found), regularization=regular
        )
        nested += sum("/" in picture.name for picture in found.pictures)
        _add(collection, found)
    if nested:
        collection.notes.append(
            (
                english(
                    "{count} image is in a folder below its concept.",
                    "{count} images are in folders below their concept.",
                    nested,
                ),
                "sd-scripts does not read such folders; here they are imported.",
            )
        )
    outside = _unnumbered(root, concepts)
    if outside:
        collection.notes.append(
            (
                f"{', '.join(outside)}: no number before the name, so not part of this kohya tree;"
                " the images in there are not imported.",
                "Import such a folder by itself, or put a number before its name: 1_name.",
            )
        )
    return collection


def common_class_tokens(tokens: str, found: FolderFiles) -> str:
    """Return the class tokens if every caption starts with them: then they are the trigger."""
    texts = [text for picture in found.pictures if (text := caption_text(picture.caption))]
    return tokens if tokens and leading_tag(texts) == tokens else ""


def caption_text(caption: SourceCaption | None) -> str:
    """Return the text of a caption; empty if there is none or it cannot be read."""
    try:
        return decoded(caption.data()) if caption else ""
    except (OSError, UnicodeDecodeError):
        return ""


def _unnumbered(root: Path, concepts: list[Path]) -> list[str]:
    """Return the folders with images that are not part of the tree."""
    taken = {place.name for place in concepts} | {place.parent.name for place in concepts}
    return [child.name for child in _folders(root) if child.name not in taken and has_images(child)]


def _plain(folder: Path, label: str) -> Collection:
    collection = Collection("folder of images")
    right_here = below(folder, "", deep=False)
    if right_here.pictures or not _folders(folder):
        concept = safe_folder(label)
        found = below(folder, concept)
        _, tokens = parse_folder(concept)
        collection.concepts[concept] = SourceConcept(trigger=common_class_tokens(tokens, found))
        _add(collection, found)
        return collection
    collection.skipped += right_here.skipped
    for child in _folders(folder):
        found = below(child, child.name)
        if found.pictures:
            collection.concepts[child.name] = SourceConcept(
                trigger=common_class_tokens(child.name, found)
            )
        _add(collection, found)
    return collection


def _add(collection: Collection, found: FolderFiles) -> None:
    collection.pictures += found.pictures
    collection.skipped += found.skipped
