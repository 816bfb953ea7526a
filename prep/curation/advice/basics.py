"""What every dataset needs: enough images, captions, a trigger word, pixels for its resolution."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache

from prep import captions
from prep.dataset import overlooked, stored_crops
from prep.dataset.index import ImageRow
from prep.events import Advice
from prep.images import crops
from prep.images.buckets import enlargement
from prep.project import FILE_NAME, Concept, Project
from prep.system.names import natural_key

FEWEST, RECOMMENDED = 10, 20
"""Images per concept: below the first number a LoRA copies them, from the second it learns."""
_NAMED = 5
"""Maximum of images listed in one remark."""
_MOST = 0.9
"""Share of images that must be large enough for a higher resolution."""
_USUAL = {"sd15": (512, 768), "sdxl": (1024, 1024)}
"""Usual training resolutions of a family, pixels: (minimum, maximum)."""
_FAMILIES = {"sd15": "SD 1.5", "sdxl": "SDXL"}


def basics(project: Project, rows: Sequence[ImageRow]) -> Iterator[Advice]:
    """Yield warnings about these usable images; nothing if all is well."""
    if not rows:
        hint = f"Put images into {project.dataset}."
        yield Advice("warning", "images", "", "There are no usable images.", hint)
    rows, broken = _by_caption(rows)
    if broken:
        yield Advice(
            "warning",
            "captions",
            "",
            "Images whose captions cannot be read are left out of training:"
            f" {len(broken)} of {len(rows) + len(broken)}.",
            "Most can be saved as UTF-8 with: shikomi check --fix",
            broken[:_NAMED],
        )
    for folder, members in by_folder(rows).items():
        concept = project.concept(folder)
        if not concept.settings.regularization:
            yield from _count(concept, members)
            yield from _captions(project, concept, members)
    yield from _resolution(project, rows)


def _by_caption(rows: Sequence[ImageRow]) -> tuple[list[ImageRow], list[str]]:
    """Return the images that are trained on, and the paths of those with unreadable captions."""
    broken = [row.path for row in rows if row.caption_error is not None]
    return [row for row in rows if row.caption_error is None], broken


def by_folder(rows: Sequence[ImageRow]) -> dict[str, list[ImageRow]]:
    """Return the images of each concept folder, folders in natural order."""
    found: dict[str, list[ImageRow]] = defaultdict(list)
    for row in rows:
        found[row.folder].append(row)
    return dict(sorted(found.items(), key=lambda item: natural_key(item[0])))


def _count(concept: Concept, rows: Sequence[ImageRow]) -> Iterator[Advice]:
    # Copies teach nothing new; they count once as soon as the files have been hashed.
    hashed = all(row.content for row in rows)
    count = len({row.content for row in rows}) if hashed else len(rows)
    different = " different" if count < len(rows) else ""
    hint = f"{RECOMMENDED} to 30 different ones are a good start."
    if count < FEWEST:
        message = f"{concept.name} has {count}{different} images; a LoRA of so few copies them."
        yield Advice("warning", "images", concept.folder, message, hint)
    elif count < RECOMMENDED:
        message = f"{concept.name} has {count}{different} images, which is few."
        yield Advice("warning", "images", concept.folder, message, hint)


def _captions(project: Project, concept: Concept, rows: Sequence[ImageRow]) -> Iterator[Advice]:
    others = overlooked.overlooked(project, rows)
    if others:
        images = f"{len(others)} of {len(rows)} images of {concept.name}"
        text = overlooked.message(list(others.values()), images)
        paths, hint = list(others)[:_NAMED], overlooked.hint(project)
        yield Advice("warning", "captions", concept.folder, text, hint, paths)
    bare = [row.path for row in rows if row.caption is None and row.path not in others]
    if bare:
        yield Advice(
            "warning",
            "captions",
            concept.folder,
            f"{len(bare)} of {len(rows)} images of {concept.name} have no caption.",
            "Caption them with: shikomi tag",
            bare[:_NAMED],
        )
    if not concept.trigger:
        yield Advice(
            "warning",
            "trigger",
            concept.folder,
            f"{concept.name} has no trigger word, so no word in a prompt invokes it.",
            f'Set trigger in [concepts."{concept.folder}"] of {FILE_NAME}.',
        )
        return
    trigger = captions.key(concept.trigger)
    without = [
        row.path
        for row in rows
        if row.caption is not None and trigger not in map(captions.key, row.tags)
    ]
    if without:
        yield Advice(
            "warning",
            "trigger",
            concept.folder,
            f"{len(without)} captions of {concept.name} lack the trigger word {concept.trigger}.",
            "Add it with: shikomi edit --rules",
            without[:_NAMED],
        )


def _resolution(project: Project, rows: Sequence[ImageRow]) -> Iterator[Advice]:
    section = project.settings.project
    least, most = _USUAL[section.family]
    usual = f"{least} to {most} pixels" if least != most else f"{least} pixels"
    family = _FAMILIES[section.family]
    if not least <= section.resolution <= most:
        yield Advice(
            "warning",
            "resolution",
            "",
            f"The resolution {section.resolution} is unusual for {family}, trained at {usual}.",
            f"Set resolution = {least} in [project], unless your base model differs.",
        )
    scales = _scales(project, rows)
    enlarged = [path for path, scale in scales if enlargement(scale)]
    if enlarged:
        yield Advice(
            "warning",
            "resolution",
            "",
            f"{len(enlarged)} of {len(scales)} images are smaller than their bucket and are"
            " enlarged.",
            "Find larger versions, or set no_upscale = true in [buckets]. See: shikomi buckets",
            list(dict.fromkeys(enlarged))[:_NAMED],
        )
    elif section.resolution == least < most and rows:
        factor = most / least
        large = sum(scale * factor <= 1.0 for _, scale in scales)
        if large >= _MOST * len(scales):
            yield Advice(
                "note",
                "resolution",
                "",
                f"{large} of {len(scales)} images are large enough for {most} pixels.",
                f"resolution = {most} keeps finer detail, for {factor**2:.3g} times the work.",
            )


def _scales(project: Project, rows: Sequence[ImageRow]) -> list[tuple[str, float]]:
    """Return (path, scale) of each training image."""
    boxes, buckets = stored_crops.stored(project), project.buckets
    scale = cache(lambda size: buckets.fit(size).scale)
    found = []
    for row in rows:
        size = (row.width, row.height)
        cut = crops.rects(boxes[row.path], size) if row.path in boxes else ()
        found += [(row.path, scale(rect.size)) for rect in cut] or [(row.path, scale(size))]
    return found
