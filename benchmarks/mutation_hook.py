"""Loads a module with a fault in place of the one on disk, here and in child processes.

Which one is said by two environment variables, so that programs which tests start have the fault,
too: ``sitecustomize`` calls ``install`` there.
"""

import marshal
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

MODULE = "MUTATION_MODULE"
CODE_FILE = "MUTATION_CODE"


class _MutantLoader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002  (as importlib calls it)
        code = marshal.loads(Path(os.environ[CODE_FILE]).read_bytes())
        assert isinstance(code, CodeType)
        return code


class _MutantFinder:
    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the module that has the fault; leave all others to the usual finders."""
        if name != os.environ[MODULE]:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _MutantLoader(name, spec.origin)
        return spec


def install() -> None:
    """Find the module that the environment names, if it names one, with its fault from now on."""
    if MODULE in os.environ:
        sys.meta_path.insert(0, _MutantFinder)
