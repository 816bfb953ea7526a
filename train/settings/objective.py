"""What a step measures: noise and the weighting of the loss."""

from pydantic import Field

from prep.section import Section


class ObjectiveSettings(Section):
    """What a step measures: noise and the weighting of the loss."""

    min_snr_gamma: float = Field(5.0, ge=0)
    """Min-SNR loss weighting: damps nearly clean images, which teach little; 0 switches it off."""
    noise_offset: float = Field(0.0, ge=0, le=1)
    """Shifts the noise of whole images, for very dark or bright pictures; 0.05 to 0.1 is usual."""
