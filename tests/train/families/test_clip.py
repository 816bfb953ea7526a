"""How captions of more than one window reach the text encoder."""

from pathlib import Path

import pytest
import torch

from tests.train.tiny import make_sdxl_base
from train.arithmetic.precision import choose
from train.checkpoints.sources import TextTokenizer
from train.families.base_model import BaseModel
from train.families.clip import ClipText, joined_windows
from train.families.sd15 import StableDiffusion15
from train.families.sdxl import StableDiffusionXL
from train.settings.captions import Chunking

CPU = torch.device("cpu")
COMMA, BEGIN, END, PAD = 1, 900, 901, 902


def tokens_of(text: str) -> list[int]:
    """Every word is a token of its own, and so is a comma."""
    return [COMMA if word == "," else int(word) for word in text.replace(",", " , ").split()]


TEXT = ClipText(TextTokenizer(tokens_of, BEGIN, END, PAD), 77, torch.nn.Identity)


def words(count: int, first: int = 10) -> str:
    return " ".join(str(first + n) for n in range(count))


def sizes(text: str, chunking: Chunking = "webui") -> list[int]:
    chunks = TEXT.chunks(text, chunking)
    assert [t for chunk in chunks for t in chunk] == tokens_of(text)
    return [len(chunk) for chunk in chunks]


@pytest.mark.parametrize(
    ("text", "webui", "sd_scripts"),
    [
        ("", [0], [0]),
        (words(75), [75], [75]),
        (words(76), [75, 1], [75, 1]),
        (words(160), [75, 75, 10], [75, 75, 10]),
        # The phrase that would be cut begins behind a comma that is near enough, or it does not.
        (f"{words(60)}, {words(30)}", [61, 30], [75, 16]),
        (f"{words(55)}, {words(30)}", [56, 30], [75, 11]),
        (f"{words(54)}, {words(30)}", [75, 10], [75, 10]),
        # The last of several commas counts; one that ends the window exactly cuts nothing.
        (f"{words(57)}, {words(5)}, {words(30)}", [64, 30], [75, 19]),
        (f"{words(74)}, {words(9)}", [75, 9], [75, 9]),
        # A comma that does not fit any more begins the next window: no phrase was cut.
        (f"{words(60)}, {words(14)}, {words(9)}", [75, 10], [75, 10]),
        (f"{words(70)}, {words(70)}, {words(70)}", [71, 71, 70], [75, 75, 62]),
    ],
)
def test_windows_end_where_a1111_ends_them_or_where_they_are_full(
    text: str, webui: list[int], sd_scripts: list[int]
) -> None:
    assert sizes(text) == webui
    assert sizes(text, "sd_scripts") == sd_scripts


def test_what_is_cut_off_depends_on_where_windows_end() -> None:
    text = f"{words(60)}, {words(60)}, {words(25)}"
    assert sizes(text) == [61, 61, 25]
    assert TEXT.is_cut(text, 150)
    assert not TEXT.is_cut(text, 225)
    assert not TEXT.is_cut(text, 150, "sd_scripts")
    assert not TEXT.is_cut(words(75), 75)
    assert TEXT.is_cut(words(76), 75)


def test_marks_and_padding() -> None:
    text = f"{words(70)}, {words(70)}, {words(70)}"
    cut = TEXT.tokenize([text, "5"], 150)
    assert cut.shape == (2, 2, 77)
    assert cut[0, 0].tolist() == [BEGIN, *tokens_of(f"{words(70)},"), END, *[PAD] * 4]
    assert cut[1, 1].tolist() == [BEGIN, END, *[PAD] * 75]
    assert TEXT.tokenize([text]).shape == (1, 3, 77)
    assert TEXT.tokenize(["5"], 225).shape == (1, 1, 77)
    # sd-scripts always reads the full length.
    assert TEXT.tokenize(["5"], 225, "sd_scripts").shape == (1, 3, 77)
    full = TEXT.tokenize([words(80)], 150, "sd_scripts")[0]
    assert full[0].tolist() == [BEGIN, *range(10, 85), END]
    assert full[1].tolist() == [BEGIN, *range(85, 90), END, *[PAD] * 70]


def test_one_pair_of_marks_remains_in_sd_scripts() -> None:
    states = torch.arange(2 * 3 * 77).view(6, 77, 1).float()
    webui = joined_windows(states, 3, "webui")
    assert torch.equal(webui, torch.arange(2 * 231).view(2, 231, 1).float())
    one = joined_windows(states, 3, "sd_scripts")[1].flatten().tolist()
    at = 3 * 77
    windows = [range(at + n * 77, at + (n + 1) * 77) for n in range(3)]
    inner = [state for window in windows for state in window[1:-1]]
    assert one == [windows[0][0], *inner, windows[2][-1]]
    assert len(one) == 227
    lone = states[:2]
    assert torch.equal(joined_windows(lone, 1, "sd_scripts"), lone)


@pytest.mark.parametrize(("limit", "length"), [(75, 77), (150, 152), (225, 227)])
def test_both_families_read_the_lengths_of_sd_scripts(
    base: Path, tmp_path: Path, limit: int, length: int
) -> None:
    text = "a " * 100
    first = StableDiffusion15.load(BaseModel.open(base), choose("fp32", CPU))
    second = StableDiffusionXL.load(
        BaseModel.open(make_sdxl_base(tmp_path / "sdxl")), choose("fp32", CPU)
    )
    for model in (first, second):
        with torch.no_grad():
            ours = model.encode_tokens(model.tokenize([text], limit), 1)
            theirs = model.encode_tokens(
                model.tokenize([text], limit, "sd_scripts"), 1, "sd_scripts"
            )
        assert theirs.context.shape[1] == length
        assert ours.context.shape[1] == 77 * min(2, limit // 75)
        assert torch.allclose(ours.context[:, :76], theirs.context[:, :76], atol=1e-6)
        for name, states in ours.extra.items():
            assert torch.allclose(states, theirs.extra[name], atol=1e-6)
