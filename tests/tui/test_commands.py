import subprocess
import sys
from inspect import isfunction
from pathlib import Path

from textual.binding import Binding

from tui import commands
from tui.app import ShikomiApp
from tui.dialogs.edit_tags import EditTags  # noqa: F401  (the dialogs load, too)
from tui.palette import TableProvider
from tui.screens import SCREENS, screen_of
from tui.stage_screen import StageScreen
from tui.stages import SHORT
from tui.verbs.screen import VerbScreen
from tui.widgets.caption_editor import CaptionEditor
from tui.widgets.crop_picture import CropPicture
from tui.widgets.line_list import LineList
from tui.widgets.log_view import LogView
from tui.widgets.sample_grid import SampleGrid
from tui.widgets.slider import Slider
from tui.widgets.tag_chips import TagChips
from tui.widgets.tag_panel import TagPanel
from tui.widgets.tagger_panel import TaggerPanel
from tui.widgets.threshold_panel import ThresholdPanel

ROOT = Path(__file__).resolve().parent.parent.parent


def test_every_command_has_its_method() -> None:
    owners = {"app": ShikomiApp, "list": LineList, "editor": CaptionEditor}
    owners |= {mode: screen_of(mode) for mode in SCREENS}
    owners |= {"verb": VerbScreen, "chips": TagChips, "tagpanel": TagPanel}
    owners["verb"] = VerbScreen
    owners |= {"log": LogView, "grid": SampleGrid}
    owners |= {"thresholds": ThresholdPanel, "slider": Slider, "taggers": TaggerPanel}
    owners["picture"] = StageScreen
    owners["box"] = CropPicture
    missing = [
        command.action
        for command in commands.COMMANDS
        if not hasattr(owners[command.scope], f"action_{command.action.partition('(')[0]}")
    ]
    assert missing == []


def test_no_key_means_two_things_in_one_place() -> None:
    for mode in SCREENS:
        keys = [key for c in commands.of("app", "picture", mode) for key in c.key.split(",")]
        assert len(keys) == len(set(keys)), mode


def test_names_for_keymaps_are_unique() -> None:
    names = [command.id for command in commands.COMMANDS]
    assert len(names) == len(set(names))


def test_stages_are_named_everywhere() -> None:
    assert list(SCREENS) == list(SHORT) == list(commands.STAGE_KEYS)


def test_bindings_carry_help() -> None:
    found = commands.bindings("app")
    assert all(isinstance(binding, Binding) and binding.tooltip for binding in found)


def test_the_palette_offers_the_table() -> None:
    offered = [provider() for provider in ShikomiApp.COMMANDS if isfunction(provider)]
    assert TableProvider in offered


HEAVY = ("cv2", "diffusers", "onnxruntime", "scipy", "torch", "transformers")
"""Packages that no picture and no job of the first frame needs."""
LATER = ("prep.ops", "prep.tagging", "prep.training_set", "train.config", "tui.verbs.screen")
"""Rooms of which nothing is on the first frame."""
FIRST_FRAME = f"""\
import asyncio, sys
from pathlib import Path
from prep.project import Project
from tui.app import ShikomiApp

found = []

def shown(app):
    if app.current_mode == "images":
        found.append(sorted({{*{HEAVY + LATER!r}}} & set(sys.modules)))

async def main():
    ShikomiApp.post_display_hook = shown
    async with ShikomiApp(Project.open(Path(sys.argv[1]))).run_test():
        pass

asyncio.run(main())
print(found[0])
"""


def test_the_first_frame_imports_little(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FIRST_FRAME, str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
