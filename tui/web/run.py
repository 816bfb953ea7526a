"""Run the server until it is interrupted, as an operation that yields what happens."""

import asyncio
import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from pydantic import Field

from prep import events
from prep.errors import ConfigError, MissingExtraError
from prep.project import Project
from prep.section import Section
from tui.web.access import Access, is_loopback, own_access


class ServeOptions(Section):
    """Where to listen, and how many may come."""

    host: str = "127.0.0.1"
    """Address to listen at; 0.0.0.0 for all addresses of this machine."""
    port: int = Field(8400, ge=0, le=65535)
    """Port to listen at; 0 for any that is free."""
    name: tuple[str, ...] = ()
    """Another name that browsers know this machine by, such as that of a proxy; repeatable."""
    sessions: int = Field(4, ge=1, le=64)
    """Maximum number of browsers at a time; each gets its own process of the application."""


def require_serve() -> None:
    """Check that what a server needs is installed, without importing it.

    Raises:
        MissingExtraError: The first package that is missing.
    """
    for package, name in (("aiohttp", "aiohttp"), ("textual_serve", "textual-serve")):
        if find_spec(package) is None:
            raise MissingExtraError(name, "serve")


def run(project: Path | None, options: ServeOptions) -> Iterator[events.Event]:
    """Serve a project until it is interrupted, or the iteration closed.

    Args:
        project: Project folder, or any folder of images; ``None`` for the current folder if work
            goes on there, else for a choice in the browser.
        options: Where, and for how many.

    Yields:
        Serving once, Visits whenever somebody came or went, and Finished when it is interrupted.

    Raises:
        UserError: It is no project, a package is missing, or the port is taken.
    """
    if project is not None:
        Project.open(project)  # whose faults are told here, not in a browser
    require_serve()
    access = own_access(options.name)
    news: queue.Queue[events.Event | BaseException] = queue.Queue()
    ended = threading.Event()
    thread = threading.Thread(
        target=_serve, args=(project, options, access, news, ended), name="shikomi-serve"
    )
    thread.start()
    most = 0
    try:
        while True:
            found = news.get()
            if isinstance(found, BaseException):
                raise found
            if isinstance(found, events.Visits):
                most = max(most, found.count)
            yield found
    except KeyboardInterrupt:  # the way to end it
        yield events.Finished({"most_browsers": most})
    finally:
        ended.set()
        thread.join()


def address(options: ServeOptions, port: int, access: Access) -> str:
    """Return the address to open, the token in it.

    Example:
        >>> address(ServeOptions(host="::1"), 8400, Access("secret"))
        'http://[::1]:8400/?token=secret'
    """
    host = options.host
    if host in ("0.0.0.0", "::"):
        host = next(iter(sorted(access.names)), "localhost")
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/?token={access.token}"


def _serve(
    project: Path | None,
    options: ServeOptions,
    access: Access,
    news: "queue.Queue[events.Event | BaseException]",
    ended: threading.Event,
) -> None:
    """Serve, in a thread of its own: operations are no coroutines."""
    try:
        asyncio.run(_until_ended(project, options, access, news, ended))
    except OSError as error:
        place = f"{options.host}, port {options.port}"
        news.put(
            ConfigError(
                f"Nothing can be served at {place}: {error.strerror or error}.",
                "Choose others with --host and --port.",
            )
        )
    except BaseException as error:  # a fault of the program: told where it is iterated
        news.put(error)


async def _until_ended(
    project: Path | None,
    options: ServeOptions,
    access: Access,
    news: "queue.Queue[events.Event | BaseException]",
    ended: threading.Event,
) -> None:
    from aiohttp import web

    from tui.web.server import Server

    server = Server(
        project, access, options.sessions, told=lambda count: news.put(events.Visits(count))
    )
    # No access log: the token is in an address.
    runner = web.AppRunner(server.application(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, options.host, options.port).start()
        port = runner.addresses[0][1]
        news.put(events.Serving(address(options, port, access), is_loopback(options.host)))
        await asyncio.to_thread(ended.wait)
    finally:
        with suppress(asyncio.CancelledError):
            await runner.cleanup()
