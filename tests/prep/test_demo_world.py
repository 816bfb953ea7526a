"""The demo world is found in a checkout and in a wheel, and missed with a sentence."""

from pathlib import Path

import pytest

from prep import demo_world
from prep.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a package folder without any demo world."""
    folder = tmp_path / "site-packages" / "prep"
    folder.mkdir(parents=True)
    monkeypatch.setattr(demo_world, "__file__", str(folder / "demo_world.py"))
    return folder


def test_a_checkout_has_it_beside_the_package() -> None:
    assert demo_world.root() == ROOT / "sample_data"


def test_a_wheel_has_it_inside_the_package(package: Path) -> None:
    for name in ("tagger", "heads", "base", "mascot"):
        (package / "_sample_data" / name).mkdir(parents=True)
    assert demo_world.root() == package / "_sample_data"
    assert demo_world.tagger() == package / "_sample_data" / "tagger"
    assert demo_world.detector() == package / "_sample_data" / "heads"
    assert demo_world.base() == package / "_sample_data" / "base"
    assert demo_world.mascot() == package / "_sample_data" / "mascot"


def test_an_installation_without_it_says_so(package: Path) -> None:
    with pytest.raises(UserError, match="has no demo world"):
        demo_world.root()
    (package / "_sample_data").mkdir()
    with pytest.raises(UserError, match="has no tagger folder"):
        demo_world.tagger()
