"""The page, and what belongs to it: all of it from this server, nothing from another site."""

import os
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from prep.language import _, wanted

POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; font-src 'self'; img-src data:; "
    # The terminal makes a style sheet of its own for the colours and sizes of its cells.
    "style-src 'self' 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy: a page that something got into could not send anything anywhere."""


class Asset(NamedTuple):
    """A file that the page needs, and what it is."""

    path: Path
    kind: str


def assets() -> dict[str, Asset]:
    """Return the files by the name in their address: our own, and the terminal of textual-serve."""
    spec = find_spec("textual_serve")
    assert spec is not None
    assert spec.origin is not None
    theirs = Path(spec.origin).parent / "static"
    return {
        "page.css": Asset(Path(__file__).with_name("page.css"), "text/css"),
        "page.js": Asset(Path(__file__).with_name("page.js"), "text/javascript"),
        "terminal.css": Asset(theirs / "css" / "xterm.css", "text/css"),
        "terminal.js": Asset(theirs / "js" / "textual.js", "text/javascript"),
        "font.ttf": Asset(theirs / "fonts" / "RobotoMono-VariableFont_wght.ttf", "font/ttf"),
    }


def page(title: str, socket: str) -> str:
    """Return the page.

    Args:
        title: Name of the project.
        socket: Address of the WebSocket.
    """
    return f"""<!doctype html>
<html lang="{wanted(os.environ)}">
<meta charset="utf-8">
<title>{escape(title)} · shikomi</title>
<link rel="icon" href="data:,">
<link rel="preload" href="/static/font.ttf" as="font" type="font/ttf" crossorigin>
<link rel="stylesheet" href="/static/terminal.css">
<link rel="stylesheet" href="/static/page.css">
<script src="/static/terminal.js"></script>
<script src="/static/page.js"></script>
<body>
<p id="starting">{escape(_("shikomi is starting…"))}</p>
<p id="ended">{escape(_("The application has ended. What you typed is kept."))}
<a href="/">{escape(_("Open it again"))}</a></p>
<div class="textual-terminal" data-session-websocket-url="{escape(socket)}" data-font-size="16">
</div>
"""


def message(title: str, text: str) -> str:
    """Return a page that only says something."""
    return f"""<!doctype html>
<html lang="{wanted(os.environ)}">
<meta charset="utf-8">
<title>{escape(title)} · shikomi</title>
<link rel="icon" href="data:,">
<style>body {{ font: 16px sans-serif; margin: 3em; background: #121212; color: #e6e6e6 }}</style>
<h1>{escape(title)}</h1>
<p>{escape(text)}</p>
"""
