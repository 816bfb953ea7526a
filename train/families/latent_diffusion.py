"""What SD 1.5 and SDXL have in common: a UNet over the latents of a KL autoencoder, CLIP texts.

All numbers (latent channels, scaling, picture factor, prediction type, noise schedule, length of
the text window) come from the model's own configuration.
"""

import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor, nn

from prep.errors import UserError
from train.arithmetic.memory import (
    FREE_MEMORY,
    MemoryRanOutError,
    catch_out_of_memory,
    empty_cache,
    ran_out,
)
from train.arithmetic.noise import NoiseSchedule
from train.arithmetic.precision import PrecisionPolicy
from train.checkpoints.sources import TextTokenizer
from train.extra import lean_imports
from train.families.base import Parkable, Targets
from train.families.base_model import BaseModel
from train.families.clip import ClipText
from train.families.parts import Parts
from train.families.samplers import diffusion_sampler
from train.lora.key_tables import Module
from train.settings.captions import Chunking
from train.settings.samples import SamplerName

_USUAL_SCALE = 0.18215
"""Of the latents of a VAE that does not say its own: SD 1.5's, as in diffusers."""
_PLAIN_BELOW = 32
"""On a CPU, attention over latents of at most this side is computed plainly: torch's fused kernel
is slow backwards there (a step of the demo model took 0.77 s with it, 0.36 s without). Above it the
score matrices would take too much memory."""
_TILE = 64
"""Side of the tiles, in latents, in which a picture is decoded that does not fit whole: at 1024
pixels they take 0.8 GiB instead of 3.0."""


