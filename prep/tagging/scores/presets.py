"""Names for several taggers that decide together."""

from collections.abc import Iterable
from dataclasses import dataclass

from prep.tagging.scores.ensemble import Combine


@dataclass(frozen=True)
class Preset:
    """Taggers, and how they are combined."""

    taggers: tuple[str, ...]
    how: Combine


PRESETS = {
    "consensus": Preset(
        ("wd-swinv2-tagger-v3", "wd-eva02-large-tagger-v3", "pixai-tagger-v0.9"), "consensus"
    )
}
"""Presets by name. In a published comparison with tags set by hand, two votes of these three
removed nine of ten tags that PixAI alone made up."""


def expanded(names: Iterable[str]) -> list[str]:
    """Return names of taggers, with those of presets in the places of presets; each once."""
    every = (PRESETS[name].taggers if name in PRESETS else (name,) for name in names)
    return list(dict.fromkeys(name for part in every for name in part))
