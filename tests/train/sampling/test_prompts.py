from pathlib import Path

import pytest

from prep.errors import ConfigError
from train.sampling.prompts import Prompt, parse, read_prompts


def test_all_options() -> None:
    prompt = parse("a (b:1.2), c --w 64 --h 96 --d 7 --s 9 --l 3.5 --n bad, worse --ss euler_a")
    assert prompt == Prompt("a (b:1.2), c", "bad, worse", 64, 96, 7, 9, 3.5, "euler_a")


def test_loras_are_taken_out_of_the_text() -> None:
    prompt = parse("mochi, <lora:mochi-000010:0.6>, hat <lora:other>")
    assert prompt.loras == {"mochi-000010": 0.6, "other": 1.0}
    assert prompt.text == "mochi, , hat"


def test_dashes_inside_words_are_text() -> None:
    assert parse("half--open, t-shirt").text == "half--open, t-shirt"


@pytest.mark.parametrize(
    "line",
    [
        *("a --zz 3", "a --w wide", "a --w", "a --ss best", "a <lora:x:strong>", "a <lora:x:nan>"),
        *(
            "a --w 0",
            "a --h -64",
            "a --w 100000",
            "a --s 0",
            "a --s 20000",
            "a --s 1.5",
            "a --d -1",
        ),
        *("a --d 4294967296", "a --l nan", "a --l inf", "a --l -1", "a --l 1e999"),
    ],
)
def test_faults(line: str) -> None:
    with pytest.raises(ConfigError):
        parse(line)


def test_the_limits_are_said() -> None:
    with pytest.raises(ConfigError) as caught:
        parse("a --s 20000")
    assert caught.value.message == "The prompt option --s cannot be '20000'."
    assert caught.value.hint == "Write a whole number from 1 to 1000."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_a_prompt(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "p.txt").write_bytes("# mine\r\nbär --d 1\r\n".encode(encoding))
    assert read_prompts(("p.txt",), tmp_path) == ["bär --d 1"]


def test_a_fault_in_a_file_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("# comment\n\nfirst\nsecond --s 0\n")
    with pytest.raises(ConfigError, match=r"p\.txt, line 4: .* --s cannot be '0'") as caught:
        read_prompts(("p.txt",), tmp_path)
    assert "from 1 to 1000" in caught.value.hint


def test_prompt_files(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("# comment\n\nfirst --d 1\nsecond\n")
    assert read_prompts(("p.txt", "third"), tmp_path) == ["first --d 1", "second", "third"]
    with pytest.raises(ConfigError, match=r"missing\.txt"):
        read_prompts(("missing.txt",), tmp_path)
    (tmp_path / "p.txt").write_text("first --zz 1\n")
    with pytest.raises(ConfigError, match="--zz"):
        read_prompts(("p.txt",), tmp_path)
