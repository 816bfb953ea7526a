"""Settings of a run from the command line, and dataset files from strangers."""

import tempfile
from pathlib import Path
from typing import Any

import tomlkit
from hypothesis import example, given
from hypothesis import strategies as st

from tests.prep.fuzzing import VALUES, answers_or_explains, damaged
from train.config import TrainSettings, parse_override, validated
from train.data.dataset_file import read_dataset_file

DATASET = b"""[general]
shuffle_caption = true
[[datasets]]
resolution = [512, 512]
batch_size = 2
[[datasets.subsets]]
image_dir = "10_mochi"
num_repeats = 10
caption_extension = ".txt"
"""


@given(st.sampled_from(sorted(TrainSettings.model_fields)), st.one_of(st.text(), VALUES.map(repr)))
@example("rank", "[" * 20_000)
@example("rank", "{a=" * 20_000)
@example("rank", "9" * 5000)
@example("learning_rate", "1e400")
@example("learning_rate", "nan")
@example("rank", "1\nalpha = 3")
@example("base", "'\0'")
@example("steps", "0x" + "f" * 30)
def test_values_of_set(key: str, value: str) -> None:
    def work() -> None:
        name, given_value = parse_override(f"{key}={value}")
        assert name == key
        validated({name: given_value}, "--set")

    answers_or_explains(work)


@given(st.text(max_size=20))
def test_texts_of_set(text: str) -> None:
    answers_or_explains(lambda: validated(dict([parse_override(text)]), "--set"))


def read(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "dataset.toml"
        file.write_bytes(data)
        answers_or_explains(lambda: read_dataset_file(file))


@given(damaged(DATASET))
@example(b"a = " + b"[" * 20_000)
@example(b"[" + b"a." * 20_000 + b"a]")
@example(b"[[datasets]]\nresolution = 1" + b"0" * 5000)
def test_damaged_dataset_files(data: bytes) -> None:
    read(data)


@given(
    st.dictionaries(
        st.sampled_from(["resolution", "batch_size", "num_repeats", "min_bucket_reso", "flip_aug"]),
        VALUES,
        max_size=3,
    ),
    st.dictionaries(
        st.sampled_from(["num_repeats", "keep_tokens", "caption_extension", "image_dir"]),
        VALUES,
        max_size=3,
    ),
)
def test_values_in_dataset_files(table: dict[str, Any], subset: dict[str, Any]) -> None:
    whole = {"datasets": [{**table, "subsets": [{"image_dir": "a", **subset}]}]}
    try:
        data = tomlkit.dumps(whole).encode()
    except (ValueError, TypeError):  # nothing that a file can hold
        return
    read(data)
