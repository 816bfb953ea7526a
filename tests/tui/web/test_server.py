"""The server as browsers, and others, see it: real sockets, real processes."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiohttp", reason="needs the extra: serve")
pytest.importorskip("textual_serve", reason="needs the extra: serve")

import aiohttp

from prep.dataset.drafts import DraftStore
from prep.project import Project
from tests.tui.web.visitor import Visitor, gone, visited
from tests.waiting import ended
from tui.chooser import recent
from tui.web.access import Access
from tui.web.server import Server
from tui.web.visit import Visit, environment

TOKEN = "a token of some length"
MakeImage = Callable[..., Path]


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Visit]:
    """Return the visits for which a process was started."""
    found: list[Visit] = []
    begin = Visit.begin

    async def noted(*given: Any) -> Visit:
        found.append(await begin(*given))
        return found[-1]

    monkeypatch.setattr(Visit, "begin", noted)
    return found


@pytest.fixture
def server(project: Project, make_image: MakeImage) -> Server:
    make_image("10_mochi/beach.png", 1, caption="mochi, beach")
    return Server(project.root, Access(TOKEN), most=1)


async def refused(visitor: Visitor, headers: dict[str, str]) -> int:
    """Return the status with which a WebSocket is refused."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with visitor.opened(headers=headers):
            pass
    return int(caught.value.status)


async def test_nothing_starts_without_the_token(server: Server, begun: list[Visit]) -> None:
    async with visited(server) as visitor:
        for path in ("/", "/static/page.css", "/nothing", "/?token=", "/?token=another"):
            assert (await visitor.get(path)).status == 403, path
        assert await refused(visitor, {"Origin": visitor.url}) == 403
        wrong = {"Origin": visitor.url, "Cookie": f"shikomi-{visitor.port}={TOKEN}"}
        assert await refused(visitor, wrong) == 403
    assert begun == []


async def test_the_token_becomes_a_cookie(server: Server) -> None:
    async with visited(server) as visitor:
        answer = await visitor.get(f"/?token={TOKEN}")
        assert (answer.status, answer.headers["Location"]) == (303, "/")
        cookie = answer.headers["Set-Cookie"]
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
        assert TOKEN not in cookie
        page = await visitor.get()
        assert page.status == 200
        assert TOKEN not in await page.text()


async def test_other_names_and_other_pages_start_nothing(
    server: Server, begun: list[Visit]
) -> None:
    async with visited(server) as visitor:
        await visitor.enter()
        assert (await visitor.get(Host="evil.example")).status == 421
        assert (await visitor.get(f"/?token={TOKEN}", Host="evil.example")).status == 421
        assert await refused(visitor, {"Origin": visitor.url, "Host": "evil.example"}) == 421
        assert await refused(visitor, {"Origin": "http://evil.example"}) == 403
        assert await refused(visitor, {"Origin": "http://127.0.0.1:1"}) == 403
        assert await refused(visitor, {}) == 403
    assert begun == []


async def test_nothing_is_loaded_from_elsewhere_or_kept(server: Server) -> None:
    async with visited(server) as visitor:
        await visitor.enter()
        page = await visitor.get()
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["Referrer-Policy"] == "no-referrer"
        named = re.findall(r'(?:href|src)="([^"]*)"', await page.text())
        assert all(name.startswith("/") or name == "data:," for name in named)
        loaded = [name for name in named if name.startswith("/static/")]
        assert len(loaded) >= 5
        for name in loaded:
            answer = await visitor.get(name)
            assert answer.status == 200, name


async def test_folders_are_not_listed(server: Server) -> None:
    async with visited(server) as visitor:
        await visitor.enter()
        for path in (
            "/static/",
            "/static",
            "/static/js",
            "/static/..%2fserver.py",
            "/static/%2e%2e%2fpage.py",
        ):
            assert (await visitor.get(path)).status == 404, path


async def test_keys_arrive_and_the_size_follows(server: Server, begun: list[Visit]) -> None:
    async with visited(server) as visitor:
        await visitor.enter()
        async with visitor.opened() as screen:
            await screen.until("beach.png")
            await screen.press("?")
            await screen.until("Images & captions")
            await screen.press("\x1b")
            await screen.socket.send_json(["resize", {"width": 180, "height": 50}])
            await screen.until("tags of what is shown")  # only where there is so much room
            await screen.press("q")
            assert await screen.closed() == 1000
        await gone(begun[0].pid)


