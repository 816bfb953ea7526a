"""Stage 1: view the images, write captions, change many at once."""

from tui.screens.images.screen import ImagesScreen as ImagesScreen
