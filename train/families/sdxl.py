"""SDXL and everything built like it: Illustrious, NoobAI, Pony.

Two text encoders are read at the layer before their last one, without the final norm, and joined;
the pooled states of the second one, and the sizes of the picture, are further inputs (Podell et al.
2023). This is what the programs that use SDXL do, whatever their clip skip says.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from train.arithmetic.transfer import moved
from train.families.base import Conditioning, Frame
from train.families.clip import joined_windows
from train.families.latent_diffusion import LatentDiffusion
from train.lora.keys import FIRST_TEXT_PREFIX, SECOND_TEXT_PREFIX, UNET_PREFIX
from train.settings.captions import Chunking

_LAYER = -2
"""The states that are read: those before the last layer."""


class StableDiffusionXL(LatentDiffusion):
    """A loaded base model; implements ``Family``."""

    @property
    def parts(self) -> dict[str, str]:
        """As ``Family.parts``."""
        return {
            "unet": UNET_PREFIX,
            "text_encoder": FIRST_TEXT_PREFIX,
            "text_encoder_2": SECOND_TEXT_PREFIX,
        }

    def encode_tokens(
        self, tokens: Tensor, clip_skip: int = 1, chunking: Chunking = "webui"
    ) -> Conditioning:
        """Encode token chunks.

        Args:
            tokens: From ``tokenize``, shape (batch, 2, chunks, window).
            clip_skip: Not used.
            chunking: As they were tokenised.

        Returns:
            Context as from ``joined_windows``, of both widths together, and as ``pooled`` the
            states of the end mark in the first chunk, shape (batch, width of the projection).
        """
        del clip_skip
        self._fetch_texts()
        batch, _, chunks, window = tokens.shape
        ids = tokens.to(self.policy.device)
        first, second = self.texts
        hidden = first.states(ids[:, 0].reshape(-1, window))[_LAYER]
        outputs = second.encoder(ids[:, 1].reshape(-1, window), output_hidden_states=True)
        joined = torch.cat([hidden, outputs.hidden_states[_LAYER]], dim=-1)
        pooled = outputs.text_embeds.reshape(batch, chunks, -1)[:, 0]
        return Conditioning(joined_windows(joined, chunks, chunking), {"pooled": pooled})

    def framed(self, text: Conditioning, frames: Sequence[Frame]) -> Conditioning:
        """Add size before scaling, corner of the crop and size of the bucket, height first."""
        rows = [
            [size for pair in (f.original, f.corner, f.target) for size in reversed(pair)]
            for f in frames
        ]
        sizes = moved(torch.tensor(rows), text.context.device)
        return Conditioning(text.context, {**text.extra, "sizes": sizes})

    def predict(self, noisy: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """As ``Family.predict``."""
        dtype = self.policy.dtype
        added = {
            "text_embeds": conditioning.extra["pooled"].to(dtype),
            "time_ids": conditioning.extra["sizes"],  # bf16 has no 1023
        }
        outputs = self.unet(
            noisy.to(dtype),
            timesteps,
            conditioning.context.to(dtype),
            added_cond_kwargs=added,
            return_dict=False,
        )
        predicted: Tensor = outputs[0]
        return predicted
