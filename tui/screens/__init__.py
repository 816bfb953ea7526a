"""Screens: one per stage of the work. They never import each other.

A screen's module is imported when its stage is opened, or ahead of that when the application has
nothing else to do: all of them together would take half of the time to the first frame.
"""

from importlib import import_module

from tui.stage_screen import StageScreen

SCREENS = {
    "review": "ReviewScreen",
    "images": "ImagesScreen",
    "dupes": "DupesScreen",
    "crop": "CropScreen",
    "tag": "TagScreen",
    "plan": "PlanScreen",
    "train": "TrainScreen",
    "samples": "SamplesScreen",
}
"""Mode, which is also the name of the module -> class."""

_LATER = (
    "prep.ops.complete",
    "prep.ops.tokens",
    "tui.dialogs.history",
    "tui.palette",
    "tui.verbs.screen",
)
"""What neither the first frame nor the module of a screen imports, but a key does."""


def screen_of(mode: str) -> type[StageScreen]:
    """Return the class of a stage's screen; its module is imported by then."""
    found: type[StageScreen] = getattr(import_module(f"tui.screens.{mode}"), SCREENS[mode])
    return found


def read_ahead() -> None:
    """Import what has not been opened yet, so that no key waits for it."""
    for name in (*(f"tui.screens.{mode}" for mode in SCREENS), *_LATER):
        import_module(name)
