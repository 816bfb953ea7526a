"""Damaged LoRA files: whatever is wrong with a header, a sentence says so."""

import contextlib
import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prep.errors import UserError
from tests.train.lora.test_contents import LINEAR, MODEL, NAME, named
from train.lora.contents import inspect
from train.lora.file import read_header, serialise
from train.networks.build import network_of_file
from train.networks.saved import load_lora

FILE = serialise(
    named({"lora_down.weight": (2, 3), "lora_up.weight": (3, 2), "alpha": ()}, LINEAR)
    | named({"lora_down.weight": (2, 3, 1, 1), "lora_up.weight": (3, 2, 1, 1)}),
    {"ss_network_dim": "2", "sshs_model_hash": "0" * 64},
)
LENGTH = int.from_bytes(FILE[:8], "little")
HEADER: dict[str, Any] = json.loads(FILE[8 : 8 + LENGTH])
UP = f"{LINEAR}.lora_up.weight"
LAYERS = {LINEAR: torch.nn.Linear(3, 3), NAME: torch.nn.Conv2d(3, 3, 1)}

bounded = settings(
    max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def used(path: Path) -> None:
    """Do all that is done with a LoRA file; only UserError may come of it."""
    for use in (
        lambda: inspect(path),
        lambda: inspect(path, MODEL),
        lambda: network_of_file(LAYERS, load_lora(path), read_header(path).metadata),
    ):
        with contextlib.suppress(UserError):
            use()


def test_the_undamaged_file_is_used(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(FILE)
    assert inspect(path, MODEL).faults == ()
    assert len(network_of_file(LAYERS, load_lora(path)).adapters) == 2


@bounded
@given(st.integers(0, len(FILE) - 1))
def test_a_file_that_ends_early_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(FILE[:size])
    for use in (inspect, load_lora):
        with pytest.raises(UserError, match="not a safetensors file") as caught:
            use(path)
        assert size < 8 or "not copied completely" in caught.value.message


@bounded
@given(st.lists(st.tuples(st.integers(0, len(FILE) - 1), st.integers(0, 255)), max_size=6))
def test_changed_bytes_are_a_sentence_or_another_file(
    tmp_path: Path, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(FILE)
    for place, value in changes:
        data[place] = value
    (tmp_path / "a.safetensors").write_bytes(data)
    used(tmp_path / "a.safetensors")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def with_header(header: Any, payload: bytes = FILE[8 + LENGTH :]) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + payload


PLACES = ("__metadata__", UP, f"{UP}.dtype", f"{UP}.shape", f"{UP}.data_offsets")


@bounded
@given(st.sampled_from(PLACES), JSON)
def test_any_value_anywhere_in_a_header(tmp_path: Path, place: str, value: object) -> None:
    header = copy.deepcopy(HEADER)
    if place in header:
        header[place] = value
    else:
        name, _, key = place.rpartition(".")
        header[name][key] = value
    (tmp_path / "a.safetensors").write_bytes(with_header(header))
    used(tmp_path / "a.safetensors")


@bounded
@given(JSON)
def test_any_header(tmp_path: Path, header: object) -> None:
    (tmp_path / "a.safetensors").write_bytes(with_header(header))
    used(tmp_path / "a.safetensors")


def _set(name: str, key: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(header: dict[str, Any]) -> None:
        header[name][key] = value

    return change


def _replaced(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(header: dict[str, Any]) -> None:
        header[key] = value

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_set(UP, "data_offsets", [0, 24]), "does not begin where the tensor before it ends"),
        (_set(UP, "data_offsets", [24, 0]), "another size than its shape says"),
        (_set(UP, "data_offsets", [-24, 0]), "no valid shape or place"),
        (_set(UP, "data_offsets", [0, float("nan")]), "no valid shape or place"),
        (_set(UP, "data_offsets", [0]), "no valid shape or place"),
        (_set(UP, "shape", [3, 3]), "another size than its shape says"),
        (_set(UP, "shape", [True, 6]), "no valid shape or place"),
        (_set(UP, "shape", [10**30, 10**30]), "another size than its shape says"),
        (_set(UP, "dtype", "F12"), "the unknown type 'F12'"),
        (_set(UP, "dtype", ["F32"]), "the unknown type"),
        (_replaced(UP, 3), "not described by a table"),
        (_replaced("__metadata__", []), "metadata is not a table of texts"),
        (_replaced("__metadata__", {"a": 1}), "metadata is not a table of texts"),
        (lambda header: header.pop(UP), "does not begin where|bytes follow"),
    ],
)
def test_the_fault_is_named(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    header = copy.deepcopy(HEADER)
    change(header)
    path = tmp_path / "a.safetensors"
    path.write_bytes(with_header(header))
    for use in (inspect, load_lora):
        with pytest.raises(UserError, match=reason):
            use(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff" * 64, "the length of a header"),
        ((100_000_000).to_bytes(8, "little") + b"{}", "the length of a header"),
        ((99_999_999).to_bytes(8, "little") + b"{}", "ends inside its header"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a pointer of Git LFS"),
        (b"PK\x03\x04" + bytes(60), "a file of PyTorch"),
        ((2).to_bytes(8, "little") + b"{}" + b"more", "4 bytes follow"),
        ((2).to_bytes(8, "little") + b"[]", "not a table"),
        ((4).to_bytes(8, "little") + b'"\xff"}', "not JSON"),
        ((100_000).to_bytes(8, "little") + b"[" * 100_000, "not JSON"),
    ],
)
def test_no_header_at_all(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match=reason):
        read_header(path)


def test_a_folder_or_a_pipe_is_not_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(UserError, match="cannot be read"):
            read_header(path)
