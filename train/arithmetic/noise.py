"""The arithmetic of diffusion training: noise schedule, timesteps, targets.

Sources: Ho et al. 2020 (epsilon), Salimans & Ho 2022 (v), Lin et al. 2023 (zero terminal SNR),
Esser et al. 2024 (logit-normal timesteps).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from prep.errors import UserError
from train.arithmetic.weighting import loss_weights
from train.extra import lean_imports
from train.settings.objective import ObjectiveSettings


@dataclass(frozen=True)
class NoiseSchedule:
    """How much signal is left at each timestep.

    Attributes:
        signal: Cumulative product of alphas, shape (timesteps,), float32 on the CPU.
        prediction: What the UNet predicts.
    """

    signal: Tensor
    prediction: str
    _copies: dict[torch.device, Tensor] = field(default_factory=dict, repr=False, compare=False)
    """``signal`` by device: copying it in every step would make the GPU wait."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "NoiseSchedule":
        """Read a base model's ``scheduler_config.json``.

        With ``rescale_betas_zero_snr`` the betas are fixed first, so that everything computed
        from ``signal`` (targets, SNR, loss weights) agrees with the fixed schedule.

        Raises:
            UserError: A prediction type that SD 1.5 models do not have.
        """
        with lean_imports():
            from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

        prediction = str(config.get("prediction_type", "epsilon"))
        if prediction not in ("epsilon", "v_prediction"):
            raise UserError(
                f"The base model predicts {prediction!r}, which shikomi does not train.",
                "Choose a model with epsilon or v_prediction.",
            )
        names = ["num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas"]
        names += ["rescale_betas_zero_snr"]
        chosen = {name: config[name] for name in names if config.get(name) is not None}
        scheduler = DDPMScheduler(**chosen)
        return cls(scheduler.alphas_cumprod.to(torch.float32), prediction)

    @property
    def timesteps(self) -> int:
        """Number of timesteps, 1000 for SD 1.5."""
        return len(self.signal)

    @property
    def hypotheses(self) -> "dict[str, NoiseSchedule]":
        """The same schedule for each prediction that there is."""
        return {name: replace(self, prediction=name) for name in ("epsilon", "v_prediction")}

    def draw_timesteps(
        self, count: int, rng: torch.Generator, settings: ObjectiveSettings
    ) -> Tensor:
        """Return ``count`` timesteps within the range of the settings, shape (count,)."""
        high = min(settings.max_timestep, self.timesteps)
        low = min(settings.min_timestep, high - 1)
        if settings.timestep_sampling == "uniform":
            return torch.randint(low, high, (count,), generator=rng)
        shares = torch.randn(count, generator=rng).sigmoid()
        return (low + shares * (high - low)).long().clamp(max=high - 1)

    def timesteps_at(self, shares: Sequence[float]) -> Tensor:
        """Return the timesteps at these shares (0 to 1) of the schedule, shape (shares,)."""
        return torch.tensor([int(share * self.timesteps) for share in shares])

    @property
    def zero_terminal_snr(self) -> bool:
        """Is nothing left of the image at the last timestep?"""
        return bool(self.signal[-1] < 1e-6)

    def _signal_at(self, timesteps: Tensor) -> Tensor:
        device = timesteps.device
        if device not in self._copies:
            self._copies[device] = self.signal.to(device)
        return self._copies[device][timesteps]

    def _parts(self, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        """Return sqrt(signal) and sqrt(1 - signal), shaped (batch, 1, 1, 1)."""
        signal = self._signal_at(timesteps).view(-1, 1, 1, 1)
        return signal.sqrt(), (1.0 - signal).sqrt()

    def noisy(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Mix latents (batch, channels, height, width) with noise at each timestep (batch,)."""
        keep, add = self._parts(timesteps)
        return keep * latents + add * noise

    def target(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Return what the UNet should predict: the noise, or the velocity."""
        if self.prediction == "epsilon":
            return noise
        keep, add = self._parts(timesteps)
        return keep * noise - add * latents

    def snr(self, timesteps: Tensor) -> Tensor:
        """Return the signal-to-noise ratio of each timestep, shape (batch,); may be 0."""
        signal = self._signal_at(timesteps)
        return signal / (1.0 - signal)

    def loss_weights(self, timesteps: Tensor, settings: ObjectiveSettings) -> Tensor:
        """Return the loss weight of each timestep, shape (batch,)."""
        return loss_weights(self.snr(timesteps), self.prediction, settings)
