"""Events about images, captions and training sets."""

from dataclasses import dataclass, field
from typing import ClassVar

from prep.events.base import Event


@dataclass(frozen=True)
class Group(Event):
    """Images that show the same picture, or are related (variant, crop).

    ``distances`` are in bits from ``keep``, per image; ``details`` say how each is related to it,
    and ``why`` is the reason to keep that one. ``turns`` are indices into
    ``prep.curation.duplicates.neighbours.TURNS``: the transform from ``keep`` to each image.
    """

    kind: ClassVar[str] = "group"
    reason: str
    images: list[str]
    keep: str
    distances: list[int]
    why: str = ""
    details: list[str] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Tags(Event):
    """What the tagger found in one image: ``tags`` is ``[[name, score], ...]``, best first."""

    kind: ClassVar[str] = "tags"
    path: str
    rating: str
    tags: list[tuple[str, float]]


@dataclass(frozen=True)
class Change(Event):
    """One change of an edit, before and after.

    ``what`` is caption, excluded, crops, moved, content, answers or decisions. Captions are texts,
    ``None`` for no file; the bytes of other files are shown as text.
    """

    kind: ClassVar[str] = "change"
    path: str
    before: str | None
    after: str | None
    what: str = "caption"


@dataclass(frozen=True)
class Match(Event):
    """What a search found in one caption: tags, or parts of its text."""

    kind: ClassVar[str] = "match"
    path: str
    found: list[str]


@dataclass(frozen=True)
class Finding(Event):
    """A problem for trainers; ``severity`` is error, warning or info.

    ``consequence`` says what happens then, ``fix`` what to do; ``fixable`` means that
    ``check --fix`` fixes it.
    """

    kind: ClassVar[str] = "finding"
    code: str
    severity: str
    path: str
    message: str
    fixable: bool
    consequence: str = ""
    fix: str = ""
    title: str = ""


@dataclass(frozen=True)
class Trait(Event):
    """A tag that nearly all images of a concept have, and what deleting or keeping it means.

    ``captions`` and ``seen`` are shares, 0 to 1, of the captions and of the tagger's findings.
    """

    kind: ClassVar[str] = "trait"
    concept: str
    tag: str
    describes: str
    captions: float
    seen: float | None
    suggested: bool
    advice: str


@dataclass(frozen=True)
class Image(Event):
    """One image of a listing; ``width`` and ``height`` are pixels after EXIF rotation."""

    kind: ClassVar[str] = "image"
    path: str
    width: int
    height: int
    caption: str | None
    excluded: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class TagCount(Event):
    """One tag and the number of images whose caption has it."""

    kind: ClassVar[str] = "tag"
    name: str
    count: int
    translation: str = ""


@dataclass(frozen=True)
class HistoryEntry(Event):
    """One edit of the journal.

    ``state`` is done or undone, ``kinds`` counts the changes, ``author`` is the front end that
    made it.
    """

    kind: ClassVar[str] = "edit"
    id: int
    time: float
    title: str
    state: str
    changes: int
    kinds: dict[str, int] = field(default_factory=dict)
    author: str = ""


@dataclass(frozen=True)
class Bucket(Event):
    """One bucket and the images that a trainer puts into it.

    ``parts`` are the pixels used of each image: [left, top, right, bottom]. ``exposures`` is
    images x repeats, in ``batches`` per epoch; ``rest`` exposures do not fill a batch.
    """

    kind: ClassVar[str] = "bucket"
    width: int
    height: int
    images: list[str]
    parts: list[tuple[int, int, int, int]] = field(default_factory=list)
    exposures: int = 0
    batches: int = 0
    rest: int = 0


@dataclass(frozen=True)
class Crop(Event):
    """The crops of an image; none if all of it is trained on.

    ``boxes`` are [x, y, width, height] as fractions of the upright image of ``width`` x ``height``
    pixels, ``parts`` the same in pixels, [left, top, right, bottom], and ``buckets`` their buckets,
    [width, height].
    """

    kind: ClassVar[str] = "crop"
    path: str
    width: int
    height: int
    boxes: list[list[float]]
    parts: list[list[int]]
    buckets: list[list[int]]


@dataclass(frozen=True)
class Seen(Event):
    """What a trainer uses of one image, or of one crop of it.

    ``part`` is [left, top, right, bottom], the pixels that it uses; ``bucket`` and ``scaled`` are
    [width, height], empty if it does not read the file; ``strips`` are the pixels of the scaled
    image cut off on each side, in the order of ``part``; ``cut`` is their share, 0 to 1.
    """

    kind: ClassVar[str] = "seen"
    path: str
    trainer: str
    part: list[int]
    bucket: list[int]
    scaled: list[int]
    strips: list[int]
    scale: float
    cut: float
    notes: list[str]


@dataclass(frozen=True)
class Concept(Event):
    """One line of the step arithmetic: ``exposures`` = images x repeats, per epoch.

    ``held_out`` of the images are not trained on but used for validation.
    """

    kind: ClassVar[str] = "concept"
    name: str
    images: int
    repeats: int
    exposures: int
    held_out: int = 0
    folder: str = ""


@dataclass(frozen=True)
class Exposure(Event):
    """How often an epoch shows one concept, bucket, image or tag; ``by`` says which.

    ``images`` counts training images; ``share`` is of all exposures of the epoch, 0 to 1.
    """

    kind: ClassVar[str] = "exposure"
    by: str
    name: str
    images: int
    exposures: int
    share: float
    concept: str = ""
    note: str = ""


@dataclass(frozen=True)
class Proposal(Event):
    """Suggested repeats for one concept folder, with the exposures per epoch before and after."""

    kind: ClassVar[str] = "proposal"
    folder: str
    images: int
    repeats: int
    proposed: int
    exposures: int
    balanced: int


@dataclass(frozen=True)
class Advice(Event):
    """One remark on the whole dataset; ``level`` is good, note or warning.

    ``hint`` says what to do; ``images`` are those it concerns, if there are few.
    """

    kind: ClassVar[str] = "advice"
    level: str
    topic: str
    folder: str
    message: str
    hint: str = ""
    images: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Quality(Event):
    """A quality measure of one training image that is beyond its threshold.

    ``part`` is [left, top, right, bottom], the pixels of the image that form this training image.
    ``explanation`` says what it means for training; ``found`` is False in plain listings.
    """

    kind: ClassVar[str] = "quality"
    path: str
    measure: str
    value: float
    threshold: float
    explanation: str
    part: list[int] = field(default_factory=list)
    found: bool = True


@dataclass(frozen=True)
class Waiting(Event):
    """Something that waits for a decision; ``about`` is its kind, ``yes`` what would be done.

    ``code`` is what was found, where a kind finds several things.

    ``images`` are those it concerns, the one that would stay first; ``yes``, ``fix`` and
    ``instead`` are empty if there is nothing to propose.
    """

    kind: ClassVar[str] = "waiting"
    about: str
    images: list[str]
    title: str
    reason: str
    yes: str = ""
    no: str = ""
    fix: str = ""
    instead: str = ""
    code: str = ""


@dataclass(frozen=True)
class Heads(Event):
    """The heads in an image; each is [left, top, right, bottom], pixels of the upright image.

    ``scores`` are those of the detector, 0 to 1. ``cut`` has a clause for each head of which
    training would show too little.
    """

    kind: ClassVar[str] = "heads"
    path: str
    heads: list[list[int]]
    scores: list[float]
    cut: list[str]
