"""Find or start Ray, quietly, and restore this process afterwards."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prep.errors import ConfigError, MissingExtraError, RetryError, UserError

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
    "RAY_NUM_REDIS_GET_RETRIES": "2",
    "PYTHONSAFEPATH": "1",
}
"""No usage reports, no advice about the next version, no lines from the C++ side, no messages
about lost workers amid our output; two tries, of 40 seconds each, to reach a head that does not
answer, instead of twenty; and no Python files of the current folder."""
_FIRST_KNOCK, _KNOCK = 10.0, 2.0
"""Seconds within which a head must accept a connection, and later answer."""
_JOIN = "Run this on a machine of the cluster: ray start --address=HOST:6379"
_TOKEN = (
    "Use: export RAY_AUTH_MODE=token\nThe token must be in ~/.ray/auth_token, as on the cluster's"
    " head, where this prints it: ray get-auth-token"
)


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Connect to Ray for the duration of the context.

    Args:
        address: ``HOST:PORT`` of a cluster's head; ``auto`` for the cluster to which this machine
            belongs; if empty, ``RAY_ADDRESS`` is used, or Ray is started here and stopped
            afterwards.

    Yields:
        The module ``ray``.

    Raises:
        MissingExtraError: Ray is not installed.
        UserError: The cluster cannot be used; RetryError if it cannot be reached.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError:
        raise MissingExtraError("Ray", "ray") from None
    if ray.is_initialized():
        yield ray
        return
    # Otherwise Ray leaves 10 MB of logs at each run. Sockets are below it: the path must be short.
    short = os.environ.get("RAY_TMPDIR") or ("/tmp" if os.name == "posix" else None)
    with TemporaryDirectory(prefix="ray-", dir=short, ignore_cleanup_errors=True) as folder:
        try:
            with _signals_kept(), _silence():
                _start(ray, address or os.environ.get("RAY_ADDRESS", "") or "local", folder)
            yield ray
        finally:
            ray.shutdown()


def _start(ray: Any, address: str, folder: str) -> None:
    """Connect to Ray; if it is started here, its logs and sockets go into the folder."""
    if "://" in address:
        raise ConfigError(
            f"Addresses such as {address} are not supported.", f"Give HOST:PORT or auto. {_JOIN}"
        )
    if address not in ("auto", "local"):
        _knock(ray, address)
    quiet = {"log_to_driver": False, "logging_level": "CRITICAL", "configure_logging": True}
    own = {"include_dashboard": False, "_temp_dir": folder} if address == "local" else {}
    try:
        # Ray puts the current folder, which may be anybody's project, on the path of all workers.
        with chdir(folder):
            ray.init(address, **quiet, **own)
    except (ConnectionError, TimeoutError, RuntimeError, ray.exceptions.RayError) as error:
        if "uthentication" in f"{error} {error.__cause__}":
            raise UserError(f"The cluster at {address} asks for Ray's token.", _TOKEN) from error
        if not isinstance(error, (ConnectionError, TimeoutError)):
            raise UserError(f"Ray cannot be used: {_first_line(error)}", _JOIN) from error
        raise RetryError(f"There is no cluster of Ray at {address}.", _JOIN) from error
    except (ValueError, OSError) as error:
        raise UserError(f"Ray cannot be used: {_first_line(error)}", _JOIN) from error


def _knock(ray: Any, address: str) -> None:
    """Raise an error if nothing answers; Ray itself would be silent for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 0xFFFF:
        raise ConfigError(
            f"{address} is not the address of a cluster.", f"Give HOST:PORT or auto. {_JOIN}"
        )
    host = host.strip("[]")
    if host in ("localhost", "127.0.0.1", "::1"):
        host = ray.util.get_node_ip_address()  # Ray's name for this machine
    if fault := _fault(host, int(port), _FIRST_KNOCK):
        raise RetryError(f"There is no cluster of Ray at {address} ({host}: {fault}).", _JOIN)


def answers(ray: Any) -> bool:
    """Return whether the head of the cluster still answers.

    Most calls of Ray wait for a lost head, and after a minute Ray ends the process.
    """
    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    return not _fault(host.strip("[]"), int(port), _KNOCK)


def _fault(host: str, port: int, seconds: float) -> str:
    """Return why the address cannot be reached; empty if it can."""
    try:
        socket.create_connection((host, port), seconds).close()
    except (OSError, UnicodeError) as error:
        return _first_line(error)
    return ""


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Restore the SIGTERM handler that Ray replaces; its own ends a command without a summary."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the direct output of Ray's C++ side off the terminal."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
