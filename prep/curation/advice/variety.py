"""Do backgrounds, framings, poses and faces vary? What never changes is learned with the subject.

The tags are those of booru vocabularies, which WD taggers and most captions of drawings use.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from prep.captions.traits import GROUPS
from prep.events import Advice

_DOMINANT = 0.7
"""A value in more than this share of the images is drawn unasked later."""
_KNOWN = 0.3
"""Below this share of images with any tag of a group nothing can be said about it."""
_DISTINCT = 3
"""A group should have at least so many values."""

_WANTED = {
    "backgrounds": "places, weather and plain colours",
    "framings": "portraits, upper bodies and full bodies",
    "views": "sides and angles",
    "poses": "postures and actions",
    "expressions": "faces",
}


@dataclass(frozen=True)
class Spread:
    """The tags of one group in one concept.

    Attributes:
        images: All images of the concept.
        told: Those with any tag of the group.
        counts: Images by tag, most frequent first.
    """

    images: int
    told: int
    counts: tuple[tuple[str, int], ...]

    @property
    def varied(self) -> int:
        """Values that are in at least two images."""
        return sum(count > 1 for _, count in self.counts)


def spread(tags: list[frozenset[str]], group: str) -> Spread:
    """Count the tags of a group.

    Args:
        tags: For each image the keys of its tags.
        group: One of ``GROUPS``.
    """
    counts: dict[str, int] = {}
    told = 0
    for present in tags:
        found = [tag for tag in GROUPS[group] if tag in present]
        told += bool(found)
        for tag in found:
            counts[tag] = counts.get(tag, 0) + 1
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return Spread(len(tags), told, tuple(ordered))


def variety(folder: str, name: str, tags: list[frozenset[str]]) -> Iterator[Advice]:
    """Yield one point for each group of tags; one for all groups that too few images have.

    Args:
        folder: Of the concept.
        name: Of the concept, for people.
        tags: For each of its images the keys of the tags that are seen in it, or captioned.
    """
    untold: dict[str, int] = {}
    for group in GROUPS:
        found = spread(tags, group)
        if found.told < _KNOWN * found.images or not found.counts:
            untold[group] = found.told
        else:
            yield _judged(folder, name, group, found)
    if untold:
        listed = ", ".join(f"{group} ({told})" for group, told in untold.items())
        message = f"{name}: too few of {len(tags)} images have tags that tell {listed}: not judged."
        hint = "Tag them with a booru tagger (shikomi tag), or look through them yourself."
        topic = "variety" if len(untold) > 1 else next(iter(untold))
        yield Advice("note", topic, folder, message, hint)


def _judged(folder: str, name: str, group: str, found: Spread) -> Advice:
    tag, count = found.counts[0]
    share = count / found.images
    if share > _DOMINANT:
        message = f"{name}: {tag} is in {share:.0%} of the images; the LoRA will draw it unasked."
        hint = (
            f"Collect other {_WANTED[group]}, or keep the tag in every caption, so that"
            " leaving it out of a prompt leaves it out of the picture."
        )
        return Advice("warning", group, folder, message, hint)
    listed = ", ".join(f"{tag} {count}" for tag, count in found.counts[:4])
    if found.varied < _DISTINCT:
        message = f"{name}: the {group} hardly vary ({listed})."
        return Advice("warning", group, folder, message, f"Collect other {_WANTED[group]}.")
    message = f"{name}: {found.varied} {group} in more than one image each ({listed}, …)."
    return Advice("good", group, folder, message)
