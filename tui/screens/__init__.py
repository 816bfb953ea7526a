"""Screens: one per stage of the work. They never import each other."""

from tui.screens.images import ImagesScreen
from tui.stage_screen import StageScreen

SCREENS: dict[str, type[StageScreen]] = {screen.MODE: screen for screen in (ImagesScreen,)}
"""Mode -> screen."""
