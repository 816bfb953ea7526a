"""The modules of a base model, each loaded when it is first used.

A model's parts are needed at different times: the VAE while images are encoded, the text encoders
while captions are, the denoiser in every step. Loaded one after another, they need the memory of
the largest, not of all.
"""

from collections.abc import Callable

from torch import nn


class Parts:
    """Modules by name, such as unet or vae."""

    def __init__(self, load: Callable[[str], nn.Module], exact: Callable[[str], nn.Module]) -> None:
        """Load nothing yet.

        Args:
            load: Returns a part; asked again after it was dropped.
            exact: Returns a part once more, its weights in fp32 as its file has them.
        """
        self._load, self.exact = load, exact
        self._loaded: dict[str, nn.Module] = {}
        self._changes: list[Callable[[str, nn.Module], None]] = []

    def __getitem__(self, name: str) -> nn.Module:
        """Return a part; it is loaded if it is not there.

        Raises:
            UserError: Its files are broken, or it does not fit into memory.
        """
        if name not in self._loaded:
            module = self._load(name)
            for change in self._changes:
                change(name, module)
            self._loaded[name] = module
        return self._loaded[name]

    def __contains__(self, name: str) -> bool:
        """Return whether a part is loaded."""
        return name in self._loaded

    def change(self, change: Callable[[str, nn.Module], None]) -> None:
        """Change every part, now or when it is loaded."""
        self._changes.append(change)
        for name, module in self._loaded.items():
            change(name, module)

    def drop(self, name: str) -> None:
        """Free the memory of a part; it is loaded again when it is used."""
        self._loaded.pop(name, None)
