"""What SD 1.5 and SDXL have in common: a UNet over the latents of a KL autoencoder, CLIP texts.

All numbers (latent channels, scaling, picture factor, prediction type, noise schedule, length of
the text window) come from the model's own configuration.
"""

import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from prep.errors import UserError
from train.arithmetic.memory import FREE_MEMORY, MemoryRanOutError, catch_out_of_memory
from train.arithmetic.noise import NoiseSchedule
from train.arithmetic.precision import PrecisionPolicy
from train.checkpoints.sources import TextTokenizer
from train.families.base import Targets
from train.families.base_model import BaseModel
from train.families.clip import TOKENS_PER_CHUNK, ClipText
from train.families.samplers import diffusion_sampler
from train.lora.key_tables import Module
from train.settings.samples import SamplerName

_PLAIN_BELOW = 32
"""On a CPU, attention over latents of at most this side is computed plainly: torch's fused kernel
is slow backwards there (a step of the demo model took 0.77 s with it, 0.36 s without). Above it the
score matrices would take too much memory."""


@dataclass(frozen=True)
class LatentDiffusion:
    """A loaded base model, frozen; its subclasses implement ``Family`` with their text paths."""

    base: BaseModel
    policy: PrecisionPolicy
    objective: NoiseSchedule
    texts: tuple[ClipText, ...]
    unet: nn.Module
    vae: nn.Module

    @classmethod
    def load(cls, base: BaseModel, policy: PrecisionPolicy) -> Self:
        """Load the model; UNet and text encoders in the format of ``policy``, VAE in fp32.

        Raises:
            UserError: Its files are broken, or it does not fit into memory.
        """
        objective = NoiseSchedule.from_config(base.configs["scheduler"])
        try:
            with catch_out_of_memory(f"the base model {base.name} does not fit", FREE_MEMORY):
                texts = tuple(_load_text(base, name, policy) for name in base.text_encoders)
                return cls(
                    base,
                    policy,
                    objective,
                    texts,
                    _load_unet(base, policy),
                    _load_vae(base, policy),
                )
        except (MemoryRanOutError, UserError):
            raise
        except Exception as error:  # the loaders raise nearly anything for a broken file
            raise UserError(
                f"The base model in {base.path} cannot be loaded: {_first_line(error)}",
                "Download or copy it again, and check that every file is complete.",
            ) from error

    @classmethod
    def empty(cls, base: BaseModel, policy: PrecisionPolicy) -> Self:
        """Return the model with new weights and without tokenizers, to measure with."""
        from train.checkpoints.building import empty

        def made(component: str, dtype: torch.dtype) -> nn.Module:
            usual = torch.get_default_dtype()
            torch.set_default_dtype(dtype)
            try:
                module = empty(component, base.configs[component])
            finally:
                torch.set_default_dtype(usual)
            return module.eval().requires_grad_(requires_grad=False)

        tokenizer = TextTokenizer(lambda _: [], 0, 0, 0)
        texts = tuple(ClipText(tokenizer, made(n, policy.dtype)) for n in base.text_encoders)
        objective = NoiseSchedule.from_config(base.configs["scheduler"])
        unet, vae = made("unet", policy.dtype), made("vae", torch.float32)
        return cls(base, policy, objective, texts, unet, vae)

    # ---- modules -------------------------------------------------------------------------

    def targets(self, *, parts: Collection[str], conv: bool) -> Targets:
        """As ``Family.targets``."""
        kinds = ("attention", "convolution") if conv else ("attention",)
        return self._named(lambda module: module.kind in kinds and module.part in parts)

    def modules(self) -> Targets:
        """As ``Family.modules``."""
        return self._named(lambda _: True)

    def components(self) -> dict[str, nn.Module]:
        """As ``Family.components``."""
        texts = zip(self.base.text_encoders, self.texts, strict=True)
        return {"unet": self.unet, **{name: text.encoder for name, text in texts}}

    def _named(self, wanted: Callable[[Module], bool]) -> dict[str, nn.Module]:
        """Return modules by their names in a LoRA file."""
        encoders = zip(self.base.text_encoders, self.texts, strict=True)
        roots: dict[str, nn.Module] = {name: text.root for name, text in encoders}
        roots["unet"] = self.unet
        return {
            name: roots[module.part].get_submodule(module.path)
            for name, module in self.base.key_table().items()
            if wanted(module)
        }

    # ---- text ----------------------------------------------------------------------------

    def token_room(self, max_token_length: int) -> int:
        """As ``Family.token_room``."""
        return max_token_length // TOKENS_PER_CHUNK * (self.texts[0].window - 2)

    def token_count(self, text: str) -> int:
        """As ``Family.token_count``."""
        return len(self.texts[0].tokenizer.encode(text))

    def tokenize(self, texts: Sequence[str], max_token_length: int = 0) -> Tensor:
        """As ``Family.tokenize``: (batch, encoders, chunks, window)."""
        return torch.stack([t.tokenize(texts, max_token_length) for t in self.texts], dim=1)

    # ---- pictures ------------------------------------------------------------------------

    def latent_shape(self, width: int, height: int) -> tuple[int, ...]:
        """As ``Family.latent_shape``: (1, 4, height / 8, width / 8)."""
        factor, channels = self.base.pixel_multiple, self.base.configs["vae"]["latent_channels"]
        return 1, int(channels), height // factor, width // factor

    @torch.no_grad()
    def encode_pixels(self, pixels: Tensor) -> Tensor:
        """As ``Family.encode_pixels``: (batch, 2 x channels, height / 8, width / 8)."""
        vae: Any = self.vae
        size = "x".join(str(side) for side in reversed(pixels.shape[2:]))
        with catch_out_of_memory(f"encoding {size} pixels", FREE_MEMORY):
            spread = vae.encode(pixels.to(self.policy.device, torch.float32)).latent_dist
            return torch.cat([spread.mean, spread.std], dim=1).cpu()

    def scaled(self, latents: Tensor) -> Tensor:
        """As ``Family.scaled``."""
        vae: Any = self.vae
        shift = getattr(vae.config, "shift_factor", None) or 0.0
        return (latents - shift) * float(vae.config.scaling_factor)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """As ``Family.decode``."""
        vae: Any = self.vae
        shift = getattr(vae.config, "shift_factor", None) or 0.0
        raw = latents.float() / float(vae.config.scaling_factor) + shift
        pixels: Tensor = vae.decode(raw).sample
        return pixels.clamp(-1.0, 1.0)

    # ---- denoiser ------------------------------------------------------------------------

    def sampler(self, name: SamplerName) -> Any:
        """As ``Family.sampler``."""
        return diffusion_sampler(name, self.base.configs["scheduler"])

    def checkpoint_gradients(self) -> None:
        """As ``Family.checkpoint_gradients``."""
        unet: Any = self.unet
        unet.enable_gradient_checkpointing()
        # Both libraries checkpoint in training mode only; these models have no other use for it.
        unet.train()
        for text in self.texts:
            encoder: Any = text.encoder
            with warnings.catch_warnings():  # renamed in the course of transformers 5
                warnings.simplefilter("ignore", FutureWarning)
                encoder.gradient_checkpointing_enable({"use_reentrant": False})
            encoder.train()


def _load_text(base: BaseModel, name: str, policy: PrecisionPolicy) -> ClipText:
    encoder = base.source.load(name, base.configs[name], policy.dtype)
    return ClipText(base.source.tokenizer(name), _frozen(encoder, policy))


def _load_unet(base: BaseModel, policy: PrecisionPolicy) -> nn.Module:
    unet: Any = base.source.load("unet", base.configs["unet"], policy.dtype)
    if policy.device.type == "cpu" and unet.config.sample_size <= _PLAIN_BELOW:
        from diffusers.models.attention_processor import AttnProcessor

        unet.set_attn_processor(AttnProcessor())
    return _frozen(unet, policy)


def _load_vae(base: BaseModel, policy: PrecisionPolicy) -> nn.Module:
    """Load the VAE in fp32: that of SDXL overflows in fp16."""
    vae = base.separate_vae
    loaded = vae.load() if vae else base.source.load("vae", base.configs["vae"], torch.float32)
    return _frozen(loaded, policy)


def _frozen(module: nn.Module, policy: PrecisionPolicy) -> nn.Module:
    return module.to(policy.device).eval().requires_grad_(requires_grad=False)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