async def test_no_more_than_so_many(server: Server, begun: list[Visit]) -> None:
    async with visited(server) as visitor:
        await visitor.enter()
        async with visitor.opened() as screen:
            assert await refused(visitor, {"Origin": visitor.url}) == 503
            assert (await visitor.get()).status == 503
            await screen.until("beach.png")
        await gone(begun[0].pid)
        while (await visitor.get()).status == 503:  # until it is known here, too
            await asyncio.sleep(0.01)
        async with visitor.opened() as screen:
            await screen.until("beach.png")
    assert len(begun) == 2


async def test_drafts_of_a_lost_client_are_kept(
    server: Server, project: Project, begun: list[Visit]
) -> None:
    async with visited(server) as visitor:
        await visitor.enter()
        async with visitor.opened() as screen:
            await screen.until("beach.png")
            await screen.press("e")
            await screen.until("TYPING")
            await screen.press(" at night")
            await screen.until("night")
            transport = screen.socket.get_extra_info("socket")
            transport.shutdown(2)  # no word of farewell
        await gone(begun[0].pid)
    store = DraftStore(project)
    assert [draft.text for draft in store.read().values()] == ["mochi, beach at night"]
    store.close()


async def test_a_client_that_says_nothing_any_more_is_dead(
    server: Server, begun: list[Visit]
) -> None:
    server.heartbeat = 0.2
    async with visited(server) as visitor:
        await visitor.enter()
        async with visitor.opened(autoping=False) as screen:
            while not screen.socket.closed:  # reads, and answers no ping
                await screen.socket.receive()
            await gone(begun[0].pid)


@pytest.mark.parametrize("words", ['["quit"]', "nothing", "[1]"])
async def test_nonsense_ends_the_visit(server: Server, begun: list[Visit], words: str) -> None:
    async with visited(server) as visitor:
        await visitor.enter()
        async with visitor.opened() as screen:
            await screen.socket.send_str(words)
            assert await screen.closed() == 1008
        await gone(begun[0].pid)


async def test_what_cannot_start_says_why(server: Server) -> None:
    ((server.project or Path()) / "shikomi.toml").write_text("[project]\nresolution = 'much'\n")
    async with visited(server) as visitor:
        await visitor.enter()
        async with visitor.opened() as screen:
            await screen.until("resolution")
            assert await screen.closed() == 1000


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_the_application_does_not_outlive_the_server(
    project: Project, make_image: MakeImage, number: signal.Signals
) -> None:
    make_image("10_mochi/beach.png", 1)
    command = [sys.executable, "-m", "tui.cli", "serve", str(project.root), "--port", "0", "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env={**os.environ, "SHIKOMI_TOKEN": TOKEN}
    ) as served:
        assert served.stdout is not None
        said = json.loads(await asyncio.to_thread(served.stdout.readline))
        port = int(re.findall(r":(\d+)/\?token=", said["url"])[0])
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as client:
            visitor = Visitor(client, port, TOKEN)
            await visitor.enter()
            async with visitor.opened() as screen:
                await screen.until("beach.png")
                children = Path(f"/proc/{served.pid}/task").glob("*/children")
                pids = [int(pid) for file in children for pid in file.read_text().split()]
                assert len(pids) == 1
                served.send_signal(number)
                await gone(pids[0])
        code = await asyncio.to_thread(ended, served)
        assert code == (0 if number == signal.SIGTERM else -number)


async def test_another_project_can_be_chosen_in_the_browser(
    server: Server, begun: list[Visit]
) -> None:
    async with visited(server) as visitor:
        await visitor.enter()
        async with visitor.opened() as screen:
            await screen.until("beach.png")
            await screen.press("O")
            await screen.until("Which project?")
            await screen.until("Off the list")  # keys arrive
            await screen.press("\r")
            await screen.until("beach.png")
            await screen.press("q")
            assert await screen.closed() == 1000
    assert len(begun) == 1


async def test_without_a_project_there_is_a_choice(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    recent.remember(project.root)
    async with visited(Server(None, Access(TOKEN), most=1)) as visitor:
        await visitor.enter()
        assert "<title>empty · shikomi</title>" in await (await visitor.get()).text()
        async with visitor.opened() as screen:
            await screen.until("Which project?")
            await screen.press("\r")
            await screen.until("No images here yet")


def test_the_application_speaks_the_language_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHIKOMI_LANG", "ja")
    assert environment(80, 24)["SHIKOMI_LANG"] == "ja"
    monkeypatch.delenv("SHIKOMI_LANG")
    assert "SHIKOMI_LANG" not in environment(80, 24), "the system says it, or the settings"
