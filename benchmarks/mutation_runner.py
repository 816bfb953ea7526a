"""Runs tests in forks of this process, with and without a fault; see ``benchmarks.mutation``."""

import faulthandler
import importlib
import os
import pickle
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, Literal, NoReturn

import pytest
from hypothesis import Phase, settings

from benchmarks import mutation_hook
from benchmarks.mutation_operators import Mutant, unchanged

ROOT = Path(__file__).resolve().parent.parent
_OURS = {"prep", "train", "tui", "tests", "conftest", "sample_data", "benchmarks", "__main__"}
_MEMORY = 16 << 30
"""Bytes of address space that a child may use: some faults fill the memory."""
_SLOWER, _SECONDS = 10, 10
"""A test hangs when it takes so many times as long as without a fault, and so many seconds more."""
_IMPORTING = 60
"""Seconds until the first test begins."""
Outcome = Literal["caught", "hung", "survived"]


@dataclass
class Baseline:
    """What the tests do without a fault.

    Attributes:
        seconds: By test.
        calls: By test, the qualified names of the functions of the target that it calls.
        modules: What was loaded.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, set[str]] = field(default_factory=dict)
    modules: list[str] = field(default_factory=list)


class _Plugin:
    """What all runs have in common: hypothesis stops at a failure, and looks for no smaller one."""

    def pytest_collection(self) -> None:
        phases = [Phase.explicit, Phase.generate]
        settings.register_profile("mutation", settings.get_profile("shikomi"), phases=phases)
        settings.load_profile("mutation")


class _Recorder(_Plugin):
    """Notes how long each test takes, and which functions of the target it calls."""

    def __init__(self, target: str, result: Path) -> None:
        self._baseline, self._result = Baseline(), result
        self._file = str(ROOT / target)
        self._called: set[str] = set()

    def _trace(self, frame: FrameType, _event: str, _argument: object) -> None:
        if frame.f_code.co_filename == self._file:
            self._called.add(frame.f_code.co_qualname)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._called = self._baseline.calls[item.nodeid] = set()
        start = time.monotonic()
        threading.settrace(self._trace)
        sys.settrace(self._trace)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            self._baseline.seconds[item.nodeid] = time.monotonic() - start

    def pytest_sessionfinish(self) -> None:
        self._baseline.modules = list(sys.modules)
        self._result.write_bytes(pickle.dumps(self._baseline))


class _Hunter(_Plugin):
    """Runs the tests that most likely notice a fault first; ends the process when one hangs."""

    def __init__(self, baseline: Baseline, function: str, hang: IO[str]) -> None:
        self._baseline, self._function, self._hang = baseline, function, hang
        self._watch(_IMPORTING)

    def _watch(self, seconds: float) -> None:
        faulthandler.dump_traceback_later(seconds, exit=True, file=self._hang)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(
            key=lambda item: (
                self._function not in self._baseline.calls.get(item.nodeid, ()),
                self._baseline.seconds.get(item.nodeid, 0.0),
            )
        )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._watch(_SLOWER * self._baseline.seconds.get(item.nodeid, 0.0) + _SECONDS)
        return (yield)


class Runner:
    """Runs tests in children, one at a time.

    Args:
        folder: For the faulty code, the output of the tests, and their temporary files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._output, self._hang = folder / "output.txt", folder / "hang.txt"
        hook = "from benchmarks.mutation_hook import install\n\ninstall()\n"
        (folder / "sitecustomize.py").write_text(hook, "utf-8")
        os.chdir(ROOT)
        os.environ["PYTHONPATH"] = f"{folder}{os.pathsep}{ROOT}"
        # A process with threads of its own is not safe to fork.
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ[name] = "1"

    def baseline(self, target: str, tests: Sequence[str]) -> Baseline:
        """Run tests without a fault, and load here what they have loaded.

        Raises:
            RuntimeError: They fail.
        """
        result = self._folder / "baseline"
        code = self._forked(tests, target, None, result)
        if code != 0:
            raise RuntimeError(f"Tests of {target} fail:\n{self._output.read_text('utf-8')}")
        found = pickle.loads(result.read_bytes())
        assert isinstance(found, Baseline)
        for name in found.modules:
            if name.partition(".")[0] not in _OURS and name not in sys.modules:
                with suppress(Exception):
                    importlib.import_module(name)
        return found

    def check(self, target: str, tests: Sequence[str], baseline: Baseline) -> None:
        """Run tests as with a fault, but without one: nothing else may make them fail.

        Raises:
            RuntimeError: They fail.
        """
        same = unchanged((ROOT / target).read_text("utf-8"), str(ROOT / target))
        if self.outcome(target, tests, baseline, same) != "survived":
            raise RuntimeError(f"Tests of {target} fail:\n{self._output.read_text('utf-8')}")

    def outcome(
        self, target: str, tests: Sequence[str], baseline: Baseline, mutant: Mutant
    ) -> Outcome:
        """Run tests with a fault. As ``check`` has passed, whatever goes wrong is its doing."""
        code = self._forked(tests, target, (baseline, mutant), self._folder / "code")
        if self._hang.stat().st_size:
            return "hung"
        return "caught" if code else "survived"

    def _forked(
        self, tests: Sequence[str], target: str, fault: tuple[Baseline, Mutant] | None, file: Path
    ) -> int:
        """Return the exit code of a child, and end what it has left running."""
        child = os.fork()
        if not child:
            self._child(tests, target, fault, file)
        try:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)

    def _child(
        self, tests: Sequence[str], target: str, fault: tuple[Baseline, Mutant] | None, file: Path
    ) -> NoReturn:
        code = 3
        try:
            os.setsid()
            output = os.open(self._output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(output, 1)
            os.dup2(output, 2)
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            with self._hang.open("w") as hang:
                plugin: _Plugin = _Recorder(target, file)
                if fault is not None:
                    baseline, mutant = fault
                    file.write_bytes(mutant.code)
                    os.environ[mutation_hook.CODE_FILE] = str(file)
                    os.environ[mutation_hook.MODULE] = _module(target)
                    mutation_hook.install()
                    plugin = _Hunter(baseline, mutant.function, hang)
                options = [
                    "-xq",
                    "-n0",  # workers would be other processes, without the fault
                    "--assert=plain",
                    "-p",
                    "no:cacheprovider",
                    "-p",
                    "no:faulthandler",
                ]
                options.append(f"--basetemp={self._folder / 'tests'}")
                code = int(pytest.main([*tests, *options], plugins=[plugin]))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)


def _module(target: str) -> str:
    """Return the name of the module in a file, given relative to the root."""
    parts = Path(target).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
