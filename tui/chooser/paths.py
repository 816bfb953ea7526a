"""A text field for a path, which completes the names of folders and files while one types."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from textual import events
from textual.suggester import Suggester
from textual.widgets import Input

from prep.printable import printable
from prep.system.names import natural_key, with_home

_LOOKED_AT = 5000
"""Entries of a folder that are looked at."""
Suits = Callable[["os.DirEntry[str]"], bool]


def is_folder(entry: "os.DirEntry[str]") -> bool:
    """Offer folders only."""
    return entry.is_dir()


def is_source(entry: "os.DirEntry[str]") -> bool:
    """Offer folders, and files that may hold a dataset."""
    kinds = (".zip", ".tar", ".toml", ".json", ".jsonl", ".csv", ".parquet")
    return entry.is_dir() or entry.name.lower().endswith(kinds)


def completions(text: str, suits: Suits = is_folder) -> list[str]:
    """Return what a path that is being typed may become, in natural order.

    Hidden names are offered once their dot is typed. What cannot be read offers nothing.
    """
    head, begun = os.path.split(text)
    found = []
    try:
        with os.scandir(with_home(head) if head else Path()) as entries:
            for number, entry in enumerate(entries):
                if number >= _LOOKED_AT:
                    break
                name = entry.name
                hidden = name.startswith(".") and not begun.startswith(".")
                # Names that would control the terminal are not offered: they cannot be typed.
                odd = printable(name) != name or len(name.splitlines()) != 1 or "\t" in name
                if hidden or odd or not name.startswith(begun):
                    continue
                if suits(entry):
                    found.append(name + os.sep * entry.is_dir())
    except OSError:
        return []
    return [os.path.join(head, name) for name in sorted(found, key=natural_key)]  # noqa: PTH118


def shared(paths: list[str]) -> str:
    """Return what all completions begin with.

    Example:
        >>> shared(["a/beach/", "a/bed/"]), shared([])
        ('a/be', '')
    """
    first, last = min(paths, default=""), max(paths, default="")
    same = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), None)
    return first[: min(len(first), len(last)) if same is None else same]


class _PathSuggester(Suggester):
    def __init__(self, suits: Suits) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._suits = suits

    async def get_suggestion(self, value: str) -> str | None:
        if not value:
            return None
        found = await asyncio.to_thread(completions, value, self._suits)
        return found[0] if found else None


class PathField(Input):
    """A path; tab completes as far as it is clear, right takes what is shown in grey."""

    def __init__(self, value: str = "", *, suits: Suits = is_folder, id: str) -> None:  # noqa: A002
        super().__init__(value, id=id, compact=True, suggester=_PathSuggester(suits))
        self._suits = suits

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "tab" and self.value and self.cursor_position == len(self.value):
            longer = shared(await asyncio.to_thread(completions, self.value, self._suits))
            if len(longer) > len(self.value):
                event.prevent_default()
                event.stop()
                self.value = longer
                self.cursor_position = len(longer)
                return
        await super()._on_key(event)
