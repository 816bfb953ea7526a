"""Lines of Japanese in the application."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.content import Content

from tui.line_breaks import break_lines, line_breaks


@given(
    st.text("画像のタグを、書く。（「」）ー っ abc-d 1 --where .", max_size=80), st.integers(4, 40)
)
def test_lines_fit_and_nothing_is_lost(text: str, width: int) -> None:
    at = [0, *line_breaks(text, width), len(text)]
    lines = [text[start:end] for start, end in pairwise(at)]
    assert "".join(lines) == text
    assert at == sorted(at)
    assert all(cell_len(line.rstrip()) <= width for line in lines)


def test_the_application_breaks_between_japanese_characters() -> None:
    break_lines()
    content = Content("shikomi.toml に書かれた規則を、すべてのキャプションに適用します。")
    lines = [line.plain for line in content.wrap(24)]
    assert lines[0] == "shikomi.toml に書かれた"
    assert not any(line.startswith(("、", "。")) for line in lines)
