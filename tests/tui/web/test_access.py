"""Who may come in, without a server."""

import pytest

from prep.errors import ConfigError, MissingExtraError
from tui.web import packets
from tui.web import run as work
from tui.web.access import TOKEN_KEY, Access, is_loopback, own_access

ACCESS = Access("a token of some length", frozenset({"studio.example.org"}))


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8400",
        "127.0.0.1:1",
        "[::1]:8400",
        "192.168.1.7",
        "Studio.Example.ORG:80",
    ],
)
def test_hosts_that_mean_this_server(host: str) -> None:
    assert ACCESS.knows_host(host)


@pytest.mark.parametrize(
    "host",
    [
        *(
            "",
            "evil.example",
            "evil.example:8400",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
        ),
        *(
            "localhost@evil.example",
            "evil.example/localhost",
            "localhost:8400:1",
            "localhost\n",
            "[evil]",
        ),
    ],
)
def test_names_that_were_pointed_here_are_refused(host: str) -> None:
    assert not ACCESS.knows_host(host)


def test_only_pages_of_this_server_open_sockets() -> None:
    host = "localhost:8400"
    assert ACCESS.knows_origin("http://localhost:8400", host)
    assert ACCESS.knows_origin("https://studio.example.org", "studio.example.org")
    for origin in (
        *("", "null", "http://localhost", "http://localhost:3000", "http://evil.example"),
        *("localhost:8400", "file://localhost:8400", "http://localhost:8400.evil.example"),
    ):
        assert not ACCESS.knows_origin(origin, host), origin


def test_tokens_and_cookies_are_not_each_other() -> None:
    assert ACCESS.opens(ACCESS.token)
    assert ACCESS.recognises(ACCESS.cookie)
    assert not ACCESS.opens(ACCESS.cookie)
    assert not ACCESS.recognises(ACCESS.token)
    assert not any(ACCESS.opens(text) for text in ("", "a token", "ä\udcff", ACCESS.token + " "))
    assert Access("x").cookie != Access("x").cookie  # of one start, never of the next


def test_a_token_of_ones_own_is_long() -> None:
    assert own_access((), {TOKEN_KEY: "x" * 20}).token == "x" * 20
    with pytest.raises(ConfigError, match="19 characters"):
        own_access((), {TOKEN_KEY: "x" * 19})
    assert len(own_access((), {}).token) >= 40


def test_names_are_names() -> None:
    assert "studio.local" in own_access(("Studio.local",), {}).names
    for name in ("http://studio.local", "studio.local:80", "a b", ""):
        with pytest.raises(ConfigError, match="not the name of a computer"):
            own_access((name,), {})


def test_loopback() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.7", "studio.local", "")))


def test_what_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "find_spec", lambda name: None if name == "textual_serve" else 1)
    with pytest.raises(MissingExtraError) as caught:
        work.require_serve()
    assert str(caught.value) == (
        "textual-serve is not installed, and this command needs it."
        " Install it with: pip install 'shikomi[serve]'"
    )


def test_messages_of_a_browser() -> None:
    assert packets.from_browser('["stdin", "é"]') == b"D\x00\x00\x00\x02\xc3\xa9"
    assert packets.from_browser('["resize", {"width": 99999, "height": -3}]') == packets.meta(
        type="resize", width=1000, height=1
    )
    assert packets.from_browser('["ping", "1"]') is None
    assert packets.pong('["ping", "1"]') == '["pong", "1"]'
    for text in (
        *("", "{}", "[]", '["stdin"]', '["stdin", 1]', '["resize", {"width": "9", "height": 9}]'),
        *('["quit"]', '["exit"]', '["resize", {}]', "[" * 100_000),
    ):
        with pytest.raises(packets.ProtocolError):
            packets.from_browser(text)
