"""Captions to what the denoiser reads; encoded ahead while the text encoders do not change.

The captions of steps to come are known, so those of many steps are encoded in one go, and in
between frozen text encoders leave the GPU. Every caption is encoded alone: its states depend on
nothing but itself, not on its batch, nor on where a run was interrupted.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

import torch
from torch import Tensor

from train.arithmetic.transfer import moved
from train.config import TrainSettings
from train.families.base import Conditioning, Family

BUDGET = 1 << 30
"""Bytes of text states in memory: some 9,000 captions of SD 1.5 or 3,300 of SDXL, in bf16."""
_AT_ONCE = 1024
"""New captions that are encoded in one go: training waits some ten seconds for them on a GPU."""
_FEW = 256
"""Captions that a CPU encodes before the first step: half a minute with SD 1.5."""
_LOOKED_AT = 50_000
"""Captions of steps to come that are looked at: repeated ones take no memory, but time."""

ALL = slice(None)


class Texts:
    """Encodes captions with one model and the settings of one run.

    Attributes:
        trained: The text encoders are trained: states of captions change from step to step.
    """

    def __init__(self, model: Family, settings: TrainSettings, budget: int = BUDGET) -> None:
        """Start with none.

        Args:
            model: Its text encoders may be parked in between, unless they are trained.
            settings: Of the run.
            budget: Bytes that the states of captions may take.
        """
        self._model, self._settings, self._budget = model, settings, budget
        self.trained = settings.trains_texts(model.base.family)
        self._known: OrderedDict[str, Conditioning] = OrderedDict()
        self._bytes = 0
        self._complete = False

    def encode(
        self, captions: Sequence[str], ahead: Iterable[str] = (), rows: slice = ALL
    ) -> Conditioning:
        """Return the text states of captions, one for each, on the device of the model.

        With trained text encoders they carry gradients where these are enabled.

        Args:
            captions: Of a batch.
            ahead: Captions that will be asked for next, in this order. When one of ``captions`` is
                missing, as many of these are encoded with it as there is room for.
            rows: Only the states of these captions are returned, as long as all would be.
        """
        if self.trained and torch.is_grad_enabled():
            return self._states(captions, rows)
        if self.trained:
            return self._joined([self._encode_one(text) for text in captions], rows)
        if any(text not in self._known for text in captions):
            self._fetch(captions, ahead)
        return self._joined([self._known[text] for text in captions], rows)

    def asked(
        self, captions: Sequence[str], ahead: Iterable[str] = (), rows: slice = ALL
    ) -> Conditioning:
        """Return what ``encoded`` makes text states of; arguments as ``encode``.

        States that are known already; or token ids, where a step encodes its own captions.
        """
        if not (self.trained and torch.is_grad_enabled()):
            return self.encode(captions, ahead, rows)
        tokens = self._tokens(captions)[rows]
        return Conditioning(moved(tokens, self._model.policy.device))

    def encoded(self, asked: Conditioning) -> Conditioning:
        """Return the text states of what was ``asked``, and what was added to it since."""
        if asked.context.is_floating_point():
            return asked
        states = self._encode(asked.context)
        return Conditioning(states.context, {**asked.extra, **states.extra})

    def read_ahead(self, captions: Iterable[str], heed: Callable[[], None] = lambda: None) -> None:
        """Encode what a run will ask for, before its denoiser needs the memory.

        A GPU encodes as many captions as there is room for. A CPU does so only where they are few,
        so that the first step need not wait long; then it has done with its text encoders.

        Args:
            captions: Of the run, in the order of its steps.
            heed: Called before each of them is encoded; what it raises ends the work.
        """
        if self.trained:
            return
        first = list(islice(_distinct(islice(captions, _LOOKED_AT)), _FEW + 1))
        if self._on_cpu and len(first) > _FEW:
            return
        self._complete = self._fetch([], chain(first, captions), heed) and len(first) <= _FEW
        self.rest()

    def rest(self) -> None:
        """Let text encoders that are not trained go until they are used again.

        Those of a CPU stay while captions are still to come: there, going is being freed.
        """
        if not self.trained and (self._complete or not self._on_cpu):
            self._model.park("texts")

    @property
    def _on_cpu(self) -> bool:
        return self._model.policy.device.type == "cpu"

    def too_long(self, captions: Sequence[str]) -> list[str]:
        """Return the captions that will be cut off."""
        settings = self._settings
        return [
            text
            for text in captions
            if self._model.is_cut(text, settings.max_token_length, settings.chunking)
        ]

    def _fetch(
        self,
        captions: Sequence[str],
        ahead: Iterable[str],
        heed: Callable[[], None] = lambda: None,
    ) -> bool:
        """Encode what is missing, and keep what will be needed next; return whether all of it."""
        # "" fills captions up that are shorter than others of their batch.
        needed = dict.fromkeys([*captions, ""])
        window: set[str] = set()
        size = new = 0
        for text in _distinct(chain(needed, islice(ahead, _LOOKED_AT))):
            states = self._known.pop(text, None)
            if states is None:
                if new >= _AT_ONCE and text not in needed:
                    break
                new += 1
                heed()
                states = self._encode_one(text).kept()
                self._bytes += states.nbytes
            size += states.nbytes
            if text not in needed and size > self._budget:
                self._bytes -= states.nbytes
                break
            self._known[text] = states
            window.add(text)
            self._forget(window)
        else:
            self.rest()
            return True
        self.rest()
        return False

    def _forget(self, window: set[str]) -> None:
        """Forget the captions that were not needed for longest, unless they are needed next."""
        while self._bytes > self._budget:
            oldest = next(iter(self._known))
            if oldest in window:
                return
            self._bytes -= self._known.pop(oldest).nbytes

    @torch.no_grad()
    def _encode_one(self, text: str) -> Conditioning:
        return self._states([text])

    def _states(self, captions: Sequence[str], rows: slice = ALL) -> Conditioning:
        return self._encode(self._tokens(captions)[rows])

    def _tokens(self, captions: Sequence[str]) -> Tensor:
        settings = self._settings
        return self._model.tokenize(captions, settings.max_token_length, settings.chunking)

    def _encode(self, tokens: Tensor) -> Conditioning:
        settings = self._settings
        return self._model.encode_tokens(tokens, settings.clip_skip, settings.chunking)

    def _joined(self, texts: Sequence[Conditioning], rows: slice) -> Conditioning:
        """Concatenate some of texts of any number of chunks along the batch."""
        device = self._model.policy.device
        longest = max(text.context.shape[1] for text in texts)
        return Conditioning.joined([self._filled(t.to(device), longest) for t in texts[rows]])

    def _filled(self, row: Conditioning, length: int) -> Conditioning:
        """Add empty chunks, as a longer text beside this one makes A1111 do."""
        missing = length - row.context.shape[1]
        if not missing:
            return row
        empty = self._encode_one("") if self.trained else self._known[""]
        chunk = empty.to(row.context.device).context
        count = missing // chunk.shape[1]
        return Conditioning(torch.cat([row.context, *[chunk] * count], dim=1), row.extra)


def _distinct(texts: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for text in texts:
        if text not in seen:
            seen.add(text)
            yield text
