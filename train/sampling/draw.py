"""Drawing pictures with a base model and any number of attached LoRA networks.

Each picture is drawn alone (with its negative prompt beside it), from noise that its seed alone
decides: what a seed gives does not depend on what else is drawn.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from prep.seeding import seed_of
from train.arithmetic.memory import FREE_MEMORY, catch_out_of_memory
from train.families.base import Conditioning, Family, Frame
from train.sampling.prompts import Prompt
from train.settings.samples import SamplerName

_LABELS: dict[SamplerName, str] = {
    "ddim": "DDIM",
    "euler": "Euler",
    "euler_a": "Euler a",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_karras": "DPM++ 2M Karras",
    "unipc": "UniPC",
}
"""A1111's names, for the text that travels in a picture."""


@dataclass(frozen=True)
class ImageSpec:
    """Everything that decides one picture; sizes in pixels."""

    text: str
    negative: str
    width: int
    height: int
    seed: int
    steps: int
    cfg: float
    sampler: SamplerName
    clip_skip: int = 1
    loras: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, prompt: Prompt, defaults: "ImageSpec", index: int = 0) -> "ImageSpec":
        """Fill what a prompt leaves open; without a seed it gets ``defaults.seed + index``."""

        def chosen(value: Any, default: Any) -> Any:
            return default if value is None else value

        return cls(
            prompt.text,
            prompt.negative or defaults.negative,
            chosen(prompt.width, defaults.width),
            chosen(prompt.height, defaults.height),
            chosen(prompt.seed, defaults.seed + index),
            chosen(prompt.steps, defaults.steps),
            chosen(prompt.cfg, defaults.cfg),
            chosen(prompt.sampler, defaults.sampler),
            defaults.clip_skip,
            {**defaults.loras, **prompt.loras},
        )


class ImageGenerator:
    """Draws with one loaded model; attached LoRA networks act by themselves."""

    def __init__(self, model: Family, prompts_read: Callable[[], None] | None = None) -> None:
        """Draw with a model.

        Args:
            model: Loaded.
            prompts_read: Called when the text encoders have done their work for a picture.
        """
        self._model, self._prompts_read = model, prompts_read
        self._known: dict[tuple[tuple[str, ...], int], Conditioning] = {}

    def read_ahead(self, pictures: Iterable[ImageSpec]) -> None:
        """Encode the prompts of pictures that will be drawn with the text encoders as they are.

        They then need not be there, beside the denoiser, when the pictures are drawn.
        """
        for picture in pictures:
            if (key := _read_by_encoders(picture)) not in self._known:
                self._known[key] = self._encoded(*key).kept()

    @torch.no_grad()
    def draw(self, picture: ImageSpec, on_step: Callable[[int], None] | None = None) -> Image.Image:
        """Draw one picture.

        Raises:
            UserError: The size does not fit the model, or into memory.
        """
        size = f"{picture.width}x{picture.height}"
        with catch_out_of_memory(f"drawing {size} pixels", FREE_MEMORY):
            return self._draw(picture, on_step)

    def _draw(self, picture: ImageSpec, on_step: Callable[[int], None] | None) -> Image.Image:
        model = self._model
        model.base.check_size(picture.width, picture.height)
        rng = torch.Generator().manual_seed(picture.seed)
        shape = model.latent_shape(picture.width, picture.height)
        latents = torch.randn(shape, generator=rng).to(model.policy.device)
        sampler = model.sampler(picture.sampler)
        sampler.set_timesteps(picture.steps)
        latents = latents * sampler.init_noise_sigma
        conditioning = self._conditioning(picture)
        if self._prompts_read:
            self._prompts_read()
        step_rng = torch.Generator().manual_seed(seed_of(picture.seed, "sampler"))
        extra = {"generator": step_rng} if picture.sampler in ("euler_a", "ddim") else {}
        for index, timestep in enumerate(sampler.timesteps):
            scaled = sampler.scale_model_input(latents, timestep)
            predicted = self._guided(scaled, timestep, conditioning, picture.cfg)
            latents = sampler.step(predicted, timestep, latents, **extra).prev_sample
            if on_step is not None:
                on_step(index + 1)
        return _image(model.decode(latents))

    def _conditioning(self, picture: ImageSpec) -> Conditioning:
        key = _read_by_encoders(picture)
        known = self._known.get(key)
        found = known.to(self._model.policy.device) if known else self._encoded(*key)
        size = (picture.width, picture.height)
        return self._model.framed(found, [Frame(size, (0, 0), size)] * len(found))

    @torch.no_grad()
    def _encoded(self, texts: Sequence[str], clip_skip: int) -> Conditioning:
        return self._model.encode_tokens(self._model.tokenize(texts), clip_skip)

    def _guided(
        self, latents: Tensor, timestep: Tensor, conditioning: Conditioning, cfg: float
    ) -> Tensor:
        """Return the prediction, pushed away from that of the negative prompt."""
        count = len(conditioning)
        both = latents.expand(count, *[-1] * (latents.ndim - 1))
        timesteps = timestep.to(latents.device).expand(count)
        predicted = self._model.predict(both, timesteps, conditioning).float()
        if count == 1:
            return predicted
        negative, positive = predicted.chunk(2)
        return negative + cfg * (positive - negative)


def _read_by_encoders(picture: ImageSpec) -> tuple[tuple[str, ...], int]:
    """Return negative and positive prompt (only the positive one at cfg 1), and the clip skip."""
    texts = (picture.text,) if picture.cfg == 1.0 else (picture.negative, picture.text)
    return texts, picture.clip_skip


def _image(pixels: Tensor) -> Image.Image:
    array = ((pixels[0].permute(1, 2, 0).cpu().numpy() + 1.0) * 127.5).round()
    return Image.fromarray(array.astype(np.uint8))


def parameters(
    picture: ImageSpec, *, model: str, model_hash: str, lora_hashes: Mapping[str, str]
) -> str:
    """Return the text that A1111 writes into PNG files, which many programs read.

    Args:
        picture: What was drawn.
        model: Name of the base model.
        model_hash: SHA-256 of its weights, may be empty; ten digits are written.
        lora_hashes: ``sshs_model_hash`` by name; twelve digits are written.
    """
    tags = "".join(f" <lora:{name}:{weight:g}>" for name, weight in picture.loras.items())
    fields = {
        "Steps": picture.steps,
        "Sampler": _LABELS[picture.sampler],
        "CFG scale": f"{picture.cfg:g}",
        "Seed": picture.seed,
        "Size": f"{picture.width}x{picture.height}",
        "Model hash": model_hash[:10],
        "Model": model,
        "Clip skip": picture.clip_skip if picture.clip_skip > 1 else "",
        "Lora hashes": _quoted(lora_hashes),
        "Version": "shikomi",
    }
    lines = [f"{picture.text}{tags}"]
    lines += [f"Negative prompt: {picture.negative}"] if picture.negative else []
    lines.append(", ".join(f"{key}: {value}" for key, value in fields.items() if value != ""))
    return "\n".join(lines)


def _quoted(hashes: Mapping[str, str]) -> str:
    inside = ", ".join(f"{name}: {digest[:12]}" for name, digest in hashes.items())
    return f'"{inside}"' if inside else ""


def png_text(text: str) -> PngInfo:
    """Return the PNG chunk ``parameters`` with a text."""
    info = PngInfo()
    info.add_text("parameters", text)
    return info