@dataclass(frozen=True)
class LatentDiffusion:
    """A base model, frozen; its subclasses implement ``Family`` with their text paths.

    Its parts are loaded when they are used: UNet and text encoders in the format of ``policy``, the
    VAE in fp32.
    """

    base: BaseModel
    policy: PrecisionPolicy
    objective: NoiseSchedule
    texts: tuple[ClipText, ...]
    held: Parts

    @classmethod
    def open(cls, base: BaseModel, policy: PrecisionPolicy) -> Self:
        """Return the model with nothing loaded yet.

        Raises:
            UserError: Its tokenizers are broken; later, when a part is loaded, as ``load``.
        """
        held = Parts(lambda name: _loaded(base, name, policy), lambda name: _exact(base, name))
        with _said_as_broken(base):
            return cls._of(base, policy, held, base.source.tokenizer)

    @classmethod
    def load(cls, base: BaseModel, policy: PrecisionPolicy) -> Self:
        """Load the model whole.

        Raises:
            UserError: Its files are broken, or it does not fit into memory.
        """
        model = cls.open(base, policy)
        for name in base.components:
            model.component(name)
        return model

    @classmethod
    def empty(cls, base: BaseModel, policy: PrecisionPolicy) -> Self:
        """Return the model with new weights and without tokenizers, to measure with."""
        from train.checkpoints.building import empty

        def made(component: str, dtype: torch.dtype) -> nn.Module:
            usual = torch.get_default_dtype()
            torch.set_default_dtype(torch.float32 if component == "vae" else dtype)
            try:
                module = empty(component, base.configs[component])
            finally:
                torch.set_default_dtype(usual)
            return module.eval().requires_grad_(requires_grad=False)

        held = Parts(lambda name: made(name, policy.dtype), lambda name: made(name, torch.float32))
        return cls._of(base, policy, held, lambda _: TextTokenizer(lambda _: [], 0, 0, 0))

    @classmethod
    def _of(
        cls,
        base: BaseModel,
        policy: PrecisionPolicy,
        held: Parts,
        tokenizer: Callable[[str], TextTokenizer],
    ) -> Self:
        windows = [base.configs[n].get("max_position_embeddings", 77) for n in base.text_encoders]
        texts = tuple(
            ClipText(tokenizer(name), int(window), partial(held.__getitem__, name))
            for name, window in zip(base.text_encoders, windows, strict=True)
        )
        return cls(base, policy, NoiseSchedule.from_config(base.configs["scheduler"]), texts, held)

    # ---- modules -------------------------------------------------------------------------

    @property
    def unet(self) -> nn.Module:
        """The denoiser."""
        return self.held["unet"]

    @property
    def vae(self) -> nn.Module:
        """The autoencoder."""
        return self.held["vae"]

    def component(self, name: str) -> nn.Module:
        """As ``Family.component``."""
        return self.held[name]

    def exact(self, name: str) -> nn.Module:
        """As ``Family.exact``."""
        return self.held.exact(name)

    def load_denoiser(self) -> None:
        """As ``Family.load_denoiser``."""
        self.component("unet")

    def targets(self, *, parts: Collection[str], conv: bool) -> Targets:
        """As ``Family.targets``."""
        kinds = ("attention", "convolution") if conv else ("attention",)
        return self._named(lambda module: module.kind in kinds and module.part in parts)

    def modules(self) -> Targets:
        """As ``Family.modules``."""
        return self._named(lambda _: True)

    def _named(self, wanted: Callable[[Module], bool]) -> dict[str, nn.Module]:
        """Return modules by their names in a LoRA file."""
        texts = dict(zip(self.base.text_encoders, self.texts, strict=True))

        def root(part: str) -> nn.Module:
            found: nn.Module = texts[part].root if part in texts else self.held[part]
            return found

        return {
            name: root(module.part).get_submodule(module.path)
            for name, module in self.base.key_table().items()
            if wanted(module)
        }

    # ---- text ----------------------------------------------------------------------------

    def is_cut(self, text: str, max_token_length: int, chunking: Chunking = "webui") -> bool:
        """As ``Family.is_cut``."""
        return self.texts[0].is_cut(text, max_token_length, chunking)

    def tokenize(
        self, texts: Sequence[str], max_token_length: int = 0, chunking: Chunking = "webui"
    ) -> Tensor:
        """As ``Family.tokenize``: (batch, encoders, chunks, window)."""
        rows = [text.tokenize(texts, max_token_length, chunking) for text in self.texts]
        return torch.stack(rows, dim=1)

    def _fetch_texts(self) -> None:
        """Bring the text encoders to where they compute."""
        for text in self.texts:
            _move(text.encoder, self.policy.device)

    # ---- pictures ------------------------------------------------------------------------

    def latent_shape(self, width: int, height: int) -> tuple[int, ...]:
        """As ``Family.latent_shape``: (1, 4, height / 8, width / 8)."""
        factor, channels = self.base.pixel_multiple, self.base.configs["vae"]["latent_channels"]
        return 1, int(channels), height // factor, width // factor

    def park(self, part: Parkable) -> None:
        """As ``Family.park``: a GPU's go to the CPU's memory, a CPU's are dropped."""
        for name in self.base.text_encoders if part == "texts" else ("vae",):
            if self.policy.device.type == "cpu":
                self.held.drop(name)
            elif name in self.held:
                _move(self.held[name], torch.device("cpu"))

    @torch.no_grad()
    def encode_pixels(self, pixels: Tensor) -> Tensor:
        """As ``Family.encode_pixels``: (batch, 2 x channels, height / 8, width / 8)."""
        vae: Any = _move(self.vae, self.policy.device)
        size = "x".join(str(side) for side in reversed(pixels.shape[2:]))
        with catch_out_of_memory(f"encoding {size} pixels", FREE_MEMORY):
            spread = vae.encode(pixels.to(self.policy.device, torch.float32)).latent_dist
            return torch.cat([spread.mean, spread.std], dim=1).cpu()

    def scaled(self, latents: Tensor) -> Tensor:
        """As ``Family.scaled``."""
        shift, scale = self._scale
        return (latents - shift) * scale

    @torch.no_grad()
    def decode(self, latents: Tensor, *, tiled: bool = False) -> Tensor:
        """As ``Family.decode``."""
        shift, scale = self._scale
        raw = latents.float() / scale + shift
        if not tiled:
            try:
                return self._decoded(raw)
            except Exception as error:
                if not ran_out(error) or max(raw.shape[2:]) <= _TILE:
                    raise
            # Here, not where the error is handled: it holds what was computed.
            empty_cache(self.policy.device)
        with _in_tiles(self.vae, self.base.pixel_multiple):
            return self._decoded(raw)

    def _decoded(self, raw: Tensor) -> Tensor:
        vae: Any = _move(self.vae, self.policy.device)
        pixels: Tensor = vae.decode(raw).sample
        return pixels.clamp(-1.0, 1.0)

    @property
    def _scale(self) -> tuple[float, float]:
        """Shift and scale of the latents, from the VAE's configuration without its weights."""
        config = self.base.configs["vae"]
        return config.get("shift_factor") or 0.0, float(config.get("scaling_factor", _USUAL_SCALE))

    # ---- denoiser ------------------------------------------------------------------------

    def sampler(self, name: SamplerName) -> Any:
        """As ``Family.sampler``."""
        return diffusion_sampler(name, self.base.configs["scheduler"])

    def checkpoint_gradients(self) -> None:
        """As ``Family.checkpoint_gradients``."""
        self.held.change(_checkpoint)


