"""What a step measures: noise, timesteps, and the weighting of the loss."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from prep.errors import ConfigError
from prep.section import Section

LossType = Literal["l2", "huber", "smooth_l1"]
HuberSchedule = Literal["constant", "exponential", "snr"]


class ObjectiveSettings(Section):
    """What a step measures: noise, timesteps, and the weighting of the loss."""

    min_snr_gamma: float = Field(5.0, ge=0)
    """Min-SNR loss weighting: damps nearly clean images, which teach little. 5 is usual, 1 damps
    more, 0 switches it off."""
    debiased_estimation_loss: bool = False
    """Weigh timesteps by 1 / sqrt(SNR) (1 / (SNR + 1) for v-prediction): noisy images count more.
    In place of min-SNR: needs min_snr_gamma = 0."""
    scale_v_pred_loss_like_noise_pred: bool = False
    """For v-prediction models: weigh timesteps as predicting noise would, SNR / (SNR + 1)."""
    v_pred_like_loss: float = Field(0.0, ge=0, le=10)
    """For epsilon models: add this share of the loss as v-prediction would weigh it; 0 to 1."""
    loss_type: LossType = "l2"
    """l2 is the squared error; huber and smooth_l1 grow only linearly beyond a threshold, so that
    odd pixels pull less."""
    huber_schedule: HuberSchedule = "snr"
    """How the threshold of huber and smooth_l1 depends on the timestep: constant; exponential falls
    from clean to noisy images, snr does so with the noise in the image."""
    huber_c: float = Field(0.1, gt=0, le=10)
    """The threshold (constant), or what it falls to (exponential, snr)."""
    huber_scale: float = Field(1.0, gt=0, le=100)
    """Multiplies the threshold of constant and exponential."""
    noise_offset: float = Field(0.0, ge=0, le=1)
    """Shifts the noise of whole images, for very dark or bright pictures; 0.03 to 0.1 is usual. Not
    for models with zero terminal SNR, which need none."""
    noise_offset_random_strength: bool = False
    """Draw the strength for each image between 0 and noise_offset."""
    adaptive_noise_scale: float = Field(0.0, ge=-1, le=1)
    """Raise noise_offset by this times the mean of each latent channel; negative lowers it. Needs
    noise_offset."""
    multires_noise_iterations: int = Field(0, ge=0, le=16)
    """Pyramid noise: add noise of this many coarser resolutions, as noise_offset at all scales; 6
    to 10 is usual, 0 switches it off."""
    multires_noise_discount: float = Field(0.3, ge=0, le=1)
    """How much each coarser resolution of pyramid noise counts, as a share of the one before; 0.1
    to 0.3 for small sets, up to 0.8 for large ones."""
    ip_noise_gamma: float = Field(0.0, ge=0, le=1)
    """Input perturbation: more noise in the input than is to be predicted, against errors that add
    up while drawing; 0.05 to 0.1 is usual."""
    ip_noise_gamma_random_strength: bool = False
    """Draw the strength for each image between 0 and ip_noise_gamma."""
    min_timestep: int = Field(0, ge=0, le=999)
    """Train only at this timestep and noisier ones, 0 to 999: large values teach composition."""
    max_timestep: int = Field(1000, ge=1, le=1000, validate_default=True)
    """Train only below this timestep, 1 to 1000: small values teach details."""
    timestep_sampling: Literal["uniform", "logit_normal"] = "uniform"
    """Which timesteps within the range come how often: all alike, or those in the middle most."""
    prior_loss_weight: float = Field(1.0, ge=0, le=10)
    """How much regularisation images count; 1 as much as the others."""
    masked_loss: bool = False
    """Export the masks of the project, also transparency, into the alpha channels of the training
    set: what they paint black is not learned. A dataset file of your own says so itself."""

    @field_validator("debiased_estimation_loss")
    @classmethod
    def _one_weighting(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("min_snr_gamma"):
            raise ValueError("it takes the place of min-SNR: set min_snr_gamma = 0")
        return value

    @field_validator("adaptive_noise_scale")
    @classmethod
    def _needs_offset(cls, value: float, info: ValidationInfo) -> float:
        if value and not info.data.get("noise_offset"):
            raise ValueError("it changes noise_offset, which is 0: set noise_offset = 0.05")
        return value

    @field_validator("max_timestep")
    @classmethod
    def _above_minimum(cls, value: int, info: ValidationInfo) -> int:
        if value <= info.data.get("min_timestep", 0):
            raise ValueError(f"must be above min_timestep, {info.data['min_timestep']}")
        return value

    def check_prediction(self, prediction: str) -> None:
        """Refuse weightings that are for models of the other prediction, as sd-scripts does.

        Args:
            prediction: What the base model predicts: epsilon or v_prediction.

        Raises:
            ConfigError: One is.
        """
        velocity = prediction == "v_prediction"
        if self.scale_v_pred_loss_like_noise_pred and not velocity:
            raise ConfigError(
                "scale_v_pred_loss_like_noise_pred is for models with v-prediction, and the base"
                " model predicts noise.",
                "Leave it out.",
            )
        if self.v_pred_like_loss and velocity:
            raise ConfigError(
                "v_pred_like_loss is for models that predict noise, and the base model has"
                " v-prediction.",
                "Leave it out.",
            )
