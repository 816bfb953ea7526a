"""The actor that is sent to nodes as code, so that it runs where shikomi is not installed."""

from typing import Any


class NodeActor:
    """Checks whether its node can work, then forwards calls to the shikomi of that node."""

    def __init__(self) -> None:
        self._worker: Any = None

    def check(self, version: str) -> str:
        """Return why this node cannot work, as a clause; empty if it can.

        Args:
            version: Version of the calling shikomi: all scores must come from the same code.
        """
        from importlib import import_module, metadata

        try:
            worker = import_module("prep.tagging.runtime.cluster.node_worker")
        except ImportError as error:
            missing = error.name or "prep"
            if missing.partition(".")[0] == "prep":
                return "shikomi is not installed there"
            return f"{missing} is not installed there"
        try:
            found = metadata.version("shikomi")
        except metadata.PackageNotFoundError:
            found = ""
        if found != version:
            return f"it has shikomi {found or 'without a version'}, not {version or 'the same'}"
        try:
            import_module("onnxruntime")
        except ImportError as error:
            return f"onnxruntime cannot be used there ({error})"
        self._worker = worker.Worker()
        return ""

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a method of the ``Worker``, after a successful check."""
        return getattr(self._worker, name)(*arguments)
