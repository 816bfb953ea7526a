"""Fixtures for all tests: small images, projects, and a fence around the developer's own files."""

import gc
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from PIL import Image, ImageDraw

from prep import language
from prep.project import Project
from prep.project.creation import initialise
from prep.tagging.models import download
from tests import waiting
from tests.prep.model_hub import ModelHub, serving

# Two cores are shared by everything that runs here: more threads than that only get in each
# other's way (a tiny pipeline took 24 s with the default and 0.3 s with one thread).
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Where this is set, each process that the tests start would compile everything anew (0.15 s and
# more, several hundred times).
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Started in the background, a shell makes its children ignore interrupts; the tests send some.
signal.signal(signal.SIGINT, signal.default_int_handler)

waiting.mark()

# Tests are not timed: the machine may be busy with something else.
settings.register_profile(
    "shikomi", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.load_profile("shikomi")

# Measured in CPU seconds, of which each takes more than 30.
LONGEST = (
    "tests/test_demo.py",
    "tests/tui/verbs/test_screen.py",
    "tests/train/job/test_job.py",
    "tests/train/job/test_run_queue.py",
    "tests/train/run/test_full.py",
    "tests/tui/test_raw_to_training.py",
    "tests/train/run/test_networks.py",
    "tests/train/memory_plan/test_peak.py",
    "tests/train/run/test_sdxl_learns.py",
    "tests/tui/test_plan.py",
)

MakeImage = Callable[..., Path]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, so that none comes last, to one worker alone."""
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.nodeid.partition("::")[0], len(order)))


def pytest_collection_finish() -> None:
    """Collect garbage among what the tests make, and seldom.

    Hundreds of imported modules, which are never garbage, were looked through again and again: a
    quarter of the CPU time of tests of the application.
    """
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


@pytest.fixture(scope="session", autouse=True)
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iterator[Path]]:
    """Return names of home folders; temporary files of the session go to a place of its own.

    ``mktemp`` would read the names of all folders before it, for each test.
    """
    place, temporary = tmp_path_factory.mktemp("homes"), tmp_path_factory.mktemp("t")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        patch.setattr(tempfile, "tempdir", str(temporary))
        yield (place / str(number) for number in count())


@pytest.fixture(autouse=True)
def _fenced(monkeypatch: pytest.MonkeyPatch, homes: Iterator[Path]) -> None:
    """Keep tests away from the home folder, the real hub and the real terminal's settings."""
    home = next(homes)
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("SHIKOMI_LANG", "en")
    language.use("en")
    monkeypatch.delenv("SHIKOMI_JOB", raising=False)
    monkeypatch.delenv("SHIKOMI_API_KEY", raising=False)


@pytest.fixture(scope="module", autouse=True)
def _nothing_survives() -> Iterator[None]:
    """Fail when tests of a module leave processes behind, and end these."""
    yield
    left = waiting.end_all()
    assert not left, f"left running: {left}"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a new, empty project with one concept folder."""
    made = initialise(tmp_path / "made")
    (made.dataset / "10_mochi").mkdir()
    return made


@pytest.fixture
def make_image(project: Project) -> MakeImage:
    """Return a function that draws an image that no other number looks like."""

    def make(
        name: str, number: int = 0, size: tuple[int, int] = (96, 64), caption: str | None = None
    ) -> Path:
        path = project.dataset / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_numbered(number, size).save(path)
        if caption is not None:
            path.with_suffix(".txt").write_text(caption, encoding="utf-8")
        return path

    return make


def draw_numbered(number: int, size: tuple[int, int]) -> Image.Image:
    """Draw a 4x4 chessboard whose squares spell the number in binary, over a gradient."""
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    pen = ImageDraw.Draw(image)
    width, height = size[0] / 4, size[1] / 4
    # An odd multiplier spreads small numbers over all 16 bits.
    bits = (number * 40503 + 12345) & 0xFFFF
    for square in range(16):
        if bits >> square & 1:
            left, top = square % 4 * width, square // 4 * height
            colour = (200, 40 + 13 * square, 255 - 11 * square)
            pen.rectangle((left, top, left + width, top + height), fill=colour)
    return image


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    """Serve a hub, with an empty cache and no waiting; nothing of the client is replaced."""
    monkeypatch.setattr(download, "PAUSES", (0.0, 0.0, 0.0, 0.0))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    # Tests run with HF_HUB_OFFLINE, which the client reads only once, when it is imported.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with serving() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        yield served
