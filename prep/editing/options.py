"""What a bulk edit of captions may do: the options of ``shikomi edit``."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from prep.captions.order import SortOrder
from prep.captions.patterns import Patterns, Renames, Searches, separate
from prep.errors import ConfigError
from prep.project import Section

_PLACE = re.compile(r"front|end|(?:after|before):\s*\S.*")


def _places(moves: dict[str, str]) -> dict[str, str]:
    for tag, place in moves.items():
        if not _PLACE.fullmatch(place):
            raise ValueError(f"move {tag!r} to front, end, after:TAG or before:TAG, not {place!r}")
    return moves


TagsOption = Annotated[tuple[str, ...], AfterValidator(separate)]
Moves = Annotated[Renames, AfterValidator(_places)]
WordStyle = Literal["", "spaces", "underscores"]
Brackets = Literal["", "plain", "escaped"]


class EditOptions(Section):
    """What to do to the captions of the images that match; steps run in the order below."""

    where: str = ""
    """Only images that match this filter; all images when empty."""
    path: tuple[str, ...] = ()
    """Only this image; may be given several times."""
    lines: Literal["first", "all"] = "first"
    """Edit the first line, which trainers read; or all lines, for files with several captions."""
    weights: bool = False
    """These captions have prompt weights: take (smile:1.2) for the tag smile."""
    lower: bool = False
    """Write tags in lower case; the trigger word stays as it is."""
    words: WordStyle = ""
    """Part the words of a tag by spaces or by underscores; faces as ^_^ stay."""
    brackets: Brackets = ""
    """Write brackets plain, as trainers read them, or escaped, with a backslash before each."""
    aliases: tuple[Path, ...] = ()
    """Give tags their proper name, by this CSV of old and new names, or tag list with aliases."""
    implications: tuple[Path, ...] = ()
    """Drop tags that another tag of the caption implies, by this CSV."""
    expand: bool = False
    """Add the implied tags instead, except where they were removed by hand."""
    replace: Renames = Field(default_factory=dict)
    """Rename a tag: --replace.OLD NEW."""
    regex: Patterns = Field(default_factory=dict)
    r"""Replace what a regular expression finds in a tag: --regex.PATTERN REPLACEMENT, where \1 is
    the first group."""
    whole: bool = False
    """Search the whole text of captions with --regex and --find, also sentences and all lines."""
    remove: TagsOption = ()
    """Remove this tag; * stands for anything."""
    add: TagsOption = ()
    """Add this tag at the end, unless it is there."""
    prepend: TagsOption = ()
    """Add this tag at the beginning, unless it is there."""
    move: Moves = Field(default_factory=dict)
    """Move a tag: --move.TAG front, end, after:OTHER or before:OTHER."""
    dedupe: bool = False
    """Drop later spellings of a tag that is there already."""
    sort: tuple[SortOrder, ...] = ()
    """Sort by count (the most frequent of the dataset first), score (what the tagger is surest of
    first), alphabetical, people (how many are in the picture first) or trigger; given several
    times, the last one weighs most."""
    counts: Path | None = None
    """Sort by the counts of this tag list instead of those of the dataset."""
    rules: bool = False
    """Then apply the caption rules of shikomi.toml (trigger word first, prune, drop, replace)."""
    find: Searches = ()
    """Only show what this regular expression finds; nothing is changed."""
    dry_run: bool = False
    """Only show what would change."""
    show: int = Field(20, ge=0)
    """How many changes to print; 0 for all."""

    def check(self) -> None:
        """Check what only options together can get wrong.

        Raises:
            ConfigError: There is nothing to do, or an option lacks the one it belongs to.
        """
        if self.expand and not self.implications:
            raise ConfigError(
                "--expand needs to know what is implied.", "Give --implications FILE."
            )
        if self.counts is not None and "count" not in self.sort:
            raise ConfigError("--counts belongs to --sort count.")
        if not self.title and not self.find:
            raise ConfigError(
                "Nothing to do.",
                "Give --add, --remove, --replace.OLD NEW, --sort, --rules or another change; all:"
                " shikomi edit --help",
            )

        try:
            self.title.encode()
        except UnicodeEncodeError as error:
            raise ConfigError("The options hold bytes that are no UTF-8 text.") from error

    @property
    def title(self) -> str:
        """A line for the history; empty when there is nothing to do."""
        parts = self._normalising()
        parts += [f"replace {old} by {new}" for old, new in self.replace.items()]
        parts += [f"replace /{old}/ by {new}" for old, new in self.regex.items()]
        for verb, tags in (("remove", self.remove), ("add", self.add), ("prepend", self.prepend)):
            parts += [f"{verb} {tag}" for tag in tags]
        parts += [f"move {tag} {place}" for tag, place in self.move.items()]
        if self.dedupe:
            parts.append("drop repeated tags")
        if self.sort:
            parts.append("sort by " + " and ".join(reversed(self.sort)))
        if self.rules:
            parts.append("apply caption rules")
        return ", ".join(parts)

    def _normalising(self) -> list[str]:
        parts = ["lower case"] if self.lower else []
        parts += [self.words] if self.words else []
        parts += [f"{self.brackets} brackets"] if self.brackets else []
        parts += ["resolve aliases"] if self.aliases else []
        if self.implications:
            parts.append("add implied tags" if self.expand else "drop implied tags")
        return parts
