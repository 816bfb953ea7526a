"""How the run is measured on images that it does not see."""

from pydantic import Field

from prep.section import Section


class ValidationSettings(Section):
    """How the run is measured on images that it does not see."""

    validation_fraction: float = Field(0.0, ge=0.0, le=0.5)
    """Share of the images held out of training to measure the validation loss; 0 means none."""
    validate_every_epochs: int = Field(1, ge=1)
    """Measure the validation loss after this many epochs."""
