"""Stage 3: the part of each image that the trainer uses, with the trainer's arithmetic."""

from tui.screens.crop.screen import CropScreen as CropScreen
