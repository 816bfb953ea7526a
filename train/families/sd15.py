"""Stable Diffusion 1.5 and everything built like it.

All numbers (latent channels, scaling, picture factor, prediction type, noise schedule, length of
the text window) come from the model's own configuration.
"""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from prep.errors import UserError
from train.arithmetic.memory import FREE_MEMORY, MemoryRanOutError, catch_out_of_memory
from train.arithmetic.noise import NoiseSchedule
from train.arithmetic.precision import PrecisionPolicy
from train.families.base import Conditioning, Frame
from train.families.base_model import BaseModel
from train.families.samplers import diffusion_sampler
from train.lora.keys import TEXT_PREFIX, UNET_PREFIX, text_key, unet_key
from train.lora.layout import text_modules, text_shapes, unet_modules, unet_shapes
from train.settings.samples import SamplerName

_PLAIN_BELOW = 32
"""On a CPU, attention over latents of at most this side is computed plainly: torch's fused kernel
is slow backwards there (a step of the demo model took 0.77 s with it, 0.36 s without). Above it the
score matrices would take too much memory."""
_TOKENS_PER_CHUNK = 75
"""What ``max_token_length`` counts in; a model's text window holds this and two marks."""


@dataclass(frozen=True)
class StableDiffusion15:
    """A loaded base model; implements ``Family``. Nothing in it requires gradients."""

    base: BaseModel
    policy: PrecisionPolicy
    objective: NoiseSchedule
    tokenizer: Any
    text_encoder: nn.Module
    unet: nn.Module
    vae: nn.Module

    @classmethod
    def load(cls, base: BaseModel, policy: PrecisionPolicy) -> "StableDiffusion15":
        """Load the model; UNet and text encoder in the format of ``policy``, VAE in fp32.

        Raises:
            UserError: Its files are broken, or it does not fit into memory.
        """
        objective = NoiseSchedule.from_config(base.scheduler)
        try:
            with catch_out_of_memory(f"the base model {base.name} does not fit", FREE_MEMORY):
                parts = _load_parts(base, policy)
        except MemoryRanOutError:
            raise
        except Exception as error:  # the loaders raise nearly anything for a broken file
            raise UserError(
                f"The base model in {base.folder} cannot be loaded: {_first_line(error)}",
                "Download or copy it again, and check that every file is complete.",
            ) from error
        return cls(base, policy, objective, *parts)

    def latent_shape(self, width: int, height: int) -> tuple[int, ...]:
        """As ``Family.latent_shape``: (1, 4, height / 8, width / 8) for SD 1.5."""
        factor = self.base.pixel_multiple
        return 1, int(self.base.vae["latent_channels"]), height // factor, width // factor

    @property
    def parts(self) -> dict[str, str]:
        """As ``Family.parts``."""
        return {"unet": UNET_PREFIX, "text_encoder": TEXT_PREFIX}

    def targets(self, *, text: bool, conv: bool) -> dict[str, nn.Module]:
        """As ``Family.targets``."""
        unet, encoder = self.base.layouts()
        return self._named(unet_modules(unet, conv=conv), text_modules(encoder) if text else ())

    def modules(self) -> dict[str, nn.Module]:
        """As ``Family.modules``."""
        unet, encoder = self.base.layouts()
        return self._named(unet_shapes(unet), text_shapes(encoder))

    def _named(self, unet_paths: Iterable[str], text_paths: Iterable[str]) -> dict[str, nn.Module]:
        """Return the modules at these paths, by their names in a LoRA file."""
        unet, encoder = self.unet, self.text_encoder
        root: Any = getattr(encoder, "text_model", encoder)  # gone since transformers 5
        found = {unet_key(path): unet.get_submodule(path) for path in unet_paths}
        return found | {text_key(path): root.get_submodule(path) for path in text_paths}

    @property
    def _window(self) -> int:
        """Tokens that the text encoder reads at once, both marks included: 77."""
        text_encoder: Any = self.text_encoder
        return int(text_encoder.config.max_position_embeddings)

    def token_room(self, max_token_length: int) -> int:
        """As ``Family.token_room``."""
        return max_token_length // _TOKENS_PER_CHUNK * (self._window - 2)

    def token_count(self, text: str) -> int:
        """As ``Family.token_count``."""
        return len(self._tokens(text))

    def _tokens(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False, verbose=False).input_ids)

    def tokenize(self, texts: Sequence[str], max_token_length: int = 0) -> Tensor:
        """Cut texts into chunks, each with its own begin and end mark, like A1111.

        Returns:
            Token ids of shape (batch, chunks, window); short texts get empty chunks.
        """
        room = self._window - 2
        max_chunks = max_token_length // _TOKENS_PER_CHUNK
        rows = []
        for text in texts:
            tokens = self._tokens(text)
            chunks = [tokens[i : i + room] for i in range(0, len(tokens), room)] or [[]]
            rows.append(chunks[:max_chunks] if max_chunks else chunks)
        longest = max(len(row) for row in rows)
        padded = [row + [[]] * (longest - len(row)) for row in rows]
        return torch.tensor([[self._marked(chunk) for chunk in row] for row in padded])

    def _marked(self, tokens: list[int]) -> list[int]:
        tokenizer = self.tokenizer
        marked = [tokenizer.bos_token_id, *tokens, tokenizer.eos_token_id]
        return marked + [tokenizer.pad_token_id] * (self._window - len(marked))

    def encode_tokens(self, tokens: Tensor, clip_skip: int = 1) -> Conditioning:
        """Encode token chunks.

        Args:
            tokens: From ``tokenize``, shape (batch, chunks, window).
            clip_skip: Layer to read, counted from the end; 1 is the last one.

        Returns:
            Context of shape (batch, chunks x window, width), and nothing else.
        """
        batch, chunks, window = tokens.shape
        encoder: Any = self.text_encoder
        ids = tokens.reshape(batch * chunks, window).to(self.policy.device)
        with self.policy.autocast():
            if clip_skip == 1:
                hidden = encoder(ids).last_hidden_state
            else:
                states = encoder(ids, output_hidden_states=True).hidden_states
                root = getattr(encoder, "text_model", encoder)
                hidden = root.final_layer_norm(states[-clip_skip])
        return Conditioning(hidden.reshape(batch, chunks * window, -1))

    def framed(self, text: Conditioning, frames: Sequence[Frame]) -> Conditioning:
        """As ``Family.framed``; SD 1.5 knows nothing of sizes."""
        del frames
        return text

    def predict(self, noisy: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """As ``Family.predict``."""
        with self.policy.autocast():
            dtype = self.policy.dtype
            context = conditioning.context.to(dtype)
            outputs = self.unet(noisy.to(dtype), timesteps, context, return_dict=False)
        predicted: Tensor = outputs[0]
        return predicted

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

    def sampler(self, name: SamplerName) -> Any:
        """As ``Family.sampler``."""
        return diffusion_sampler(name, self.base.scheduler)

    def checkpoint_gradients(self) -> None:
        """As ``Family.checkpoint_gradients``."""
        unet: Any = self.unet
        encoder: Any = self.text_encoder
        unet.enable_gradient_checkpointing()
        with warnings.catch_warnings():  # renamed in the course of transformers 5
            warnings.simplefilter("ignore", FutureWarning)
            encoder.gradient_checkpointing_enable({"use_reentrant": False})
        # Both libraries checkpoint in training mode only; these models have no other use for it.
        unet.train()
        encoder.train()


def _load_parts(
    base: BaseModel, policy: PrecisionPolicy
) -> tuple[Any, nn.Module, nn.Module, nn.Module]:
    """Load tokenizer, text encoder, UNet and VAE, frozen and on the device."""
    # Named modules, since the packages' top levels import every pipeline there is.
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers.models.clip.modeling_clip import CLIPTextModel
    from transformers.models.clip.tokenization_clip import CLIPTokenizer

    local: dict[str, Any] = {"local_files_only": True}
    folder = base.folder
    tokenizer = CLIPTokenizer.from_pretrained(str(folder / "tokenizer"), **local)
    dtype = policy.dtype
    encoder = CLIPTextModel.from_pretrained(str(folder / "text_encoder"), dtype=dtype, **local)
    unet = UNet2DConditionModel.from_pretrained(str(folder / "unet"), torch_dtype=dtype, **local)
    vae = AutoencoderKL.from_pretrained(str(folder / "vae"), torch_dtype=torch.float32, **local)
    if policy.device.type == "cpu" and unet.config.sample_size <= _PLAIN_BELOW:
        from diffusers.models.attention_processor import AttnProcessor

        unet.set_attn_processor(AttnProcessor())
    modules = [module.to(policy.device).eval() for module in (encoder, unet, vae)]
    for module in modules:
        module.requires_grad_(False)
    return tokenizer, modules[0], modules[1], modules[2]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
