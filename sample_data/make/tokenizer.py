"""Makes the base model's CLIP tokenizer: byte pairs learnt from the demo world's captions.

All 256 bytes are in the vocabulary, alone and word-final, so any text in any language becomes
tokens and nothing is ever unknown; words of the demo world are mostly one token each.
"""

import random
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import CLIPTokenizer

from sample_data.make.captions import caption
from sample_data.make.world import sample_scene

START, END = "<|startoftext|>", "<|endoftext|>"
MAX_LENGTH = 77
PAIRS = 400
WORD_END = "</w>"


def build() -> CLIPTokenizer:
    """Learn the byte pairs and return the tokenizer."""
    merges = _learn_merges()
    symbols = sorted(ByteLevel.alphabet())
    symbols += [symbol + WORD_END for symbol in symbols]
    symbols += [left + right for left, right in merges]
    ordered = [*dict.fromkeys(symbols), START, END]
    vocab = {symbol: number for number, symbol in enumerate(ordered)}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=MAX_LENGTH)


def save(tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Write the tokenizer's folder, with the two plain files that older readers want too."""
    tokenizer.save_pretrained(folder)
    tokenizer.backend_tokenizer.model.save(str(folder))


def _learn_merges() -> list[tuple[str, str]]:
    """Learn which neighbouring symbols to join, over a fixed sample of captions."""
    rng = random.Random("tokenizer")
    texts = (caption(sample_scene(rng), rng) for _ in range(3000))
    learner = Tokenizer(BPE(end_of_word_suffix=WORD_END))
    template = CLIPTokenizer().backend_tokenizer
    learner.normalizer = template.normalizer
    learner.pre_tokenizer = template.pre_tokenizer
    trainer = BpeTrainer(
        vocab_size=2 * 256 + PAIRS,
        initial_alphabet=ByteLevel.alphabet(),
        end_of_word_suffix=WORD_END,
        show_progress=False,
    )
    learner.train_from_iterator(texts, trainer)
    folder = Path(__file__).parent / "work"
    folder.mkdir(exist_ok=True)
    _, merges_file = learner.model.save(str(folder), "learnt")
    lines = Path(merges_file).read_text(encoding="utf-8").splitlines()[1:]
    pairs = [line.split(" ") for line in lines]
    return [(left, right) for left, right in pairs]
