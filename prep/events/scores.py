"""Events about stored scores: taggers, thresholds, agreement and doubt."""

from dataclasses import dataclass
from typing import ClassVar

from prep.events.base import Event


@dataclass(frozen=True)
class KnownTagger(Event):
    """A tagger known by name; ``bytes`` is the size of its weights, 0 if not known.

    ``point`` says what its thresholds are; ``gated`` models require that their terms are accepted.
    """

    kind: ClassVar[str] = "known_tagger"
    name: str
    source: str
    bytes: int
    cached: bool
    general: float
    character: float
    licence: str = ""
    gated: bool = False
    point: str = ""


@dataclass(frozen=True)
class KnownDetector(Event):
    """A detector of heads known by name; ``bytes`` is the size of its weights."""

    kind: ClassVar[str] = "known_detector"
    name: str
    source: str
    bytes: int
    cached: bool
    licence: str = ""


@dataclass(frozen=True)
class Downloading(Event):
    """A download begins: ``bytes`` that are missing; ``licence`` is empty if it is not known."""

    kind: ClassVar[str] = "downloading"
    name: str
    source: str
    bytes: int
    licence: str = ""


@dataclass(frozen=True)
class StoredScores(Event):
    """A tagger whose scores are stored; the thresholds are those it recommends."""

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
    """How many tags there would be with the threshold ``general`` for general tags."""

    kind: ClassVar[str] = "sweep"
    general: float
    tags: int
    per_image: float
    none: int


@dataclass(frozen=True)
class Agreement(Event):
    """In how many images both of two taggers find a tag, or only one of them."""

    kind: ClassVar[str] = "agreement"
    tag: str
    both: int
    first: int
    second: int


@dataclass(frozen=True)
class ImageAgreement(Event):
    """The tags that only one of two taggers finds in an image."""

    kind: ClassVar[str] = "image_agreement"
    path: str
    both: int
    first: list[str]
    second: list[str]


@dataclass(frozen=True)
class Doubt(Event):
    """A tag of one image on which caption and tagger disagree, or that is a close call.

    ``reason`` is missing (scored high, but not in the caption), unseen (in the caption, but scored
    low) or near (they agree, but barely); ``present`` says whether the caption has it; ``doubt``
    is 0 to 1, at least 0.5 for disagreements.
    """

    kind: ClassVar[str] = "doubt"
    path: str
    tag: str
    reason: str
    score: float
    threshold: float
    present: bool
    doubt: float
