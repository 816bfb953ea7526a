"""Count how the captions of a dataset spell their tags."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from prep import captions
from prep.captions import sentences
from prep.dataset.index import ImageRow


@dataclass
class Usage:
    """Tags of a dataset, with counts of their spellings.

    Attributes:
        spellings: For each key (``captions.key``), the number of images by spelling.
        folders: For each concept folder, the number of images by key.
    """

    spellings: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    folders: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def count(self, rows: Iterable[ImageRow]) -> None:
        """Count the captions of images; sentences and wildcards are not tags."""
        for row in rows:
            if not row.usable or row.caption is None:
                continue
            tags = set(row.tags)
            for tag in tags:
                self.spellings[captions.key(tag)][tag] += 1
            self.folders[row.folder].update(set(captions.keys(tags)))

    def images(self, key: str) -> int:
        """Return about how many images have a tag; one that spells it twice counts twice."""
        return self.spellings[key].total() if key in self.spellings else 0

    def usual(self, key: str) -> str:
        """Return the most frequent spelling, without backslashes before brackets.

        On a tie, the one with spaces.
        """
        counts: Counter[str] = Counter()
        for spelling, images in self.spellings[key].items():
            counts[spelling.replace("\\(", "(").replace("\\)", ")")] += images
        return max(counts.items(), key=lambda item: (item[1], "_" not in item[0]))[0]

    def tags(self) -> dict[str, int]:
        """Return each tag in its usual spelling with its number of images, without sentences."""
        return {self.usual(key): self.images(key) for key in self.spellings if is_tag(key)}


def is_tag(key: str) -> bool:
    """Return whether this piece of a caption is a tag, not running text or a choice ``{a|b}``.

    Example:
        >>> is_tag("long hair"), is_tag("{red|blue} hat")
        (True, False)
    """
    return "{" not in key and "|" not in key.strip("|") and not sentences.is_sentence(key)
