"""Advice on variety: what never changes (backgrounds, framings, poses, faces) is learned, too.

The tags are those of booru vocabularies, which WD taggers and most captions of drawings use.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from prep.captions.traits import GROUPS
from prep.events import Advice
from prep.language import quantity

_DOMINANT = 0.7
"""Share of the images above which a tag will be generated without being prompted."""
_KNOWN = 0.3
"""Share of images with any tag of a group below which the group is not judged."""
_DISTINCT = 3
"""Minimum of different tags that a group should have."""

_NAMES = {
    "backgrounds": ("the backgrounds", "{count} backgrounds"),
    "framings": ("the framings", "{count} framings"),
    "views": ("the views", "{count} views"),
    "poses": ("the poses", "{count} poses"),
    "expressions": ("the expressions", "{count} expressions"),
}
"""What the groups are called, and how many of each were found."""
_WANTED = {
    "backgrounds": "places, weather and plain colours",
    "framings": "portraits, upper bodies and full bodies",
    "views": "sides and angles",
    "poses": "postures and actions",
    "expressions": "faces and moods",
}


@dataclass(frozen=True)
class Spread:
    """The tags of one group in one concept.

    Attributes:
        images: All images of the concept.
        tagged: Number of images with any tag of the group.
        counts: Images by tag, most frequent first.
    """

    images: int
    tagged: int
    counts: tuple[tuple[str, int], ...]

    @property
    def varied(self) -> int:
        """Number of tags that are in at least two images."""
        return sum(count > 1 for _, count in self.counts)


def spread(tags: Sequence[Collection[str]], group: str) -> Spread:
    """Count the tags of a group.

    Args:
        tags: For each image, the keys of its tags.
        group: One of ``GROUPS``.
    """
    counts: dict[str, int] = {}
    tagged = 0
    for present in map(frozenset, tags):
        found = [tag for tag in GROUPS[group] if tag in present]
        tagged += bool(found)
        for tag in found:
            counts[tag] = counts.get(tag, 0) + 1
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return Spread(len(tags), tagged, tuple(ordered))


def variety(folder: str, name: str, tags: Sequence[Collection[str]]) -> Iterator[Advice]:
    """Yield one remark per group of tags, and one for all groups with too few images.

    Args:
        folder: Folder of the concept.
        name: Name of the concept, for display.
        tags: For each of its images, the keys of the tags found in it or captioned.
    """
    unjudged: dict[str, int] = {}
    for group in GROUPS:
        found = spread(tags, group)
        if found.tagged < _KNOWN * found.images or not found.counts:
            unjudged[group] = found.tagged
        else:
            yield _judged(folder, name, group, found)
    if unjudged:
        listed = ", ".join(f"{_NAMES[group][0]} ({tagged})" for group, tagged in unjudged.items())
        images = quantity(len(tags), "image")
        message = f"{name}: too few of {images} have tags for {listed}: not judged."
        hint = "Tag them with a booru tagger (shikomi tag), or review them yourself."
        topic = "variety" if len(unjudged) > 1 else next(iter(unjudged))
        yield Advice("note", topic, folder, message, hint)


def _judged(folder: str, name: str, group: str, found: Spread) -> Advice:
    tag, count = found.counts[0]
    share = count / found.images
    if share > _DOMINANT:
        message = f"{name}: {tag} is in {share:.0%} of the images, so it will appear unprompted."
        hint = (
            f"Collect other {_WANTED[group]}, or keep the tag in every caption, so that"
            " leaving it out of a prompt leaves it out of the picture."
        )
        return Advice("warning", group, folder, message, hint)
    listed = ", ".join(f"{tag} {count}" for tag, count in found.counts[:4])
    names, different = _NAMES[group]
    if found.varied < _DISTINCT:
        message = f"{name}: {names} hardly vary ({listed})."
        return Advice("warning", group, folder, message, f"Collect other {_WANTED[group]}.")
    varied = different.format(count=found.varied)
    message = f"{name}: {varied} in more than one image each ({listed}, …)."
    return Advice("good", group, folder, message)
