"""Unwanted elements: what a trigger word learns although nobody wants it to.

What nearly all images of a concept show, and their captions do not name, belongs to the trigger
word afterwards. A background that is always the same, a framing, a signature are such things.
"""

from collections.abc import Iterator

from prep.captions.traits import SHARE
from prep.errors import UserError
from prep.events import Diagnosis, Trait
from prep.language import marked
from prep.ops import prune
from train.doctor.findings import fine, found, percent, unknown
from train.doctor.record import RunRecord
from train.job.frozen import frozen

ELEMENTS = marked("unwanted elements")

_OF_PICTURES = frozenset({"scene", "picture", "pose", "expression"})
"""Kinds of traits that belong to a picture, and not to who is in it."""
_UNNAMED = 0.5
"""Share of captions below which a trait counts as not named."""
_NEVER_ABSENT = 0.97
"""Share from which hardly an image shows the subject without it."""
_TOLD = 5


def unwanted_elements(record: RunRecord) -> Iterator[Diagnosis]:
    """Look at each concept's tags as the tagger sees them and as captions name them."""
    if not _is_export(record):
        yield _from_captions(record)
        return
    try:
        traits = [
            e for e in prune.run(record.project, prune.PruneOptions()) if isinstance(e, Trait)
        ]
    except UserError as error:
        yield unknown(ELEMENTS, error.message, error.hint)
        return
    folders = list(dict.fromkeys(trait.concept for trait in traits))
    scored = any(trait.seen is not None for trait in traits)
    troubled = False
    for folder in folders:
        own = [t for t in traits if t.concept == folder and t.describes in _OF_PICTURES]
        for finding in _of_concept(folder, own, record):
            troubled = True
            yield finding
    if troubled:
        return
    if not scored:
        tag = record.command.replace("shikomi train", "shikomi tag")
        told = "the captions share no background or framing, and no tagger has looked at the images"
        yield unknown(ELEMENTS, told, f"Let one look: {tag}")
        return
    yield fine(
        ELEMENTS, f"nothing but the subject is in {percent(SHARE)} of the images of a concept"
    )


def _is_export(record: RunRecord) -> bool:
    """Return whether it was the project that was trained on: of an export, a run keeps a copy."""
    output = record.project.output / "dataset"
    exported = record.run is not None and record.run.dataset.is_relative_to(output)
    return exported or frozen(record.job.directory) is not None


def _of_concept(folder: str, traits: list[Trait], record: RunRecord) -> Iterator[Diagnosis]:
    """Tell of what is in nearly all images: what captions do not name, then what they do."""
    seen = [t for t in traits if t.seen is not None and t.seen >= SHARE]
    unnamed = [t for t in seen if t.captions < _UNNAMED]
    if unnamed:
        cause = "It becomes part of the trigger word: it appears without being prompted."
        change = f"Name it in the captions, so that it stays separate: {_adding(unnamed, record)}"
        yield found(ELEMENTS, f"{folder}: {_shares(unnamed)}", cause, change)
    always = [
        t for t in traits if t.captions >= _NEVER_ABSENT and t.describes in ("scene", "picture")
    ]
    if always:
        cause = "Named or not, what is never absent cannot be told from the subject."
        change = f"Add images of {folder} that lack it, or crop it away."
        yield found(ELEMENTS, f"{folder}: {_shares(always)}", cause, change)


def _shares(traits: list[Trait]) -> str:
    told = []
    for trait in traits[:_TOLD]:
        seen = "" if trait.seen is None else f"in {percent(trait.seen)} of the images, "
        told.append(f'"{trait.tag}" {seen}in {percent(trait.captions)} of the captions')
    more = len(traits) - _TOLD
    return "; ".join(told) + (f"; and {more} more" if more > 0 else "")


def _adding(traits: list[Trait], record: RunRecord) -> str:
    from shlex import quote

    edit = record.command.replace("shikomi train", "shikomi edit")
    tags = " ".join(f"--add {quote(trait.tag)}" for trait in traits[:_TOLD])
    return f"{edit} {tags} (images without it excepted: --where)"


def _from_captions(record: RunRecord) -> Diagnosis:
    """Judge a dataset of somebody else's by what the run noted of its captions."""
    from prep.editing.prune_advice import kind_of

    if record.images is None:
        return unknown(ELEMENTS, "the run has not noted its captions yet", "Ask again later.")
    always = []
    for folder, tags in record.images.tags.items():
        images = record.images.folders.get(folder, 0)
        always += [
            f'{folder}: "{tag}" in {percent(count / images)} of the captions'
            for tag, count in tags.items()
            if images and count >= _NEVER_ABSENT * images and kind_of(tag) in ("scene", "picture")
        ]
    if always:
        cause = "Named or not, what is never absent cannot be told from the subject."
        return found(ELEMENTS, "; ".join(always[:_TOLD]), cause, "Add images that lack it.")
    return unknown(
        ELEMENTS,
        "the captions share no background or framing; a dataset file of your own was trained on,"
        " whose images no tagger has seen",
        "Import it into a project and tag it: shikomi import, shikomi tag",
    )
