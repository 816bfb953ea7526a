"""What the rest of the trainer asks of a loaded base model, whatever its family.

A family owns everything that differs between base models: loading, the text path, the scale and
shape of latents, the objective, the samplers, the multiple that sides must have, the token budget,
and the key names of its modules. The training loop, the sampler and the caches talk to
``Family`` and name no family. A new one is a file beside this one, a line in
``opening.FAMILIES`` and its modules in ``train.lora.layout``.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from prep.images.buckets import Size
from train.arithmetic.precision import PrecisionPolicy
from train.families.base_model import BaseModel
from train.settings.captions import Chunking
from train.settings.objective import ObjectiveSettings
from train.settings.samples import SamplerName

Parkable = Literal["texts", "vae"]
"""Parts of a model that are not used in every step."""

Targets = Mapping[str, nn.Module]
"""Modules of a model that an adapter can attach to, by their name in a LoRA file."""


@dataclass(frozen=True)
class Frame:
    """Where a training image comes from, in pixels. SDXL is conditioned on it, SD 1.5 ignores it.

    Attributes:
        original: Size of the image before it was scaled.
        corner: Left and top of the part that was cut out of the scaled image.
        target: Size of the bucket.
    """

    original: Size
    corner: tuple[int, int]
    target: Size


@dataclass(frozen=True)
class Conditioning:
    """What the denoiser reads beside the noisy latents; every tensor's first axis is the batch.

    Attributes:
        context: Text states, shape (batch, tokens, width).
        extra: Further inputs by the name that the family gives them, such as pooled text states.
    """

    context: Tensor
    extra: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.context)

    @property
    def nbytes(self) -> int:
        """Memory that the tensors take."""
        return sum(tensor.nbytes for tensor in (self.context, *self.extra.values()))

    def to(self, device: torch.device) -> "Conditioning":
        """Return it on a device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def kept(self) -> "Conditioning":
        """Return it where the GPU's memory is not needed, and from where it gets there quickly."""
        return self._each(lambda tensor: tensor.cpu().pin_memory() if tensor.is_cuda else tensor)

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Conditioning":
        extra = {name: change(tensor) for name, tensor in self.extra.items()}
        return Conditioning(change(self.context), extra)

    @classmethod
    def joined(cls, parts: Sequence["Conditioning"]) -> "Conditioning":
        """Concatenate along the batch."""
        first = parts[0]
        return cls(
            torch.cat([part.context for part in parts]),
            {name: torch.cat([part.extra[name] for part in parts]) for name in first.extra},
        )


