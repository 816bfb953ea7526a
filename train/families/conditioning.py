"""Captions to what the denoiser reads; remembered while the text encoder does not change."""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor

from train.config import TrainSettings
from train.families.base import Conditioning, Family

_REMEMBERED = 2048
"""Captions kept in memory: at 230 KiB each (SD 1.5 in bf16), more would be too much."""


class Texts:
    """Encodes captions with one model and the settings of one run."""

    def __init__(self, model: Family, settings: TrainSettings) -> None:
        self._model, self._settings = model, settings
        rates = settings.rates(model.base.family)
        self._trained = any(rate for part, rate in rates.items() if part != "unet")
        self._known: OrderedDict[tuple[str, int], Conditioning] = OrderedDict()

    def encode(self, captions: Sequence[str]) -> Conditioning:
        """Return the text states of captions, one for each.

        With a trained text encoder they carry gradients. A frozen one encodes each caption
        alone, so that the result does not depend on which captions were remembered.
        """
        tokens = self._model.tokenize(captions, self._settings.max_token_length)
        if self._trained and torch.is_grad_enabled():
            return self._model.encode_tokens(tokens, self._settings.clip_skip)
        if self._trained:
            rows = [self._encode_one(row) for row in tokens]
        else:
            rows = [self._recall(text, row) for text, row in zip(captions, tokens, strict=True)]
        return Conditioning.joined(rows)

    def _recall(self, text: str, tokens: Tensor) -> Conditioning:
        key = (text, len(tokens))
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        self._known[key] = encoded = self._encode_one(tokens)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return encoded

    @torch.no_grad()
    def _encode_one(self, tokens: Tensor) -> Conditioning:
        return self._model.encode_tokens(tokens[None], self._settings.clip_skip)

    def too_long(self, captions: Sequence[str]) -> list[str]:
        """Return the captions that will be cut off."""
        room = self._model.token_room(self._settings.max_token_length)
        return [text for text in captions if self._model.token_count(text) > room]
