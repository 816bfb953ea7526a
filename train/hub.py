"""Base models by their names on the Hugging Face hub.

``owner/name`` is a folder in the diffusers layout, or the only checkpoint of a repository;
``owner/name/file.safetensors`` is that file. A revision may follow the repository's name after
``@``. What is on the disk already is used without a request; what is missing is downloaded only
when a run begins, with its size and licence shown.
"""

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from prep import events
from prep.errors import UserError
from prep.system.names import with_home
from prep.tagging.models.download import Repository

_NAME = re.compile(
    r"(?P<repository>[\w-][\w.-]*/[\w-][\w.-]*)(?:@(?P<revision>[\w./-]+?))?"
    r"(?:/(?P<file>[^@]+\.(?:safetensors|ckpt)))?",
    re.ASCII,
)
_LAYOUT = "model_index.json"
_COMPONENTS = ("unet", "vae", "text_encoder", "text_encoder_2")
_SMALL = re.compile(
    rf"{_LAYOUT}|(?:{'|'.join(_COMPONENTS)})/config\.json|scheduler/scheduler_config\.json"
    r"|tokenizer(?:_2)?/[^/]+\.(?:json|txt)"
)
_CHECKPOINT = re.compile(r"[^/]+\.(?:safetensors|ckpt)")
_SUFFIXES = (".safetensors", ".ckpt")
_SHOWN = 5


@dataclass(frozen=True)
class HubModel:
    """A base model as it is named on the hub.

    Attributes:
        repository: ``owner/name``, and its revision.
        file: Of a single-file checkpoint in it; empty for a folder in the diffusers layout, or for
            the only checkpoint there is.
    """

    repository: Repository
    file: str = ""

    @classmethod
    def parse(cls, text: str) -> "HubModel | None":
        """Read a name; ``None`` if it cannot be one of the hub.

        Example:
            >>> HubModel.parse("owner/name/model.safetensors").file
            'model.safetensors'
            >>> HubModel.parse("models/sub/folder") is None
            True
        """
        found = _NAME.fullmatch(text)
        if found is None or ".." in text or found["repository"].endswith(_SUFFIXES):
            return None
        return cls(
            Repository(found["repository"], found["revision"] or "main"), found["file"] or ""
        )

    @property
    def name(self) -> str:
        """As users write it, without the revision."""
        return f"{self.repository.name}/{self.file}" if self.file else self.repository.name

    def on_disk(self) -> Path | None:
        """Return the file or folder in the hub's cache, if it is whole; makes no request."""
        if self.file:
            known = self.repository.cached([self.file])
            return known[0] if known else None
        snapshot = self.repository.snapshot()
        if snapshot is None:
            return None
        if (snapshot / _LAYOUT).is_file():
            return snapshot if _whole(snapshot) else None
        single = [path for path in snapshot.iterdir() if _CHECKPOINT.fullmatch(path.name)]
        return single[0] if len(single) == 1 and single[0].is_file() else None

    def obtain(self) -> Generator[events.Event, None, Path]:
        """Download the model, unless it is on the disk.

        Yields:
            Downloading, with size and licence, before anything is transferred; then progress.

        Returns:
            Its file or folder.

        Raises:
            UserError: There is no such model, it has no weights that can be read here, access is
                denied or the disk is full; RetryError if the network may be the reason.
        """
        known = self.on_disk()
        if known is not None:
            return known
        listing = yield from self.repository.listing()
        names = self._wanted(listing.names)
        paths = yield from self.repository.fetch(names, licence=listing.licence)
        return paths[0].parent if names[0] == _LAYOUT else paths[0]

    def _wanted(self, names: Sequence[str]) -> list[str]:
        """Return the files to download, ``model_index.json`` first where there is one.

        Raises:
            UserError: The repository holds no model that can be read here.
        """
        if self.file:
            if self.file not in names:
                raise UserError(f"{self.repository.name} has no file {self.file}.", _choice(names))
            return [self.file]
        if _LAYOUT in names:
            return [_LAYOUT, *self._layout(names)]
        single = [name for name in names if _CHECKPOINT.fullmatch(name)]
        if len(single) != 1:
            raise UserError(f"{self.repository.name} is not one base model.", _choice(names))
        return single

    def _layout(self, names: Sequence[str]) -> list[str]:
        small = [name for name in names if _SMALL.fullmatch(name) and name != _LAYOUT]
        large = []
        for part in _COMPONENTS:
            if f"{part}/config.json" not in names:
                continue
            weights = _weights(part)
            if weights not in names:
                raise UserError(
                    f"{self.repository.name} has no {weights}; other formats and variants of it"
                    " are not read.",
                    _choice(names),
                )
            large.append(weights)
        return small + large


def model_file(name: str, project: Path) -> Path:
    """Return where a setting's base model or VAE lies: a path, or the hub's cache.

    Args:
        name: A path, absolute, from the home folder or relative to the project; or a name on the
            hub, if there is no such path.
        project: The project folder.

    Returns:
        The path. For a model of the hub that is not on the disk, a path that does not exist.

    Raises:
        ConfigError: The path begins with ``~`` and a user that does not exist.
    """
    place = project / with_home(name)
    model = _of_hub(name, place)
    return (model.on_disk() if model else None) or place


def named_model(name: str, project: Path) -> Path:
    """Return where a base model lies that is named in a command: as people complete paths there.

    Args:
        name: As for ``model_file``; a path may also be relative to the current folder.
        project: The project folder.
    """
    here = Path.cwd() / with_home(name)
    return here if here.exists() else model_file(name, project)


def obtain_model(name: str, project: Path) -> Generator[events.Event, None, None]:
    """Download a base model that is named as on the hub and not on the disk.

    Nothing happens for paths, and for models that are there.

    Yields:
        As ``HubModel.obtain``.

    Raises:
        UserError: As ``HubModel.obtain``.
    """
    model = _of_hub(name, model_file(name, project)) if name else None
    if model is not None:
        yield from model.obtain()


def _of_hub(name: str, place: Path) -> HubModel | None:
    """Return the model of the hub that is meant; what is there, or whose folder is, is a path."""
    here = Path(name).exists() or place.parent.exists()
    return None if here else HubModel.parse(name)


def _whole(snapshot: Path) -> bool:
    """Return whether all weights that the configurations speak of have arrived."""
    parts = [part for part in _COMPONENTS if (snapshot / part / "config.json").is_file()]
    return "unet" in parts and all((snapshot / _weights(part)).is_file() for part in parts)


def _weights(component: str) -> str:
    """Return the name that the file of a component's weights has in the diffusers layout."""
    kind = "model" if component.startswith("text") else "diffusion_pytorch_model"
    return f"{component}/{kind}.safetensors"


def _choice(names: Sequence[str]) -> str:
    """Say which files of a repository could be meant."""
    single = sorted(name for name in names if _CHECKPOINT.fullmatch(name))
    if not single:
        return "Download a .safetensors file of the model, and give its path."
    more = f" and {len(single) - _SHOWN} more" if len(single) > _SHOWN else ""
    return f"It has {', '.join(single[:_SHOWN])}{more}; add the file to the name."
