"""The server: two addresses (a page and its WebSocket), and the files of the page.

Everything is asked in one order: the Host header, then the token or cookie, for a WebSocket its
origin, then whether there is room. Only then a process starts. textual-serve's own server is not
used: it asks nobody anything, and its processes outlive it (1.1.3). Its client is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from aiohttp import WSCloseCode, WSMsgType, web

from prep.language import _
from tui.web import packets, page
from tui.web.access import Access
from tui.web.visit import Visit

_LONGEST = 1 << 20
"""Bytes in a message of a browser: what one may paste at once."""
HEARTBEAT = 20.0
"""Seconds between two questions whether the browser is still there; half of it to answer in."""
_ALWAYS = {
    "Content-Security-Policy": page.POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # the token is in an address once
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_FOR_AN_HOUR = "private, max-age=3600"
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Server:
    """Serves one project, or a choice of them, to those who have the token.

    Attributes:
        project: Its folder; ``None`` for what ``shikomi`` opens in the current folder.
        access: Who may come in.
        most: Processes of the application at a time.
        heartbeat: Seconds between two questions whether a browser is still there.
        told: Called with the number of visits whenever it changes.
    """

    project: Path | None
    access: Access
    most: int
    heartbeat: float = HEARTBEAT
    told: Callable[[int], object] = field(default=lambda _: None)

    def __post_init__(self) -> None:
        self._assets = page.assets()
        self._visits: set[web.WebSocketResponse] = set()
        self._ending: set[asyncio.Task[None]] = set()

    def application(self) -> web.Application:
        """Return what aiohttp runs."""
        made = web.Application()
        for path, handler in (
            ("/", self._page),
            ("/ws", self._socket),
            ("/static/{name}", self._asset),
            ("/{rest:.*}", _nothing),
        ):
            made.router.add_get(path, partial(self._asked, handler))
        made.on_response_prepare.append(_add_headers)
        made.on_shutdown.append(self._shut_down)
        return made

    # ---- who may come in ------------------------------------------------------------------

    async def _asked(self, handler: _Handler, request: web.Request) -> web.StreamResponse:
        """Let nobody through who does not mean this server, or has no token."""
        host = request.headers.get("Host", "")
        if not self.access.knows_host(host):
            return _refused(_("This server has no such name. Start it with: --name NAME"), 421)
        if request.path == "/" and "token" in request.query:
            return self._exchanged(request)
        if not self.access.recognises(request.cookies.get(_cookie(request), "")):
            return _refused(
                _("Open the address with the token, which shikomi serve has printed."), 403
            )
        return await handler(request)

    def _exchanged(self, request: web.Request) -> web.StreamResponse:
        """Take the token, and go on without it in the address."""
        if not self.access.opens(request.query["token"]):
            return _refused(_("This token is not that of this server."), 403)
        answer = web.Response(status=303, headers={"Location": "/"})
        # Lax, not Strict: the address may have been clicked on in a chat. The page starts nothing,
        # and the WebSocket asks for the origin.
        answer.set_cookie(
            _cookie(request),
            self.access.cookie,
            httponly=True,
            samesite="Lax",
            secure=_is_secure(request),
        )
        return answer

    # ---- page and files ---------------------------------------------------------------------

    async def _page(self, request: web.Request) -> web.StreamResponse:
        if len(self._visits) >= self.most:
            return self._full()
        socket = f"{'wss' if _is_secure(request) else 'ws'}://{request.headers['Host']}/ws"
        folder = self.project or Path()
        text = page.page(folder.absolute().name, socket)
        return web.Response(text=text, content_type="text/html")

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        found = self._assets.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        return web.Response(
            body=await asyncio.to_thread(found.path.read_bytes),
            content_type=found.kind,
            headers={"Cache-Control": _FOR_AN_HOUR},
        )

    # ---- the application ------------------------------------------------------------------

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        origin = request.headers.get("Origin", "")
        if not self.access.knows_origin(origin, request.headers["Host"]):
            return _refused(_("Another page wanted to come in."), 403)
        if len(self._visits) >= self.most:
            return self._full()
        answer = web.WebSocketResponse(
            heartbeat=self.heartbeat, max_msg_size=_LONGEST, compress=False
        )
        self._visits.add(answer)  # before anything is waited for, so that the limit holds
        self.told(len(self._visits))
        try:
            size = _cells(request, "width", 80), _cells(request, "height", 24)
            await answer.prepare(request)
            visit = await Visit.begin(self.project, *size)
            await self._visited(visit, answer)
        finally:
            self._visits.discard(answer)
            self.told(len(self._visits))
        return answer

    async def _visited(self, visit: Visit, browser: web.WebSocketResponse) -> None:
        """Pass everything on, until one of the two is gone; then end the other."""
        showing = asyncio.create_task(_show(visit, browser))
        try:
            async for message in browser:
                if message.type is not WSMsgType.TEXT:
                    raise packets.ProtocolError("not a text")
                found = packets.from_browser(message.data)
                if found is not None:
                    await visit.take(found)
                elif (answer := packets.pong(message.data)) is not None:
                    await browser.send_str(answer)
        except (packets.ProtocolError, ConnectionError):
            await browser.close(code=WSCloseCode.POLICY_VIOLATION)
        finally:
            showing.cancel()
            ending = asyncio.create_task(_end(visit, showing))
            # Kept until it is done: this handler may be cancelled, the process must end.
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            await asyncio.shield(ending)

    def _full(self) -> web.StreamResponse:
        text = _("{count} browsers are here, and no more are let in at a time.")
        return _refused(text.format(count=self.most), 503)

    async def _shut_down(self, _application: web.Application) -> None:
        for browser in list(self._visits):
            with suppress(ConnectionError):
                await browser.close(code=WSCloseCode.GOING_AWAY)
        await asyncio.gather(*self._ending, return_exceptions=True)


async def _show(visit: Visit, browser: web.WebSocketResponse) -> None:
    """Show the application until it ends, and say so."""
    try:
        await visit.show(browser.send_bytes)
        await browser.close()
    except (ConnectionError, packets.ProtocolError):
        await browser.close(code=WSCloseCode.INTERNAL_ERROR)


async def _end(visit: Visit, showing: "asyncio.Task[None]") -> None:
    with suppress(asyncio.CancelledError):
        await showing  # nobody else may read what the application writes
    await visit.end()


async def _nothing(_request: web.Request) -> web.StreamResponse:
    raise web.HTTPNotFound


async def _add_headers(_request: web.Request, answer: web.StreamResponse) -> None:
    answer.headers.update(_ALWAYS)
    answer.headers.setdefault("Cache-Control", "no-store")


def _refused(text: str, status: int) -> web.StreamResponse:
    body = page.message(_("Not here"), text)
    return web.Response(text=body, content_type="text/html", status=status)


def _cookie(request: web.Request) -> str:
    """Return the name of the cookie: browsers keep one jar for all ports of a machine."""
    found = request.transport.get_extra_info("sockname") if request.transport else None
    return f"shikomi-{found[1] if found else 0}"


def _is_secure(request: web.Request) -> bool:
    """Return whether the browser speaks TLS, to us or to a proxy before us."""
    return bool(request.secure) or request.headers.get("X-Forwarded-Proto") == "https"


def _cells(request: web.Request, name: str, otherwise: int) -> int:
    text = request.query.get(name, "")
    return packets.within(int(text)) if text.isascii() and text.isdecimal() else otherwise
