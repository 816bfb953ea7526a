"""How the captions of a dataset spell their tags, counted."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from prep import captions
from prep.captions import sentences
from prep.dataset.index import ImageRow


@dataclass
class Usage:
    """Tags and their spellings.

    Attributes:
        spellings: For each key (``captions.key``) how many images spell it how.
        folders: For each concept folder how many images have each key.
    """

    spellings: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    folders: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def count(self, rows: Iterable[ImageRow]) -> None:
        """Count the captions of images; sentences and wildcards are no tags."""
        for row in rows:
            if not row.usable or row.caption is None:
                continue
            tags = set(row.tags)
            for tag in tags:
                self.spellings[captions.key(tag)][tag] += 1
            self.folders[row.folder].update(set(captions.keys(tags)))

    def images(self, key: str) -> int:
        """Return how many images have a tag, about: one that spells it twice counts twice."""
        return self.spellings[key].total() if key in self.spellings else 0

    def usual(self, key: str) -> str:
        """Return the spelling that most images have, without backslashes before brackets.

        Of equals the one with spaces.
        """
        counts: Counter[str] = Counter()
        for spelling, images in self.spellings[key].items():
            counts[spelling.replace("\\(", "(").replace("\\)", ")")] += images
        return max(counts.items(), key=lambda item: (item[1], "_" not in item[0]))[0]

    def tags(self) -> dict[str, int]:
        """Return each tag in its usual spelling with its images; sentences left out."""
        return {self.usual(key): self.images(key) for key in self.spellings if is_tag(key)}


def is_tag(key: str) -> bool:
    """Is this piece of a caption a tag, rather than running text or a choice ``{a|b}``?

    Example:
        >>> is_tag("long hair"), is_tag("{red|blue} hat")
        (True, False)
    """
    return "{" not in key and "|" not in key.strip("|") and not sentences.is_sentence(key)
