"""How quick the terminal application is on a large project, driven in a pseudo-terminal.

    python -m benchmarks.terminal [--images 100000] [--pictures 200] [--keep DIR] [--job]

The project is real: small PNG files with captions, of which the first ``--pictures`` are large (one
megapixel). It is scanned once before. Seconds on the clock (a key is sent and its paint is waited
for) stand beside those of the processor, which are what to trust on a machine that does other work.
``--job`` lets ``shikomi quality`` run as a job of the same project meanwhile.
"""

import argparse
import compileall
import contextlib
import fcntl
import hashlib
import os
import pty
import re
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.index import captions_of
from prep.project.creation import initialise

COLUMNS, LINES = 160, 50
_TICKS = os.sysconf("SC_CLK_TCK")
_QUIET = 0.2
"""Seconds without output after which a screen counts as painted."""
_PATIENCE = 180.0
_LONGEST = 400.0
"""Seconds to wait for comparisons at the end."""
_LETTERS = str.maketrans("0123456789", "ghijklmnop")
_POINTER = re.compile(r"\x1b\]22;[^\x07]*\x07")
_STAGES = ("2", "3", "4", "5", "6", "7", "0", "1")


def png(noise: np.random.Generator) -> bytes:
    """Return a small PNG file (8x8, noise): no two of them are alike."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)

    rows = b"".join(b"\0" + noise.bytes(24) for _ in range(8))
    head = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def make(root: Path, images: int, pictures: int) -> None:
    """Make a project of two concepts, and scan it."""
    initialise(root)
    texts = captions_of(images, 20)
    noise = np.random.default_rng(0)
    for number in range(images):
        folder = root / "dataset" / f"10_{'ab'[number * 2 // images]}"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{number:06}.png"
        if number < pictures:
            coarse = noise.integers(0, 255, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize((1024, 1024), Image.Resampling.BICUBIC).save(
                file.with_suffix(".jpg"), quality=90
            )
        else:
            file.write_bytes(png(noise))
        file.with_suffix(".txt").write_text(re.sub(r"tag \d+", _word, next(texts)))
    subprocess.run([sys.executable, "-m", "tui.cli", "scan", str(root)], check=True)


def _word(tag: re.Match[str]) -> str:
    """Return a word for a numbered tag: other words are as far from it as in a real vocabulary."""
    return hashlib.sha1(tag[0].encode()).hexdigest()[:10].translate(_LETTERS)


@dataclass
class Taken:
    """Seconds on the clock, and of the processor."""

    wall: float
    cpu: float


class Application:
    """The application in a pseudo-terminal.

    Attributes:
        started: When it was started, seconds of the monotonic clock.
    """

    def __init__(self, project: Path) -> None:
        self._terminal, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self.started = time.monotonic()
        command = [sys.executable, "-m", "tui.cli", str(project), "--images", "quadrants"]
        self._process = subprocess.Popen(
            command,
            stdin=inside,
            stdout=inside,
            stderr=inside,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
        )
        os.close(inside)

    def close(self) -> None:
        """Leave it."""
        self.press("q")
        with contextlib.suppress(OSError):
            while self._read(5.0):
                pass
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)

    @property
    def cpu(self) -> float:
        """Processor seconds so far, of all its threads."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    @property
    def memory(self) -> float:
        """Resident MB, without its helpers."""
        return _megabytes(self._process.pid, "VmRSS")

    @property
    def peak(self) -> float:
        """The most it has had, MB, without its helpers."""
        return _megabytes(self._process.pid, "VmHWM")

    @property
    def helpers(self) -> list[int]:
        """Processes that it has started and that are at work."""
        tasks = Path(f"/proc/{self._process.pid}/task")
        found = (task / "children" for task in tasks.iterdir())
        return [int(number) for file in found for number in file.read_text().split()]

    def press(self, keys: str) -> None:
        """Send keys."""
        os.write(self._terminal, keys.encode())

    def until(self, text: str) -> Taken:
        """Wait for a text; return what it took."""
        seen, cpu, start = "", self.cpu, time.monotonic()
        while text not in seen:
            seen = (seen + self._read(_PATIENCE))[-100_000:]
        return Taken(time.monotonic() - start, self.cpu - cpu)

    def painted(self, quiet: float = _QUIET) -> tuple[float, float, float]:
        """Wait until the screen rests; return when it began, when it ended to change, and CPU."""
        start, cpu = time.monotonic(), self.cpu
        first = last = 0.0
        while self._read(_PATIENCE if not first else quiet):
            last = time.monotonic() - start
            first = first or last
        return first, last, self.cpu - cpu

    def _read(self, patience: float) -> str:
        """Return the next output; empty if there is none for so long.

        The shape of the pointer, which is told as soon as a stage is left, is no paint.
        """
        until = time.monotonic() + patience
        while select.select([self._terminal], [], [], max(0.0, until - time.monotonic()))[0]:
            if text := _POINTER.sub("", os.read(self._terminal, 1 << 20).decode(errors="replace")):
                return text
        return ""


