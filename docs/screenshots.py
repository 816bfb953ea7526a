"""Take the screenshots of the README: the application in Kitty, on a screen that nobody sees.

    python docs/screenshots.py DEMO [--only images plan] [--lang en]

DEMO is a project that ``shikomi demo`` has made. Needs Xvfb, Kitty, xdotool and ImageMagick's
``import``. Each picture is taken when the screen has come to rest, and written to
``docs/pictures``.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageChops

PICTURES = Path(__file__).parent / "pictures"
WIDTH, HEIGHT = 1500, 860
_COLOURS = 160
"""Colours of a picture's palette; a terminal needs few, and files stay small."""
_PATIENCE = 60.0
SHOTS: dict[str, Sequence[str]] = {
    "images": ("1", "j", "j"),
    "duplicates": ("2",),
    "crop": ("3",),
    "tag": ("4", "t"),
    "plan": ("5",),
    "train": ("6", "w"),
    "samples": ("7",),
    "review": ("0",),
    "palette": ("1", "ctrl+p"),
}
"""Picture -> keys, by xdotool's names."""


@contextmanager
def screen(display: str) -> Iterator[dict[str, str]]:
    """Start an X server; yield the environment for its clients."""
    size = f"{WIDTH}x{HEIGHT}x24"
    with subprocess.Popen(["Xvfb", display, "-screen", "0", size], stderr=subprocess.DEVNULL) as x:
        try:
            while not Path(f"/tmp/.X11-unix/X{display[1:]}").exists():
                time.sleep(0.05)
            yield {**os.environ, "DISPLAY": display, "LIBGL_ALWAYS_SOFTWARE": "1"}
        finally:
            x.terminate()


@contextmanager
def kitty(project: Path, lang: str, environment: dict[str, str]) -> Iterator[None]:
    """Open the application in a window that fills the screen."""
    options = {
        "font_family": "DejaVu Sans Mono",
        "font_size": "11",
        "remember_window_size": "no",
        "initial_window_width": str(WIDTH),
        "initial_window_height": str(HEIGHT),
        "window_padding_width": "0",
        "hide_window_decorations": "yes",
        "cursor_blink_interval": "0",
        "enable_audio_bell": "no",
        "update_check_interval": "0",
    }
    command = ["kitty", "--config", "NONE"]
    command += [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    command += [sys.executable, "-m", "tui.cli", str(project)]
    with tempfile.TemporaryDirectory() as home:  # nobody's preferences
        clean = {"XDG_CONFIG_HOME": home, "XDG_STATE_HOME": home, "SHIKOMI_LANG": lang}
        with subprocess.Popen(command, env=environment | clean, stderr=subprocess.DEVNULL) as app:
            try:
                yield
            finally:
                app.terminate()


def taken(environment: dict[str, str]) -> Image.Image:
    """Return the screen once it rests: the same in three looks, and not empty."""
    until, before, same = time.monotonic() + _PATIENCE, None, 0
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "screen.png"
        while time.monotonic() < until:
            command = ["import", "-window", "root", str(file)]
            subprocess.run(command, env=environment, check=True)
            with Image.open(file) as opened:
                now = opened.convert("RGB")
            full = len(now.getcolors(WIDTH * HEIGHT) or ()) > 8
            equal = before is not None and not ImageChops.difference(now, before).getbbox()
            same = same + 1 if full and equal else 0
            if same == 2:
                return now
            before = now
            time.sleep(0.7)
    raise SystemExit("The screen never came to rest.")


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("--only", nargs="*", choices=SHOTS, default=list(SHOTS))
    parser.add_argument("--lang", default="en")
    parser.add_argument("--display", default=":77")
    parser.add_argument("--to", type=Path, default=PICTURES)
    chosen = parser.parse_args()
    chosen.to.mkdir(exist_ok=True)
    with screen(chosen.display) as environment, kitty(chosen.project, chosen.lang, environment):
        taken(environment)
        for name in chosen.only:
            for key in SHOTS[name]:
                subprocess.run(["xdotool", "key", key], env=environment, check=True)
                taken(environment)
            end = "" if chosen.lang == "en" else f".{chosen.lang}"
            picture = taken(environment).quantize(_COLOURS, dither=Image.Dither.NONE)
            picture.save(chosen.to / f"{name}{end}.png", optimize=True)
            subprocess.run(["xdotool", "key", "Escape"], env=environment, check=True)


if __name__ == "__main__":
    main()
