import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from train.lora.file import (
    RawTensor,
    file_hash,
    legacy_hash,
    model_hash,
    read_header,
    serialise,
    with_hashes,
)
from train.networks.saved import raw

NAME = "lora_unet_mid_block_attentions_0_proj_in"


def tensors(rank: int = 2, alpha: float = 1.5) -> dict[str, RawTensor]:
    return {
        f"{NAME}.lora_down.weight": raw(torch.ones(rank, 3, 1, 1), torch.float16),
        f"{NAME}.lora_up.weight": raw(torch.zeros(4, rank, 1, 1), torch.float16),
        f"{NAME}.alpha": raw(torch.tensor(alpha), torch.float16),
    }


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_safetensors_library_reads_our_files(tmp_path: Path, dtype: torch.dtype) -> None:
    from safetensors import safe_open

    values = torch.randn(3, 5).to(dtype)
    path = tmp_path / "a.safetensors"
    path.write_bytes(serialise({"b": raw(values, dtype), "a": raw(values.t(), dtype)}, {"k": "ü"}))
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"k": "ü"}
        assert torch.equal(file.get_tensor("b"), values)
        assert torch.equal(file.get_tensor("a"), values.t())


def test_the_same_content_gives_the_same_bytes() -> None:
    forward = {"a": "1", "b": "2", "ss_c": "3"}
    backward = dict(reversed(forward.items()))
    assert with_hashes(tensors(), forward) == with_hashes(tensors(), backward)


def test_model_hash_is_that_of_the_payload(tmp_path: Path) -> None:
    data = with_hashes(tensors(), {"ss_a": "1", "modelspec.title": "x"})
    header = int.from_bytes(data[:8], "little")
    expected = hashlib.sha256(data[8 + header :]).hexdigest()
    path = tmp_path / "a.safetensors"
    path.write_bytes(data)
    metadata = read_header(path).metadata
    assert metadata["sshs_model_hash"] == expected == model_hash(data)
    assert metadata["modelspec.hash_sha256"] == f"0x{expected}"
    assert metadata["sshs_legacy_hash"] == "e3b0c442"
    assert file_hash(path) == hashlib.sha256(data).hexdigest()
    changed = with_hashes(tensors(), {"ss_a": "another"})
    assert model_hash(changed) == expected


def test_hashes_are_those_of_sd_scripts() -> None:
    """sd-scripts' own arithmetic, on bytes of the safetensors library, for a file over 1 MiB."""
    import io

    from safetensors.numpy import save

    array = np.arange(600_000, dtype=np.float32)
    peer = io.BytesIO(save({"x": array}, {"ss_a": "1"}))
    peer.seek(0x100000)
    legacy = hashlib.sha256(peer.read(0x10000)).hexdigest()[:8]
    ours = serialise({"x": RawTensor("F32", array.shape, array.tobytes())}, {"ss_a": "1"})
    assert len(ours) == len(peer.getvalue())
    assert legacy_hash(ours) == legacy
    assert model_hash(ours) == model_hash(peer.getvalue())


def test_header_is_json_and_aligned() -> None:
    data = serialise(tensors(), {"a": "b"})
    length = int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(data[8 : 8 + length])
    assert length % 8 == 0
    assert header["__metadata__"] == {"a": "b"}
    assert header[f"{NAME}.alpha"]["shape"] == []