class Objective(Protocol):
    """What the denoiser learns to predict, and how strongly each timestep counts.

    Latents, noise and targets have the shape (batch, channels, height, width); timesteps (batch,).
    """

    @property
    def prediction(self) -> str:
        """Name of what is predicted, such as epsilon or v_prediction."""
        ...

    @property
    def zero_terminal_snr(self) -> bool:
        """Whether the last timestep is pure noise."""
        ...

    @property
    def hypotheses(self) -> "Mapping[str, Objective]":
        """The objectives that models of this family may have, by prediction; this one included."""
        ...

    @property
    def timesteps(self) -> int:
        """Number of timesteps; ``min_timestep`` and ``max_timestep`` count in them."""
        ...

    def draw_timesteps(
        self, count: int, rng: torch.Generator, settings: ObjectiveSettings
    ) -> Tensor:
        """Return random training timesteps within the range of the settings, shape (count,)."""
        ...

    def timesteps_at(self, shares: Sequence[float]) -> Tensor:
        """Return the timesteps at these shares (0 to 1) of the whole range, shape (shares,)."""
        ...

    def noisy(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Mix latents with noise."""
        ...

    def target(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Return what the denoiser should predict."""
        ...

    def snr(self, timesteps: Tensor) -> Tensor:
        """Return the signal-to-noise ratio of each timestep, shape (batch,); may be 0."""
        ...

    def loss_weights(self, timesteps: Tensor, settings: ObjectiveSettings) -> Tensor:
        """Return the loss weight of each timestep, shape (batch,)."""
        ...


class Family(Protocol):
    """A loaded base model, frozen, on its device."""

    @property
    def base(self) -> BaseModel:
        """The files it was loaded from."""
        ...

    @property
    def policy(self) -> PrecisionPolicy:
        """Device and number format."""
        ...

    @property
    def objective(self) -> Objective:
        """What is learned."""
        ...

    @property
    def parts(self) -> Mapping[str, str]:
        """Prefixes of module names in a LoRA file, by part: unet, text_encoder, text_encoder_2."""
        ...

    def component(self, name: str) -> nn.Module:
        """Return one of ``BaseModel.components``; it is loaded when it is first used.

        Raises:
            UserError: Its files are broken, or it does not fit into memory.
        """
        ...

    def exact(self, name: str) -> nn.Module:
        """Return a component once more, in fp32 on the CPU, as its files have it before rounding.

        Raises:
            UserError: As ``component``.
        """
        ...

    def load_denoiser(self) -> None:
        """Load what every step needs; until then, the rest is used without it.

        Raises:
            UserError: As ``component``.
        """
        ...

    def targets(self, *, parts: Collection[str], conv: bool) -> Targets:
        """Return the modules that are trained.

        Args:
            parts: Names of ``parts`` that are trained: unet, text_encoder…
            conv: Include the convolution blocks (LoCon).
        """
        ...

    def modules(self) -> Targets:
        """Return all modules that a LoRA file can change, norms and others included."""
        ...

    # ---- text ----------------------------------------------------------------------------

    def is_cut(self, text: str, max_token_length: int, chunking: Chunking = "webui") -> bool:
        """Return whether the end of a caption is not read under these settings."""
        ...

    def tokenize(
        self, texts: Sequence[str], max_token_length: int = 0, chunking: Chunking = "webui"
    ) -> Tensor:
        """Return token ids; the first axis is the batch, the others are the family's own.

        Args:
            texts: Captions or prompts.
            max_token_length: Longer texts are cut; 0 means no limit.
            chunking: How texts of more than one window are cut.
        """
        ...

    def encode_tokens(
        self, tokens: Tensor, clip_skip: int = 1, chunking: Chunking = "webui"
    ) -> Conditioning:
        """Encode what ``tokenize`` returned; with gradients where they are enabled."""
        ...

    def framed(self, text: Conditioning, frames: Sequence[Frame]) -> Conditioning:
        """Add the conditioning on sizes and crops, one frame for each text."""
        ...

    # ---- pictures ------------------------------------------------------------------------

    def latent_shape(self, width: int, height: int) -> tuple[int, ...]:
        """Return the shape of the latents of one picture, batch axis included."""
        ...

    def encode_pixels(self, pixels: Tensor) -> Tensor:
        """Return mean and standard deviation of the raw latents, stacked along the channels.

        Args:
            pixels: (batch, 3, height, width), -1 to 1.

        Returns:
            float32 on the CPU.
        """
        ...

    def scaled(self, latents: Tensor) -> Tensor:
        """Bring raw latents to the scale that the denoiser works in."""
        ...

    def decode(self, latents: Tensor, *, tiled: bool = False) -> Tensor:
        """Return the pictures of scaled latents: (batch, 3, height, width), -1 to 1, float32.

        Args:
            latents: From the denoiser.
            tiled: In overlapping tiles, which takes a fraction of the memory and shifts colours a
                little; as it is done anyway where memory runs out.
        """
        ...

    def park(self, part: Parkable) -> None:
        """Free the device's memory of a part; it comes back when it is used."""
        ...

    # ---- denoiser ------------------------------------------------------------------------

    def predict(self, noisy: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """Return the denoiser's prediction, shaped as ``noisy``."""
        ...

    def sampler(self, name: SamplerName) -> Any:
        """Return a new sampler of diffusers that fits this model's objective."""
        ...

    def checkpoint_gradients(self) -> None:
        """Trade time for memory: recompute activations in the backward pass."""
        ...
