"""Events about stored scores: taggers, thresholds, agreement and doubt."""

from dataclasses import dataclass
from typing import ClassVar

from prep.events.base import Event


@dataclass(frozen=True)
class KnownTagger(Event):
    """A tagger that has a name here; ``bytes`` of its weights is 0 when that is not known."""

    kind: ClassVar[str] = "known_tagger"
    name: str
    source: str
    bytes: int
    cached: bool
    general: float
    character: float


@dataclass(frozen=True)
class StoredScores(Event):
    """A tagger whose scores are kept here; thresholds are those that it recommends."""

    kind: ClassVar[str] = "stored_scores"
    name: str
    key: str
    images: int
    tags: int
    bytes: int
    general: float | None = None
    character: float | None = None


@dataclass(frozen=True)
class TagShift(Event):
    """How many images have a tag at other thresholds; ``added`` get it and ``removed`` lose it."""

    kind: ClassVar[str] = "tag_shift"
    tag: str
    before: int
    after: int
    added: int
    removed: int


@dataclass(frozen=True)
class Sweep(Event):
    """How many tags there would be if general tags counted from ``general`` on."""

    kind: ClassVar[str] = "sweep"
    general: float
    tags: int
    per_image: float
    none: int


@dataclass(frozen=True)
class Agreement(Event):
    """In how many images two taggers see a tag: both of them, or only one."""

    kind: ClassVar[str] = "agreement"
    tag: str
    both: int
    first: int
    second: int


@dataclass(frozen=True)
class ImageAgreement(Event):
    """What only one of two taggers sees in an image."""

    kind: ClassVar[str] = "image_agreement"
    path: str
    both: int
    first: list[str]
    second: list[str]


@dataclass(frozen=True)
class Doubt(Event):
    """A tag of one image that captions and tagger do not agree on, or that is a close call.

    ``reason`` is missing (scored high, but not in the caption), unseen (in the caption, but scored
    low) or near (they agree, but barely); ``present`` says whether the caption has it; ``doubt``
    is 0 to 1, from 0.5 on for disagreements.
    """

    kind: ClassVar[str] = "doubt"
    path: str
    tag: str
    reason: str
    score: float
    threshold: float
    present: bool
    doubt: float
