"""Events about the world outside of a project: imports, comparisons, permissions, visitors."""

from dataclasses import dataclass, field
from typing import ClassVar

from prep.events.base import Event


@dataclass(frozen=True)
class Imported(Event):
    """One imported image; ``source`` is its origin, ``masks`` the number of its masks.

    ``caption`` says whether one came with it.
    """

    kind: ClassVar[str] = "imported"
    path: str
    source: str
    caption: bool
    masks: int


@dataclass(frozen=True)
class Differs(Event):
    """One thing in which two training sets differ.

    ``what`` is added, removed, moved, pixels, crop, bucket, mask, tags, caption or concept;
    ``before`` and ``after`` are the values, ``added`` and ``removed`` the tags.
    """

    kind: ClassVar[str] = "differs"
    path: str
    what: str
    before: str = ""
    after: str = ""
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    @property
    def problem(self) -> bool:
        """Return True: differences give exit code 1."""
        return True


@dataclass(frozen=True)
class TagDiffers(Event):
    """A tag, and the number of images of both sets in which it was added and removed."""

    kind: ClassVar[str] = "tag_differs"
    name: str
    added: int
    removed: int


@dataclass(frozen=True)
class Allowed(Event):
    """Something that is allowed: a server, or a real folder."""

    kind: ClassVar[str] = "allowed"
    what: str


@dataclass(frozen=True)
class Serving(Event):
    """The server listens; ``url`` opens the application, and holds the token.

    ``loopback`` means that only this machine reaches it.
    """

    kind: ClassVar[str] = "serving"
    url: str
    loopback: bool


@dataclass(frozen=True)
class Visits(Event):
    """Somebody came or went; ``count`` browsers are here now."""

    kind: ClassVar[str] = "visits"
    count: int
