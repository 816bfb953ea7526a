"""Snapshots: the contents of a training set as data, so that two can be compared later.

Each export stores its snapshot in its manifest; the current state of a project, or of any
dataset, has one as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from prep.dataset.index import ImageRow
from prep.training_set import Example, TrainingSet


@dataclass(frozen=True)
class SnapshotItem:
    """One training image in a snapshot.

    Attributes:
        name: Path of the picture in the training set, relative to it.
        source: Path of the source image in its project.
        content: Hash of the source's bytes.
        file: Hash of the exported bytes; empty if unknown.
        part: Part of the source, pixels: left, top, right, bottom; empty if unknown.
        bucket: (width, height) in pixels; empty if unknown.
        cut: How the part was scaled and cropped to the bucket.
        mask: Changes with the mask; empty for none.
        caption: Its text; empty for none.
    """

    name: str
    source: str
    content: str
    file: str = ""
    part: tuple[int, ...] = ()
    bucket: tuple[int, ...] = ()
    cut: tuple[int, ...] = ()
    mask: str = ""
    caption: str = ""


@dataclass(frozen=True)
class ConceptItem:
    """The settings of a concept in a snapshot."""

    repeats: int
    trigger: str = ""
    regularization: bool = False


@dataclass(frozen=True)
class Snapshot:
    """A training set; concepts by name."""

    items: tuple[SnapshotItem, ...] = ()
    concepts: Mapping[str, ConceptItem] = field(default_factory=dict)

    def to_data(self) -> dict[str, Any]:
        """Return it as JSON data, without empty values."""
        items = [
            {key: value for key, value in asdict(item).items() if value} for item in self.items
        ]
        return {"images": items, "concepts": {n: asdict(c) for n, c in self.concepts.items()}}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Snapshot":
        """Read the output of ``to_data``; ignores keys of later versions.

        Raises:
            KeyError, TypeError, AttributeError: The data has another form.
        """
        known = {f.name for f in fields(SnapshotItem)}
        items = tuple(_item(entry, known) for entry in data["images"])
        traits = {f.name for f in fields(ConceptItem)}
        concepts = {
            name: ConceptItem(**{key: value for key, value in entry.items() if key in traits})
            for name, entry in data["concepts"].items()
        }
        return cls(items, concepts)


def _item(entry: Mapping[str, Any], known: set[str]) -> SnapshotItem:
    values: dict[str, Any] = {"source": "", "content": ""}
    for key in known & entry.keys():
        value = entry[key]
        values[key] = tuple(value) if isinstance(value, list) else value
    return SnapshotItem(**values)


def of_training_set(
    wanted: TrainingSet,
    rows: Sequence[ImageRow],
    failed: frozenset[str] = frozenset(),
    exported: Mapping[str, str] | None = None,
) -> Snapshot:
    """Return the snapshot of a planned or finished export.

    Args:
        wanted: The plan.
        rows: The images, hashed.
        failed: Pictures that could not be written.
        exported: Hashes of the pictures that were written, by name.
    """
    exported = exported or {}
    contents = {row.path: row.content or "" for row in rows}
    items = []
    for example in wanted.examples:
        if example.image.name in failed:
            continue
        fit = example.fit
        items.append(
            SnapshotItem(
                example.image.name,
                example.source,
                contents[example.source],
                exported.get(example.image.name, ""),
                example.rect.corners,
                fit.bucket,
                (*fit.resized, fit.left, fit.top),
                _mask_mark(example),
                example.caption.make().decode("utf-8") if example.caption else "",
            )
        )
    concepts = {
        subset.concept.name: ConceptItem(
            subset.concept.repeats,
            subset.concept.trigger,
            subset.concept.settings.regularization,
        )
        for subset in wanted.subsets
    }
    return Snapshot(tuple(items), concepts)


def _mask_mark(example: Example) -> str:
    """Return a text that identifies a drawn mask; transparency belongs to the image itself."""
    words = example.mask.recipe.split() if example.mask else []
    return words[3] if len(words) > 3 and words[2] != "alpha" else ""