def _megabytes(process: int, what: str) -> float:
    """Return an entry of the status of a process, 0 if it has ended."""
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{process}/status").read_text()
        if found := re.search(rf"{what}:\s+(\d+)", text):
            return int(found[1]) / 1024
    return 0.0


def cpu_of(code: str) -> float:
    """Return the least processor seconds of five runs of Python."""
    script = f"import resource as r\n{code}\nprint(sum(r.getrusage(r.RUSAGE_SELF)[:2]))"
    runs = [subprocess.check_output([sys.executable, "-c", script]) for _ in range(5)]
    return min(map(float, runs))


def bench_opening(project: Path) -> Application:
    """Time the first frame, the first rows and the scan; return the application."""
    base = cpu_of("import textual")
    bare = cpu_of("from textual.app import App\nimport textual.widgets")
    app = Application(project)
    frame = app.until("Images")
    frame.cpu = app.cpu
    rows = app.until("000000.jpg")
    print(f"{'import textual':<44}{'':>9}{base:>9.2f}")
    print(f"{'its App and widgets':<44}{'':>9}{bare:>9.2f}")
    print(f"{'first frame':<44}{frame.wall:>9.2f}{frame.cpu:>9.2f}")
    print(f"{'first rows, after it':<44}{rows.wall:>9.2f}{rows.cpu:>9.2f}")
    _, wall, cpu = app.painted(4.0)
    print(f"{'the scan, after them':<44}{wall:>9.2f}{cpu:>9.2f}")
    print(f"{'memory, MB':<44}{app.memory:>9.0f}")
    return app


def _distribution(name: str, values: list[tuple[float, float, float]], last: bool) -> None:
    walls = sorted(value[1 if last else 0] * 1000 for value in values)
    cpus = [value[2] * 1000 for value in values]
    p95 = walls[int(len(walls) * 0.95)]
    print(
        f"{name:<44}{statistics.median(walls):>6.0f} ms, p95 {p95:.0f} ms; "
        f"processor {statistics.mean(cpus):.0f} ms"
    )


def bench_keys(app: Application, presses: int) -> None:
    """Time a key until its paint begins, and until the picture of the next image is complete."""

    def times(key: Callable[[int], str]) -> Iterator[tuple[float, float, float]]:
        for number in range(presses):
            app.press(key(number))
            yield app.painted()

    down = list(times(lambda _: "j"))
    _distribution("next image: key to first paint", down, last=False)
    _distribution("next image: key to complete picture", down, last=True)
    pages = list(times(lambda n: "\x1b[6~" if n < presses * 3 // 4 else "\x1b[5~"))
    _distribution("page down and up: key to first paint", pages, last=False)
    print(f"{'memory, MB':<44}{app.memory:>9.0f}")


def bench_stages(app: Application) -> None:
    """Time the change of stages: the first visit, and the second."""
    for visit in ("first", "second"):
        for key in _STAGES:
            app.press(key)
            first, last, cpu = app.painted(1.0)
            what = f"stage {key}, {visit} visit: first paint, complete"
            print(f"{what:<44}{first:>9.2f}{last:>9.2f}   processor {cpu:.2f}")
    print(f"{'memory, MB':<44}{app.memory:>9.0f}")
    helpers = [f"{_megabytes(number, 'VmHWM'):.0f}" for number in app.helpers]
    print(f"{'most memory of each helper at work, MB':<44}{', '.join(helpers) or 'none':>9}")
    until = time.monotonic() + _LONGEST
    while app.helpers and time.monotonic() < until:
        app._read(1.0)
    while app._read(4.0):
        pass
    print(f"{'memory when they are done, MB':<44}{app.memory:>9.0f}")
    print(f"{'most memory of the application, MB':<44}{app.peak:>9.0f}")


def bench_idle(app: Application, seconds: float = 20.0) -> None:
    """Print the share of a core that it takes while nobody does anything."""
    cpu, until = app.cpu, time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        app._read(left)
    print(f"{'idle, share of a core':<44}{(app.cpu - cpu) / seconds:>9.1%}")


@contextlib.contextmanager
def job(project: Path) -> Iterator[None]:
    """Let a job run meanwhile."""
    command = [sys.executable, "-m", "tui.cli", "quality", str(project)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        yield
        process.terminate()


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--presses", type=int, default=60)
    parser.add_argument("--keep", type=Path, help="make the project here, or use the one there")
    parser.add_argument("--job", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for package in ("prep", "train", "tui"):  # as in an installation
            compileall.compile_dir(Path(__file__).parents[1] / package, quiet=1)
        root = chosen.keep or Path(temporary) / "project"
        if not (root / "shikomi.toml").exists():
            make(root, chosen.images, chosen.pictures)
        print(f"{chosen.images:,} images, {COLUMNS}x{LINES}\n{'seconds':<44}{'clock':>9}{'CPU':>9}")
        with job(root) if chosen.job else contextlib.nullcontext():
            app = bench_opening(root)
            bench_idle(app)
            bench_keys(app, chosen.presses)
            bench_stages(app)
            app.close()


if __name__ == "__main__":
    main()
