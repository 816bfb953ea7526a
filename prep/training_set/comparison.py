"""Compare two training sets: which images, pixels, crops, masks and tags differ. Pure functions."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from prep import captions
from prep.language import quantity
from prep.system.names import natural_key
from prep.training_set.snapshot import ConceptItem, Snapshot, SnapshotItem

ItemPair = tuple[SnapshotItem | None, SnapshotItem | None]


@dataclass(frozen=True)
class SetDifference:
    """One difference.

    Attributes:
        path: The image (or the name of the concept).
        what: added, removed, moved, pixels, crop, bucket, mask, tags, caption or concept.
        before: Old value as text; empty for none.
        after: New value as text; empty for none.
        added: Added tags.
        removed: Removed tags.
    """

    path: str
    what: str
    before: str = ""
    after: str = ""
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class TagTotal:
    """A tag, and the number of images in which it was added or removed."""

    name: str
    added: int
    removed: int


def compare(before: Snapshot, after: Snapshot) -> list[SetDifference]:
    """Return the differences, concepts first, then by image.

    Images match if they come from the same source file (and are the same crop of it in
    order); else if their bytes are the same, under any name: of their sources, or of one
    export and an import of it; else if they have the same name in the same concept.
    """
    found = list(_concepts(before, after))
    for one, other in _pairs(before.items, after.items):
        found += _images(one, other)
    return found


def totals(differences: Sequence[SetDifference]) -> list[TagTotal]:
    """Return the tags added or removed in images of both sets, most changed first."""
    added = Counter(tag for d in differences if d.what == "tags" for tag in d.added)
    removed = Counter(tag for d in differences if d.what == "tags" for tag in d.removed)
    names = sorted(added.keys() | removed.keys(), key=lambda n: (-(added[n] + removed[n]), n))
    return [TagTotal(name, added[name], removed[name]) for name in names]


def _concepts(before: Snapshot, after: Snapshot) -> Iterator[SetDifference]:
    for name in sorted(before.concepts.keys() | after.concepts.keys(), key=natural_key):
        one, other = before.concepts.get(name), after.concepts.get(name)
        if one != other:
            yield SetDifference(name, "concept", _said(one), _said(other))


def _said(concept: ConceptItem | None) -> str:
    if concept is None:
        return ""
    trigger = f", trigger {concept.trigger}" if concept.trigger else ""
    return f"{quantity(concept.repeats, 'repeat')}{trigger}" + (
        ", regularisation" if concept.regularization else ""
    )


def _pairs(before: Sequence[SnapshotItem], after: Sequence[SnapshotItem]) -> list[ItemPair]:
    """Pair the images of both sides; images without a partner are single."""
    ones, others = _keyed(before), _keyed(after)
    pairs: list[ItemPair] = [(ones[key], others[key]) for key in ones if key in others]
    lost = [item for key, item in ones.items() if key not in others]
    new = [item for key, item in others.items() if key not in ones]
    for mark in (_source_bytes, _file_bytes, _place):
        found, lost, new = _matched(lost, new, mark)
        pairs += found
    pairs += [(item, None) for item in lost]
    pairs += [(None, item) for item in new]
    return sorted(pairs, key=_order)


def _keyed(items: Sequence[SnapshotItem]) -> dict[tuple[str, int], SnapshotItem]:
    """Key images by source and by their index among the crops of that source."""
    seen = Counter[str]()
    keyed = {}
    for item in items:
        keyed[item.source, seen[item.source]] = item
        seen[item.source] += 1
    return keyed


def _matched(
    lost: Sequence[SnapshotItem], new: Sequence[SnapshotItem], mark: Callable[[SnapshotItem], str]
) -> tuple[list[ItemPair], list[SnapshotItem], list[SnapshotItem]]:
    """Pair items with the same mark; return the pairs and the rest of both sides."""
    waiting: defaultdict[str, list[SnapshotItem]] = defaultdict(list)
    for item in new:
        waiting[mark(item)].append(item)
    pairs: list[ItemPair] = []
    alone = []
    for item in lost:
        twins = waiting.get(mark(item)) if mark(item) else None
        if twins:
            pairs.append((item, _closest(item, twins)))
        else:
            alone.append(item)
    return pairs, alone, [item for items in waiting.values() for item in items]


def _source_bytes(item: SnapshotItem) -> str:
    return item.content


def _file_bytes(item: SnapshotItem) -> str:
    return item.file or item.content


def _closest(item: SnapshotItem, twins: list[SnapshotItem]) -> SnapshotItem:
    """Remove and return the twin with the same part of the picture, else the first one."""
    number = next((n for n, twin in enumerate(twins) if twin.part == item.part), 0)
    return twins.pop(number)


def _order(pair: ItemPair) -> str:
    one, other = pair
    item = other or one
    return item.name if item else ""


def _images(one: SnapshotItem | None, other: SnapshotItem | None) -> Iterator[SetDifference]:
    if one is None or other is None:
        if other is not None:
            yield SetDifference(other.name, "added", after=other.caption)
        elif one is not None:
            yield SetDifference(one.name, "removed", before=one.caption)
        return
    path = other.name
    if _place(one) != _place(other):
        yield SetDifference(path, "moved", one.name, other.name)
    yield from _pixels(path, one, other)
    if one.mask != other.mask:
        yield SetDifference(path, "mask", one.mask, other.mask)
    yield from _captions(path, one.caption, other.caption)


def _pixels(path: str, one: SnapshotItem, other: SnapshotItem) -> Iterator[SetDifference]:
    if one.content != other.content:
        if {one.content, one.file} & {other.content, other.file} - {""}:
            # One was made from the export of the other: parts and cuts refer to other pixels.
            if one.bucket and other.bucket and one.bucket != other.bucket:
                yield SetDifference(path, "bucket", _text(one.bucket), _text(other.bucket))
            return
        yield SetDifference(path, "pixels", one.content, other.content)
    if one.part and other.part and one.part != other.part:
        yield SetDifference(path, "crop", _text(one.part), _text(other.part))
    elif one.bucket and other.bucket and (one.bucket, one.cut) != (other.bucket, other.cut):
        yield SetDifference(path, "bucket", _fit(one), _fit(other))


def _place(item: SnapshotItem) -> str:
    """Return the picture's path without its suffix and the repeats of its folder."""
    path = PurePosixPath(item.name).with_suffix("")
    folder = path.parent.name
    number, _, rest = folder.partition("_")
    return f"{rest if number.isdigit() else folder}/{path.name}"


def _captions(path: str, one: str, other: str) -> Iterator[SetDifference]:
    if one == other:
        return
    before, after = captions.split(one), captions.split(other)
    keys_before, keys_after = set(map(captions.key, before)), set(map(captions.key, after))
    added = [tag for tag in after if captions.key(tag) not in keys_before]
    removed = [tag for tag in before if captions.key(tag) not in keys_after]
    # The same tags in another order, in other spellings, or a line other than the first.
    what = "tags" if added or removed else "caption"
    yield SetDifference(path, what, one, other, added, removed)


def _text(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


def _fit(item: SnapshotItem) -> str:
    width, height, *cut = (*item.bucket, *item.cut)
    return f"{width}x{height}" + (f" of {cut[0]}x{cut[1]} at {cut[2]},{cut[3]}" if cut else "")
