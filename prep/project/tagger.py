"""The tagger's table in ``shikomi.toml``."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from prep.captions.patterns import flat
from prep.section import Section

GENERAL, CHARACTER = 0.35, 0.85
"""Default thresholds, for taggers that recommend none."""
CATEGORIES = ("artist", "copyright", "meta", "quality", "model", "year")
"""Categories besides general and character, used by some taggers."""

CategoryPlace = Literal["", "first", "last"]


def _categories(value: Any) -> Any:
    for name in value if isinstance(value, Mapping) else ():
        if name not in CATEGORIES:
            raise ValueError(f"{name!r} is not a category; known: {', '.join(CATEGORIES)}")
    return value


def _place(value: Any) -> Any:
    return {True: "last", False: ""}.get(value, value) if isinstance(value, bool) else value


Threshold = Annotated[float, Field(ge=0.0, le=1.0)]
ByTag = Annotated[dict[str, Threshold], BeforeValidator(flat)]
"""Tag -> threshold."""
ByCategory = Annotated[dict[str, Threshold], BeforeValidator(_categories)]
"""Category -> threshold."""


class TaggerSection(Section):
    """The tagger: which one, its thresholds, and how its tags are written."""

    model: str = ""
    """A folder with a model and its tag list, a known name, a name on the Hugging Face hub, or
    consensus (what two of three taggers find)."""
    general: Threshold | None = None
    """Threshold of general tags; by default the one that the tagger recommends."""
    character: Threshold | None = None
    """Threshold of character tags; by default the one that the tagger recommends."""
    categories: ByCategory = Field(default_factory=dict)
    """Thresholds of other categories: artist, copyright, meta, quality, model, year; by default
    that of general tags."""
    tags: ByTag = Field(default_factory=dict)
    """Thresholds of single tags."""
    ratings: Annotated[CategoryPlace, BeforeValidator(_place)] = ""
    """Write the rating as a tag: first (behind the trigger word and always_first) or last."""
    characters: CategoryPlace = ""
    """Where character names go: first (behind the trigger word and always_first), last, or
    or by their scores, like other tags."""
    expand_characters: bool = False
    """Write the character `name_(series)` as two tags, name and series."""

    def pair(
        self, general: float | None = None, character: float | None = None
    ) -> tuple[float, float]:
        """Return the thresholds of general and character tags.

        Args:
            general: The tagger's recommendation, if any.
            character: Like ``general``.
        """
        asked = ((self.general, general, GENERAL), (self.character, character, CHARACTER))
        first, second = (next(x for x in one if x is not None) for one in asked)
        return first, second
