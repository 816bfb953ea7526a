"""The text path that SD 1.5 and SDXL share: CLIP's tokens in windows, and its encoders."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from train.checkpoints.sources import TextTokenizer
from train.settings.captions import Chunking

TOKENS_PER_CHUNK = 75
"""What ``max_token_length`` counts in; a model's text window holds this and two marks."""

_COMMA_REACH = 20
"""How many tokens back A1111 looks for a comma."""


@dataclass(frozen=True)
class ClipText:
    """A tokenizer and its text encoder.

    Attributes:
        tokenizer: Needs no weights.
        window: Tokens that the encoder reads at once, both marks included: 77.
        fetch: Returns the encoder, which is loaded if need be.
    """

    tokenizer: TextTokenizer
    window: int
    fetch: Callable[[], nn.Module]

    @property
    def encoder(self) -> nn.Module:
        """The text encoder."""
        return self.fetch()

    @property
    def root(self) -> Any:
        """The module that holds the layers: transformers 5 dropped a level around it."""
        encoder: Any = self.encoder
        return getattr(encoder, "text_model", encoder)

    def chunks(self, text: str, chunking: Chunking = "webui") -> list[list[int]]:
        """Return the tokens of a text in pieces that each fit a window.

        ``webui`` is A1111's rule (``modules/sd_hijack_clip.py:tokenize_line``): a chunk that would
        end within a phrase ends behind the last comma instead, if that is less than 20 tokens back.
        ``sd_scripts`` cuts wherever a window is full (``train_util.get_input_ids``).
        """
        tokens, room = self.tokenizer.encode(text), self.window - 2
        if chunking == "sd_scripts":
            return [tokens[i : i + room] for i in range(0, len(tokens), room)] or [[]]
        return _cut_at_commas(tokens, room, self.tokenizer.encode(","))

    def is_cut(self, text: str, max_token_length: int, chunking: Chunking = "webui") -> bool:
        """Return whether the end of a text is not read."""
        return len(self.chunks(text, chunking)) > max_token_length // TOKENS_PER_CHUNK

    def tokenize(
        self, texts: Sequence[str], max_token_length: int = 0, chunking: Chunking = "webui"
    ) -> Tensor:
        """Cut texts into chunks, each with its own begin and end mark.

        Args:
            texts: Captions or prompts.
            max_token_length: Longer texts are cut; 0 means no limit.
            chunking: Where chunks end. ``sd_scripts`` fills up to ``max_token_length`` with empty
                ones.

        Returns:
            Token ids of shape (batch, chunks, window); short texts get empty chunks.
        """
        most = max_token_length // TOKENS_PER_CHUNK
        rows = [self.chunks(text, chunking)[: most or None] for text in texts]
        longest = most if most and chunking == "sd_scripts" else max(map(len, rows))
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


def _cut_at_commas(tokens: Sequence[int], room: int, comma: Sequence[int]) -> list[list[int]]:
    """Return chunks of at most ``room`` tokens that end behind a comma where one is near."""
    chunks: list[list[int]] = []
    rest = list(tokens)
    while len(rest) > room:
        end = room
        if rest[room : room + 1] != list(comma):
            near = range(room - 1, max(0, room - _COMMA_REACH) - 1, -1)
            end = next((n + 1 for n in near if rest[n : n + 1] == list(comma)), room)
        chunks.append(rest[:end])
        rest = rest[end:]
    return [*chunks, rest]


def joined_windows(states: Tensor, count: int, chunking: Chunking) -> Tensor:
    """Put the windows of each text behind each other.

    Args:
        states: (batch x count, window, width).
        count: Windows of each text.
        chunking: ``sd_scripts`` keeps the begin mark of the first one and the end of the last one
            only (``train_util.get_hidden_states``).

    Returns:
        (batch, count x window, width), or (batch, count x (window - 2) + 2, width).
    """
    _, window, width = states.shape
    rows = states.reshape(-1, count, window, width)
    if chunking == "webui":
        return rows.reshape(-1, count * window, width)
    inner = rows[:, :, 1:-1].reshape(-1, count * (window - 2), width)
    return torch.cat([rows[:, 0, :1], inner, rows[:, -1, -1:]], dim=1)
