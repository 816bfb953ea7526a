"""How much each timestep counts.

Sources: Hang et al. 2023 (min-SNR, arXiv 2303.09556), Yu et al. 2023 (debiased estimation,
arXiv 2310.08442), sd-scripts ``library/custom_train_functions.py`` for the two between predictions.
The SNR is that of the fixed schedule of models with zero terminal SNR; sd-scripts takes the table
from before the fix.
"""

import torch
from torch import Tensor

from train.settings.objective import ObjectiveSettings

_LEAST, _MOST = 1e-3, 1e3
"""Limits of the SNR where it is divided by; Stable Diffusion's own ends at 0.0047."""


def loss_weights(snr: Tensor, prediction: str, settings: ObjectiveSettings) -> Tensor:
    """Return the product of all weightings that the settings choose.

    Args:
        snr: Of each image's timestep, shape (batch,); may be 0.
        prediction: epsilon or v_prediction.
        settings: Of the run.

    Returns:
        Shape (batch,), finite.
    """
    velocity, limited = prediction == "v_prediction", snr.clamp(_LEAST, _MOST)
    as_noise = limited / (limited + 1.0)
    weights = torch.ones_like(snr)
    if settings.min_snr_gamma:
        weights = _min_snr(snr, settings.min_snr_gamma, velocity=velocity)
    if settings.scale_v_pred_loss_like_noise_pred:
        weights = weights * as_noise
    if settings.v_pred_like_loss:
        weights = weights * (1.0 + settings.v_pred_like_loss / as_noise)
    if settings.debiased_estimation_loss:
        weights = weights / (limited + 1.0 if velocity else limited.sqrt())
    return weights


def _min_snr(snr: Tensor, gamma: float, *, velocity: bool) -> Tensor:
    """Return min(snr, gamma) / snr for epsilon and min(snr, gamma) / (snr + 1) for v."""
    if velocity:
        return snr.clamp(max=gamma) / (snr + 1.0)
    # Written without min(snr, gamma) / snr, which is 0/0 where no signal is left.
    return torch.where(snr > gamma, gamma / snr, torch.ones_like(snr))
