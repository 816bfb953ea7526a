"""Events about words: completion, lint, tokens and simulated captions."""

from dataclasses import dataclass
from typing import ClassVar

from prep.events.base import Event


@dataclass(frozen=True)
class Completion(Event):
    """A tag suggested for a prefix; ``images`` of the dataset have it, ``count`` on the booru."""

    kind: ClassVar[str] = "completion"
    tag: str
    images: int
    count: int
    type: str = ""
    alias: str = ""
    translation: str = ""


@dataclass(frozen=True)
class Lint(Event):
    """A finding about a tag; ``suggestion`` is what it should be, empty for none.

    ``severity`` is warning or info; ``folder`` is set if it concerns only one concept.
    """

    kind: ClassVar[str] = "lint"
    code: str
    severity: str
    tag: str
    images: int
    suggestion: str
    message: str
    folder: str = ""
    fixed: bool = False

    @property
    def problem(self) -> bool:
        """Return whether something is left to do."""
        return self.severity == "warning" and not self.fixed


@dataclass(frozen=True)
class TokenCount(Event):
    """One caption in CLIP tokens; ``cuts`` are the characters that fit into 75, 150 and 225.

    Limits that the caption does not exceed are absent from ``cuts``; ``lost`` is the text past
    ``limit``.
    """

    kind: ClassVar[str] = "tokens"
    path: str
    count: int
    limit: int
    text: str
    cuts: dict[str, int]
    lost: str


@dataclass(frozen=True)
class TagPlace(Event):
    """A tag in simulated epochs: exposures with it, without it, and past each limit."""

    kind: ClassVar[str] = "tag_place"
    tag: str
    trigger: bool
    exposures: int
    dropped: int
    past: dict[str, int]


@dataclass(frozen=True)
class Encoded(Event):
    """A caption as the text encoder gets it in one simulated epoch; ``lost`` is not read."""

    kind: ClassVar[str] = "encoded"
    path: str
    epoch: int
    count: int
    text: str
    lost: str


@dataclass(frozen=True)
class Described(Event):
    """A vision model's description of an image; ``cut`` means that its answer was too long."""

    kind: ClassVar[str] = "described"
    path: str
    text: str
    cut: bool = False
