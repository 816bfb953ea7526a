"""Screens: one per stage of the work. They never import each other."""

from tui.screens.crop import CropScreen
from tui.screens.dupes import DupesScreen
from tui.screens.images import ImagesScreen
from tui.screens.plan import PlanScreen
from tui.screens.review import ReviewScreen
from tui.screens.samples import SamplesScreen
from tui.screens.tag import TagScreen
from tui.screens.train import TrainScreen
from tui.stage_screen import StageScreen

SCREENS: dict[str, type[StageScreen]] = {
    screen.MODE: screen
    for screen in (
        ReviewScreen,
        ImagesScreen,
        DupesScreen,
        CropScreen,
        TagScreen,
        PlanScreen,
        TrainScreen,
        SamplesScreen,
    )
}
"""Mode -> screen."""
