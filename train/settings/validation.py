"""How a run is watched: on images that it does not see, on images that it does, and where."""

from pydantic import Field

from prep.section import Section

IMAGES_FILE = "images.json"
"""File of a job with what the run knows about its images."""


class ValidationSettings(Section):
    """How a run is watched: on images that it does not see, on images that it does, and where."""

    validation_fraction: float = Field(0.0, ge=0.0, le=0.5)
    """Share of the images held out of training to measure the validation loss; 0 means none."""
    validate_every_epochs: int = Field(1, ge=1)
    """Measure the validation loss after this many epochs."""
    watched_images: int = Field(4, ge=0, le=256)
    """Training images that are measured in the same way, on fixed noise: what they gain and
    held-out images do not is memorised. 0 means none."""
    tensorboard: bool = False
    """Also write losses, rates and samples for TensorBoard, to output/tensorboard (needs
    shikomi[tensorboard])."""
