"""A model that is small in its number of layers, too: each operation of a fake model takes time."""

from pathlib import Path

import pytest

from tests.train.tiny import make_base


@pytest.fixture(scope="session")
def shallow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SD 1.5 whose UNet has a block with attention and one without, each way."""
    return make_base(
        tmp_path_factory.mktemp("models") / "shallow",
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )
