"""Caption rules of ``shikomi.toml``: applied again and again, they change nothing more.

They make the layer between what a tagger saw and what a trainer reads: rename, drop, prune what
the trigger word should absorb, put the trigger word first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from prep import captions
from prep.project import Project


@dataclass(frozen=True)
class Rules:
    """The rules of one concept.

    Attributes:
        trigger: Comes first; empty for none.
        always_first: Come next when present, in this order.
        drop: Never stay.
        replace: Old tag -> new tag.

    Example:
        >>> Rules(trigger="mochi", drop=("bear",)).apply(["bear", "hat"])
        ['mochi', 'hat']
    """

    trigger: str = ""
    always_first: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    replace: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, project: Project, folder: str) -> "Rules":
        """Return the rules for one concept folder of a project."""
        section, concept = project.settings.captions, project.concept(folder)
        return cls(
            concept.trigger,
            section.always_first,
            (*section.drop, *concept.settings.prune),
            section.replace,
        )

    def apply(self, tags: Sequence[str]) -> list[str]:
        """Return the caption's tags; applying twice equals applying once."""
        # The trigger word is no tag: renames must not touch it.
        tags = captions.remove(tags, [self.trigger])
        result = captions.unique(self._renamed(tag) for tag in tags)
        result = captions.remove([tag for tag in result if tag], self.drop)
        result = captions.move_first(result, self.always_first)
        if not self.trigger:
            return result
        return [self.trigger, *captions.remove(result, [self.trigger])]

    def _renamed(self, tag: str) -> str:
        """Follow renames to their end; a circle of renames ends where it closes."""
        table = {captions.key(old): new for old, new in self.replace.items()}
        passed: set[str] = set()
        while (name := captions.key(tag)) in table and name not in passed:
            passed.add(name)
            tag = table[name]
        return tag
