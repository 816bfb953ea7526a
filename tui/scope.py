"""The images that a command is about: those that are selected, those of the filter, or all."""

from dataclasses import dataclass

from prep.language import _, counted


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
            chosen = len(self.selected)
            return counted("{count} selected image", "{count} selected images", chosen)
        if kind == "filter":
            return _("filter: {filter} ({images})").format(
                filter=self.where, images=counted("{count} image", "{count} images", self.shown)
            )
        return counted("the {count} image", "all {count} images", self.total)
