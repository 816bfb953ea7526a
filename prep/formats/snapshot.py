"""The snapshot of a dataset that another tool made, to compare it with ours."""

from prep.dataset.masks import mark
from prep.formats.collection import Collection
from prep.formats.folders import caption_text
from prep.project import parse_folder
from prep.system.files import content_hash
from prep.training_set.snapshot import ConceptItem, Snapshot, SnapshotItem


def of_collection(found: Collection) -> Snapshot:
    """Return the snapshot of a dataset that another tool made.

    Raises:
        OSError: A file is missing.
    """
    items = tuple(
        SnapshotItem(
            f"{picture.concept}/{picture.name}",
            f"{picture.concept}/{picture.name}",
            content_hash(picture.file),
            mask=next((mark(f) for s, f in picture.others.items() if s == "-masklabel.png"), ""),
            caption=caption_text(picture.caption) or _trigger(found, picture.concept),
        )
        for picture in found.pictures
    )
    concepts: dict[str, ConceptItem] = {}
    for folder, concept in found.concepts.items():
        number, name = parse_folder(folder)
        repeats = concept.repeats or number or 1
        concepts[name] = ConceptItem(repeats, concept.trigger, concept.regularization)
    return Snapshot(items, concepts)


def _trigger(found: Collection, folder: str) -> str:
    """Return the text on which an image without a caption is trained."""
    concept = found.concepts.get(folder)
    return concept.trigger if concept else ""
