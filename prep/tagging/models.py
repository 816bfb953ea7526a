"""Where a WD tagger comes from, and what its outputs mean.

A tagger is two files, ``model.onnx`` and ``selected_tags.csv``: in a folder, on the Hugging Face
hub, or in the demo world.
"""

import csv
import hashlib
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prep import demo_world
from prep.errors import RetryError, UserError
from prep.files import content_hash

DEMO = "demo"
"""The name of the demo tagger."""
MODEL, TABLE = "model.onnx", "selected_tags.csv"
GENERAL, CHARACTER, RATING = 0, 4, 9
"""Categories of ``selected_tags.csv``."""

_REPOSITORY = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
_EXAMPLES = "Give a folder, a name on the hub as SmilingWolf/wd-swinv2-tagger-v3, or: demo"


@dataclass(frozen=True)
class TagTable:
    """What the outputs of a tagger mean, in their order.

    Attributes:
        names: Booru names, with underscores.
        categories: 0 general, 4 character, 9 rating; other numbers count as general.
    """

    names: tuple[str, ...]
    categories: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def ratings(self) -> NDArray[np.intp]:
        """Outputs that are ratings."""
        return np.flatnonzero(np.array(self.categories) == RATING)

    def limits(self, general: float, character: float) -> NDArray[np.float32]:
        """Return the threshold of each output; ratings can never reach theirs."""
        table = {CHARACTER: character, RATING: np.inf}
        return np.array([table.get(c, general) for c in self.categories], np.float32)


@dataclass(frozen=True)
class TaggerFiles:
    """The two files of a tagger, and its name for people."""

    name: str
    model: Path
    table: Path

    def key(self) -> str:
        """Return what identifies its scores: a hash of both files (0.3 s for 400 MB)."""
        hashes = content_hash(self.model) + content_hash(self.table)
        return hashlib.sha256(hashes.encode()).hexdigest()[:32]


def find(model: str, folder: Path) -> TaggerFiles:
    """Find the files of a tagger; those of the hub are downloaded once.

    Args:
        model: A folder, a repository on the Hugging Face hub, or ``demo``.
        folder: Where a relative folder may be, besides the current one.

    Raises:
        UserError: There is no such tagger; RetryError when the network may be the reason.
    """
    if not model:
        raise UserError("No tagger was chosen.", _EXAMPLES)
    if model == DEMO:
        return _in_folder(demo_world.tagger(), "demo tagger")
    for place in (Path(model).expanduser(), folder / model):
        if place.is_dir():
            return _in_folder(place, place.resolve().name)
    if not _REPOSITORY.fullmatch(model):
        raise UserError(f"There is no folder {model} with a tagger.", _EXAMPLES)
    return TaggerFiles(model, _download(model, MODEL), _download(model, TABLE))


def find_table(model: str, folder: Path) -> Path | None:
    """Return the tag list of a tagger when it is on this machine; as ``find``, without network."""
    if model == DEMO:
        return demo_world.tagger() / TABLE
    for place in (Path(model).expanduser(), folder / model):
        if (place / TABLE).is_file():
            return place / TABLE
    if not _REPOSITORY.fullmatch(model):
        return None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model, TABLE)
    return Path(found) if isinstance(found, str) else None


def _in_folder(folder: Path, name: str) -> TaggerFiles:
    for part in (MODEL, TABLE):
        if not (folder / part).is_file():
            raise UserError(
                f"{folder} is not a WD tagger: it has no {part}.",
                f"Both {MODEL} and {TABLE} must be in the folder.",
            )
    return TaggerFiles(name, folder / MODEL, folder / TABLE)


def _download(repository: str, name: str) -> Path:
    """Fetch one file of a repository, or find it in the hub's cache."""
    from huggingface_hub import errors, hf_hub_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # each of its retries is a warning
    try:
        return Path(hf_hub_download(repository, name))
    except errors.GatedRepoError as error:
        raise UserError(
            f"{repository} asks for its terms to be accepted first.",
            f"Accept them at https://huggingface.co/{repository}, then run: hf auth login",
        ) from error
    except errors.LocalEntryNotFoundError as error:  # neither the network nor the cache has it
        raise _unreachable(repository, error) from error
    except (errors.RepositoryNotFoundError, errors.EntryNotFoundError) as error:
        raise UserError(
            f"There is no {name} at https://huggingface.co/{repository}.",
            f"It is no folder here either. {_EXAMPLES}",
        ) from error
    except Exception as error:  # besides OSError, types of whichever HTTP library the hub uses
        raise _unreachable(repository, error) from error


def _unreachable(repository: str, error: Exception) -> RetryError:
    cause: BaseException = error
    while cause.__cause__ is not None:  # the hub wraps "Name or service not known" in advice
        cause = cause.__cause__
    reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
    return RetryError(
        f"{repository} could not be downloaded: {reason}",
        f"Check the network and try again, or give a folder that holds {MODEL} and {TABLE}.",
    )


def read_table(path: Path) -> TagTable:
    """Read ``selected_tags.csv``.

    Raises:
        UserError: No CSV with the columns ``name`` and ``category``; the line is named.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file, strict=True)
            if not {"name", "category"} <= set(rows.fieldnames or ()):
                raise UserError(
                    f"{path} has no columns name and category.",
                    f"It must be the {TABLE} that belongs to the model.",
                )
            entries = list(_entries(path, enumerate(rows, 2)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read: {error}.") from error
    if not entries:
        raise UserError(f"{path} lists no tags.")
    names, categories = zip(*entries, strict=True)
    return TagTable(names, categories)


def _entries(
    path: Path, rows: Iterable[tuple[int, Mapping[str, str | None]]]
) -> Iterator[tuple[str, int]]:
    for line, row in rows:
        name, category = row["name"], row["category"]
        if not name or category is None or not category.strip().lstrip("-").isdecimal():
            raise UserError(f"{path}, line {line}: no name or no category number.")
        if "," in name or "\n" in name:
            raise UserError(f"{path}, line {line}: {name!r} cannot be a tag in a caption.")
        yield name, int(category)
