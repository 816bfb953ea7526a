"""Stable Diffusion 1.5 and everything built like it."""

from collections.abc import Sequence

from torch import Tensor

from train.families.base import Conditioning, Frame
from train.families.clip import joined_windows
from train.families.latent_diffusion import LatentDiffusion
from train.lora.keys import TEXT_PREFIX, UNET_PREFIX
from train.settings.captions import Chunking


class StableDiffusion15(LatentDiffusion):
    """A loaded base model; implements ``Family``."""

    @property
    def parts(self) -> dict[str, str]:
        """As ``Family.parts``."""
        return {"unet": UNET_PREFIX, "text_encoder": TEXT_PREFIX}

    def encode_tokens(
        self, tokens: Tensor, clip_skip: int = 1, chunking: Chunking = "webui"
    ) -> Conditioning:
        """Encode token chunks.

        Args:
            tokens: From ``tokenize``, shape (batch, 1, chunks, window).
            clip_skip: Layer to read, counted from the end; 1 is the last one.
            chunking: As they were tokenised.

        Returns:
            Context as from ``joined_windows``, and nothing else.
        """
        self._fetch_texts()
        (text,) = self.texts
        batch, _, chunks, window = tokens.shape
        ids = tokens.reshape(batch * chunks, window).to(self.policy.device)
        if clip_skip == 1:
            hidden = text.encoder(ids).last_hidden_state
        else:
            hidden = text.root.final_layer_norm(text.states(ids)[-clip_skip])
        return Conditioning(joined_windows(hidden, chunks, chunking))

    def framed(self, text: Conditioning, frames: Sequence[Frame]) -> Conditioning:
        """As ``Family.framed``; SD 1.5 knows nothing of sizes."""
        del frames
        return text

    def predict(self, noisy: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """As ``Family.predict``."""
        dtype = self.policy.dtype
        context = conditioning.context.to(dtype)
        predicted: Tensor = self.unet(noisy.to(dtype), timesteps, context, return_dict=False)[0]
        return predicted
