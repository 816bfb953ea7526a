"""What Textual does for a change of size only: the classes of a screen, in its first frame too."""

from typing import Any

from textual.screen import Screen


def fit(screen: Screen[Any]) -> None:
    """Give a screen that is being composed the classes for the size of the terminal."""
    app = screen.app
    for length, points in zip(
        app.size, (app.HORIZONTAL_BREAKPOINTS, app.VERTICAL_BREAKPOINTS), strict=True
    ):
        screen.add_class(*[name for start, name in points or () if start <= length][-1:])
