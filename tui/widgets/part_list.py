"""A list of images with what the trainer uses of each."""

from collections.abc import Mapping

from prep.images.buckets import NOTICEABLE
from prep.language import _, ngettext
from tui.widgets.image_list import ImageList, cell_left
from tui.widgets.line_list import Piece, cell

_SIZE, _USED = 10, 16


class PartList(ImageList):
    """Images, one per line, with their sizes and crops.

    Attributes:
        crops: Number of crops by id, for images that have some.
    """

    crops: Mapping[int, int] = {}

    def header(self, width: int) -> str:
        """Return the names of the columns."""
        name = cell("  " + _("image"), self._room(width))
        size = f"{cell(_('size'), _SIZE, right=True)}  " if self._roomy(width) else " "
        return f"{name} {size}{_('used')}"

    def draw(self, index: int, width: int) -> list[Piece]:
        """Return one image as a line."""
        number = self.ids[index]
        row = self._rows.get(number)
        if row is None:
            return [("  ", ""), (cell("…", width - 2), "dim")]
        name = self.name_of(row)
        size = f"{row.width}x{row.height}"
        used, look = self._used(number, (row.width, row.height))
        return [
            ("  ", ""),
            (cell_left(name, self._room(width) - 2), ""),
            (f" {size:>{_SIZE}}  " if self._roomy(width) else "  ", "dim"),
            (cell(used, _USED), look),
        ]

    def _room(self, width: int) -> int:
        return width - _USED - (_SIZE + 3 if self._roomy(width) else 2)

    def _used(self, number: int, size: tuple[int, int]) -> tuple[str, str]:
        """Say what the trainer uses of an image."""
        count = self.crops.get(number, 0)
        if count:
            return ngettext("▣ {count} crop", "▣ {count} crops", count).format(count=count), "key"
        fit = self._session.project.buckets.fit(size)
        if fit.scale >= NOTICEABLE:
            return _("! enlarged {times:.1f}x").format(times=fit.scale), "warn"
        if fit.cut >= 0.005:
            return _("{share:.0%} cut off").format(share=fit.cut), "dim"
        return _("all of it"), "dim"
