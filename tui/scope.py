"""The images that a command is about: those that are selected, those of the filter, or all."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scope:
    """What is chosen in the list of images; it is kept while other stages are in view.

    Attributes:
        selected: Ids of the selected images, in the order of the list.
        where: The filter.
        shown: Number of images that match the filter.
        total: Number of images of the project.
    """

    selected: tuple[int, ...] = ()
    where: str = ""
    shown: int = 0
    total: int = 0

    @property
    def kind(self) -> str:
        """Return what decides: selection, filter or all."""
        return "selection" if self.selected else "filter" if self.where else "all"

    def words(self, kind: str = "") -> str:
        """Describe the scope, or what another kind of it would be.

        Example:
            >>> Scope((7, 8), "hat", 12, 60).words(), Scope((), "hat", 12, 60).words()
            ('2 selected images', 'filter: hat (12 images)')
            >>> Scope((), "", 60, 60).words()
            'all 60 images'
        """
        kind = kind or self.kind
        if kind == "selection":
            return _images(len(self.selected), "selected ")
        if kind == "filter":
            return f"filter: {self.where} ({_images(self.shown)})"
        return f"all {_images(self.total)}" if self.total != 1 else "1 image"


def _images(number: int, which: str = "") -> str:
    return f"{number} {which}image{'' if number == 1 else 's'}"
