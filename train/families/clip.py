"""The text path that SD 1.5 and SDXL share: CLIP's tokens in windows, and its encoders."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from train.checkpoints.sources import TextTokenizer

TOKENS_PER_CHUNK = 75
"""What ``max_token_length`` counts in; a model's text window holds this and two marks."""


@dataclass(frozen=True)
class ClipText:
    """A tokenizer and its text encoder."""

    tokenizer: TextTokenizer
    encoder: nn.Module

    @property
    def root(self) -> Any:
        """The module that holds the layers: transformers 5 dropped a level around it."""
        encoder: Any = self.encoder
        return getattr(encoder, "text_model", encoder)

    @property
    def window(self) -> int:
        """Tokens that the encoder reads at once, both marks included: 77."""
        encoder: Any = self.encoder
        return int(encoder.config.max_position_embeddings)

    def chunks(self, text: str, limit: int) -> list[list[int]]:
        """Return the tokens of a text, cut after each window's worth.

        Args:
            text: A caption or prompt.
            limit: Chunks that are kept; 0 for all.
        """
        room = self.window - 2
        tokens = self.tokenizer.encode(text)
        chunks = [tokens[i : i + room] for i in range(0, len(tokens), room)] or [[]]
        return chunks[:limit] if limit else chunks

    def tokenize(self, texts: Sequence[str], max_token_length: int = 0) -> Tensor:
        """Cut texts into chunks, each with its own begin and end mark, like A1111.

        Args:
            texts: Captions or prompts.
            max_token_length: Longer texts are cut; 0 means no limit.

        Returns:
            Token ids of shape (batch, chunks, window); short texts get empty chunks.
        """
        rows = [self.chunks(text, max_token_length // TOKENS_PER_CHUNK) for text in texts]
        longest = max(len(row) for row in rows)
        padded = [row + [[]] * (longest - len(row)) for row in rows]
        return torch.tensor([[self._marked(chunk) for chunk in row] for row in padded])

    def _marked(self, tokens: list[int]) -> list[int]:
        marks = self.tokenizer
        marked = [marks.begin, *tokens, marks.end]
        return marked + [marks.pad] * (self.window - len(marked))

    def states(self, ids: Tensor) -> tuple[Any, ...]:
        """Encode windows of token ids.

        Args:
            ids: (windows, window).

        Returns:
            The states after the embeddings and after each layer, each (windows, window, width).
        """
        states: tuple[Any, ...] = self.encoder(ids, output_hidden_states=True).hidden_states
        return states