def _checkpoint(name: str, module: nn.Module) -> None:
    """Recompute a part's activations in the backward pass."""
    model: Any = module
    if name == "vae":
        return
    if name == "unet":
        model.enable_gradient_checkpointing()
    else:
        with warnings.catch_warnings():  # renamed in the course of transformers 5
            warnings.simplefilter("ignore", FutureWarning)
            model.gradient_checkpointing_enable({"use_reentrant": False})
    # Both libraries checkpoint in training mode only; these models have no other use for it.
    model.train()


@contextmanager
def _in_tiles(vae: Any, factor: int) -> Iterator[None]:
    """Within it, a VAE decodes in overlapping tiles; ``factor`` pixels are a latent."""
    usual = vae.tile_latent_min_size, vae.tile_sample_min_size
    vae.tile_latent_min_size, vae.tile_sample_min_size = _TILE, _TILE * factor
    vae.enable_tiling()
    try:
        yield
    finally:
        vae.disable_tiling()
        vae.tile_latent_min_size, vae.tile_sample_min_size = usual


@contextmanager
def _said_as_broken(base: BaseModel) -> Iterator[None]:
    """Say what the loaders raise, which is nearly anything, as a fault of the files."""
    try:
        yield
    except (MemoryRanOutError, UserError):
        raise
    except Exception as error:
        raise UserError(
            f"The base model in {base.path} cannot be loaded: {_first_line(error)}",
            "Download or copy it again, and check that every file is complete.",
        ) from error


def _loaded(base: BaseModel, name: str, policy: PrecisionPolicy) -> nn.Module:
    """Return a part, frozen and on its device.

    Raises:
        UserError: Its files are broken, or it does not fit into memory.
    """
    loaders = {"unet": _load_unet, "vae": _load_vae}
    with (
        _said_as_broken(base),
        catch_out_of_memory(f"the base model {base.name} does not fit", FREE_MEMORY),
    ):
        if name in loaders:
            return loaders[name](base, policy)
        return _frozen(base.source.load(name, base.configs[name], policy.dtype), policy)


def _exact(base: BaseModel, name: str) -> nn.Module:
    """Return a part in fp32, on the CPU; raises as ``_loaded``."""
    with (
        _said_as_broken(base),
        catch_out_of_memory(f"the base model {base.name} does not fit", FREE_MEMORY),
    ):
        return base.source.load(name, base.configs[name], torch.float32)


def _load_unet(base: BaseModel, policy: PrecisionPolicy) -> nn.Module:
    unet: Any = base.source.load("unet", base.configs["unet"], policy.dtype)
    if policy.device.type == "cpu" and unet.config.sample_size <= _PLAIN_BELOW:
        with lean_imports():
            from diffusers.models.attention_processor import AttnProcessor

        unet.set_attn_processor(AttnProcessor())
    return _frozen(unet, policy)


def _load_vae(base: BaseModel, policy: PrecisionPolicy) -> nn.Module:
    """Load the VAE in fp32: that of SDXL overflows in fp16."""
    vae = base.separate_vae
    loaded = vae.load() if vae else base.source.load("vae", base.configs["vae"], torch.float32)
    return _frozen(loaded, policy)


def _move(module: nn.Module, device: torch.device) -> nn.Module:
    """Move a module to the CPU or the GPU, unless it is there already."""
    first = next(module.parameters(), None)
    return module if first is None or first.device.type == device.type else module.to(device)


def _frozen(module: nn.Module, policy: PrecisionPolicy) -> nn.Module:
    return module.to(policy.device).eval().requires_grad_(requires_grad=False)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
