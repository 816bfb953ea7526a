"""The options of ``shikomi edit``, the bulk edits of captions."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from prep.captions.order import SortOrder
from prep.captions.patterns import Patterns, Renames, Searches, separate
from prep.errors import ConfigError
from prep.project import Section
from prep.section import TagText

_PLACE = re.compile(r"front|end|(?:after|before):\s*\S.*")


def _places(moves: dict[str, str]) -> dict[str, str]:
    for tag, place in moves.items():
        if not _PLACE.fullmatch(place):
            raise ValueError(f"move {tag!r} to front, end, after:TAG or before:TAG, not {place!r}")
    return moves


TagsOption = Annotated[tuple[str, ...], AfterValidator(separate)]
NewTags = Annotated[tuple[TagText, ...], AfterValidator(separate)]
Moves = Annotated[Renames, AfterValidator(_places)]
WordStyle = Literal["", "spaces", "underscores"]
Brackets = Literal["", "plain", "escaped"]


class EditOptions(Section):
    """What to do to the captions of the images that match; steps run in the order below."""

    where: str = ""
    """Only images that match this filter."""
    path: tuple[str, ...] = ()
    """Only the image with this path; repeatable."""
    lines: Literal["first", "all"] = "first"
    """Which lines to edit: first (what trainers read) or all (files with several captions)."""
    weights: bool = False
    """Captions contain prompt weights: treat (smile:1.2) as the tag smile."""
    lower: bool = False
    """Convert tags to lower case, except the trigger word."""
    words: WordStyle = ""
    """Separate the words of tags by spaces or underscores; faces such as ^_^ stay."""
    brackets: Brackets = ""
    """Write brackets plain, as trainers read them, or escaped with a backslash."""
    aliases: tuple[Path, ...] = ()
    """Rename tags by this CSV file of old and new names, or tag list with aliases; repeatable."""
    implications: tuple[Path, ...] = ()
    """Remove tags that are implied by another tag, according to this CSV file; repeatable."""
    expand: bool = False
    """With --implications: add implied tags instead, except where they were removed by hand."""
    replace: Renames = Field(default_factory=dict)
    """Rename a tag: --replace.OLD NEW; repeatable."""
    regex: Patterns = Field(default_factory=dict)
    r"""Replace what a regular expression matches in tags: --regex.PATTERN REPLACEMENT, with \1 for
    the first group; repeatable."""
    whole: bool = False
    """With --regex and --find: search the whole text of captions, not only tags."""
    remove: TagsOption = ()
    """Remove this tag; * matches anything; repeatable."""
    add: NewTags = ()
    """Add this tag at the end, unless it is present; repeatable."""
    prepend: NewTags = ()
    """Add this tag at the beginning, unless it is present; repeatable."""
    move: Moves = Field(default_factory=dict)
    """Move a tag: --move.TAG front, end, after:OTHER or before:OTHER; repeatable."""
    dedupe: bool = False
    """Remove repetitions of a tag, also in another spelling."""
    sort: tuple[SortOrder, ...] = ()
    """Sort tags: count (the most frequent in the dataset first), score (the best of the tagger
    first), alphabetical, people (1girl, solo, ... first) or trigger (trigger word first).
    Repeatable, the most important last."""
    counts: Path | None = None
    """With --sort count: use the counts of this tag list instead of those of the dataset."""
    rules: bool = False
    """Last, apply the caption rules of shikomi.toml (trigger word first, prune, drop, replace)."""
    find: Searches = ()
    """Only show matches of this regular expression, change nothing; repeatable."""
    dry_run: bool = False
    """Only show what would change."""
    show: int = Field(20, ge=0)
    """Number of changes to print; 0 for all."""

    def check(self) -> None:
        """Check the combination of options.

        Raises:
            ConfigError: There is nothing to do, or an option is missing the one it requires.
        """
        if self.expand and not self.implications:
            raise ConfigError("--expand requires --implications.", "Give --implications FILE.")
        if self.counts is not None and "count" not in self.sort:
            raise ConfigError(
                "--counts requires --sort count.", "Add --sort count, or omit --counts."
            )
        if not self.title and not self.find:
            raise ConfigError(
                "Nothing to do.",
                "Give --add, --remove, --replace.OLD NEW, --sort, --rules or another change; all:"
                " shikomi edit --help",
            )

        try:
            self.title.encode()
        except UnicodeEncodeError as error:
            raise ConfigError("The options contain bytes that are not UTF-8.") from error

    @property
    def title(self) -> str:
        """A line for the history; empty if there is nothing to do."""
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
