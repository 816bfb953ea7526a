"""Exposures per epoch of a plan, by concept, bucket, image or tag."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Literal

from prep import captions
from prep.events import Exposure
from prep.images.buckets import Size
from prep.language import quantity
from prep.system.names import natural_key
from prep.training_set.plan import Plan

By = Literal["concept", "bucket", "image", "tag"]

_NO_TAGS = "(no tags)"


def breakdown(plan: Plan, by: By) -> list[Exposure]:
    """Return the exposures per epoch, highest first; buckets by size.

    An image with several tags counts for each of them, so that the shares of tags do not add up
    to 1.
    """
    kinds = {"concept": _concepts, "bucket": _buckets, "image": _images, "tag": _tags}
    return list(kinds[by](plan))


def _concepts(plan: Plan) -> Iterator[Exposure]:
    for concept in sorted(plan.concepts, key=lambda c: (-c.exposures, natural_key(c.name))):
        note = concept.arithmetic.partition(": ")[2]
        yield _line(plan, "concept", concept.name, concept.images, concept.exposures, note=note)


def _buckets(plan: Plan) -> Iterator[Exposure]:
    images: Counter[Size] = Counter()
    counts: Counter[Size] = Counter()
    for seen in plan.seen:
        images[seen.bucket] += not seen.held_out
        counts[seen.bucket] += seen.exposures
    batch = plan.settings.batch_size
    for size, batches in plan.batches.items():
        rest = counts[size] % batch
        note = quantity(batches, "batch", "batches") + (
            f", one of them with {rest} of {batch}" if rest else ""
        )
        name = f"{size[0]}x{size[1]}"
        yield _line(plan, "bucket", name, images[size], counts[size], note=note)


def _images(plan: Plan) -> Iterator[Exposure]:
    parts: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    held: Counter[str] = Counter()
    concepts: dict[str, str] = {}
    for seen in plan.seen:
        path = seen.item.path
        parts[path] += 1
        counts[path] += seen.exposures
        held[path] += seen.held_out
        concepts[path] = seen.item.concept
    for path, _ in sorted(counts.items(), key=lambda pair: (-pair[1], natural_key(pair[0]))):
        notes = [f"{parts[path]} crops"] if parts[path] > 1 else []
        if held[path]:
            notes.append("held out for validation")
        yield _line(
            plan, "image", path, parts[path], counts[path], concepts[path], ", ".join(notes)
        )


def _tags(plan: Plan) -> Iterator[Exposure]:
    images: Counter[str] = Counter()
    counts: dict[str, float] = defaultdict(float)
    names: dict[str, str] = {}
    for seen in plan.seen:
        shares = dict(seen.item.tags)
        for tag in captions.unique(shares) or [_NO_TAGS]:
            key = captions.key(tag)
            names.setdefault(key, tag)
            images[key] += not seen.held_out
            counts[key] += seen.exposures * shares.get(tag, 1.0)
    for key, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        yield _line(plan, "tag", names[key], images[key], round(count))


def _line(
    plan: Plan, by: By, name: str, images: int, exposures: int, concept: str = "", note: str = ""
) -> Exposure:
    share = round(exposures / plan.exposures, 4)
    return Exposure(by, name, images, exposures, share, concept, note)
