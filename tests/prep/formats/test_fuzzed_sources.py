"""Sources from strangers, damaged or hostile: read as far as possible, or refused in a sentence."""

import io
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomlkit
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from prep.formats import sources
from tests.prep.fuzzing import VALUES, answers_or_explains, damaged

FILES = {
    "10_mochi/a.png": b"",
    "10_mochi/a.txt": b"mochi, hat",
    "metadata.jsonl": b'{"file_name": "10_mochi/a.png", "text": "mochi"}\n',
    "10_mochi/b.txt": b"\xef\xbb\xbfmochi, b\r\n",
}


def _picture() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(stream, "PNG")
    return stream.getvalue()


def _zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as pack:
        for name, data in FILES.items():
            pack.writestr(zipfile.ZipInfo(name), data or _picture())
    return stream.getvalue()


def _tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as pack:
        for name, data in FILES.items():
            info = tarfile.TarInfo(name)
            info.size = len(data or _picture())
            pack.addfile(info, io.BytesIO(data or _picture()))
    return stream.getvalue()


@contextmanager
def place() -> Iterator[tuple[Path, Path, Path]]:
    """Yield a folder around everything, one for the source and one to unpack to."""
    with tempfile.TemporaryDirectory() as name:
        around = Path(name)
        (around / "source").mkdir()
        (around / "staging").mkdir()
        yield around, around / "source", around / "staging"


def read(data: bytes, name: str) -> None:
    with place() as (around, source, staging):
        (source / name).write_bytes(data)
        answers_or_explains(lambda: sources.read(source / name, staging))
        left = {path.name for path in around.iterdir()}
        assert left == {"source", "staging"}
        assert [path.name for path in source.iterdir()] == [name]


@given(damaged(_zip()))
def test_zip_files(data: bytes) -> None:
    read(data, "set.zip")


@given(damaged(_tar()))
def test_tar_files(data: bytes) -> None:
    read(data, "set.tar")


@given(st.lists(VALUES, max_size=4))
@example([{"file_name": "\0", "text": None}])
@example([{"file_name": ["a"], "text": {}}])
def test_metadata_lines(rows: list[Any]) -> None:
    read("\n".join(json.dumps(row) for row in rows).encode(), "metadata.jsonl")


@given(st.dictionaries(st.sampled_from(["file_name", "text", "caption", "x"]), VALUES))
def test_metadata_rows(row: dict[str, Any]) -> None:
    read(json.dumps(row).encode(), "metadata.jsonl")


@given(st.binary(max_size=60))
@example(b"[" * 20_000)
@example(b'{"a":' * 20_000)
@example(b'{"a": 1' + b"0" * 5000 + b"}")
def test_json_that_is_none(data: bytes) -> None:
    for name in ("metadata.jsonl", "meta.json", "concepts.json", "metadata.csv"):
        read(data, name)


SUBSET = st.dictionaries(
    st.sampled_from(
        ["image_dir", "num_repeats", "is_reg", "class_tokens", "caption_extension", "keep_tokens"]
    ),
    VALUES,
    max_size=4,
)


@given(
    st.fixed_dictionaries(
        {"datasets": st.lists(st.fixed_dictionaries({"subsets": st.lists(SUBSET, max_size=2)}))},
        optional={"general": SUBSET},
    )
)
def test_dataset_files(values: dict[str, Any]) -> None:
    try:
        text = tomlkit.dumps(values)
        data = text.encode()
    except (ValueError, TypeError):  # null, or a lone surrogate: nothing that a file can hold
        return
    read(data, "dataset.toml")


@given(st.lists(st.dictionaries(st.sampled_from(["path", "name", "balancing", "text"]), VALUES)))
def test_concepts(rows: list[Any]) -> None:
    read(json.dumps(rows).encode(), "concepts.json")
