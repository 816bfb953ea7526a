"""The arithmetic of diffusion training: noise schedule, targets, loss weights.

Sources: Ho et al. 2020 (epsilon), Salimans & Ho 2022 (v), Lin et al. 2023 (zero terminal SNR),
Hang et al. 2023 (min-SNR).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from prep.errors import UserError


@dataclass(frozen=True)
class NoiseSchedule:
    """How much signal is left at each timestep.

    Attributes:
        signal: Cumulative product of alphas, shape (timesteps,), float32 on the CPU.
        prediction: What the UNet predicts.
    """

    signal: Tensor
    prediction: str

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "NoiseSchedule":
        """Read a base model's ``scheduler_config.json``.

        With ``rescale_betas_zero_snr`` the betas are fixed first, so that everything computed
        from ``signal`` (targets, SNR, loss weights) agrees with the fixed schedule.

        Raises:
            UserError: A prediction type that SD 1.5 models do not have.
        """
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

    def draw_timesteps(self, count: int, rng: torch.Generator) -> Tensor:
        """Return ``count`` timesteps, all equally likely, shape (count,)."""
        return torch.randint(self.timesteps, (count,), generator=rng)

    def timesteps_at(self, shares: Sequence[float]) -> Tensor:
        """Return the timesteps at these shares (0 to 1) of the schedule, shape (shares,)."""
        return torch.tensor([int(share * self.timesteps) for share in shares])

    @property
    def zero_terminal_snr(self) -> bool:
        """Is nothing left of the image at the last timestep?"""
        return bool(self.signal[-1] < 1e-6)

    def _parts(self, timesteps: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return sqrt(signal) and sqrt(1 - signal), shaped (batch, 1, 1, 1)."""
        signal = self.signal.to(like.device)[timesteps].view(-1, 1, 1, 1)
        return signal.sqrt(), (1.0 - signal).sqrt()

    def noisy(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Mix latents (batch, channels, height, width) with noise at each timestep (batch,)."""
        keep, add = self._parts(timesteps, latents)
        return keep * latents + add * noise

    def target(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Return what the UNet should predict: the noise, or the velocity."""
        if self.prediction == "epsilon":
            return noise
        keep, add = self._parts(timesteps, latents)
        return keep * noise - add * latents

    def loss_weights(self, timesteps: Tensor, gamma: float) -> Tensor:
        """Return the min-SNR loss weight of each timestep, shape (batch,).

        min(snr, gamma) / snr for epsilon and min(snr, gamma) / (snr + 1) for v; gamma 0 gives 1.
        """
        if not gamma:
            return torch.ones(len(timesteps), device=timesteps.device)
        signal = self.signal.to(timesteps.device)[timesteps]
        snr = signal / (1.0 - signal)
        if self.prediction == "v_prediction":
            return snr.clamp(max=gamma) / (snr + 1.0)
        # Written without min(snr, gamma) / snr, which is 0/0 where no signal is left.
        return torch.where(snr > gamma, gamma / snr, torch.ones_like(snr))
