"""Where images and keys may be sent: a project cannot decide that."""

import io

import pytest

from prep.errors import ConfigError, RetryError, UserError
from prep.ops import allow, caption, scan
from prep.ops.caption import CaptionOptions
from prep.project import Project
from prep.system.permissions import Permissions, save_permissions
from tests.conftest import MakeImage
from tests.prep.vision_server import BEHAVIOURS, _status, vision_server
from tui.command_line import app


@pytest.fixture(autouse=True)
def _pictured(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/a.png", 1)
    list(scan.run(project))


def test_a_key_never_travels_unencrypted(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHIKOMI_API_KEY", "k")
    save_permissions(Permissions(hosts=("http://box.invalid",)))
    for url in ("http://box.invalid/v1", None):
        asked = project.saved({"captioner": {"url": "http://box.invalid/v1"}})
        with pytest.raises(ConfigError, match="without encryption"):
            next(caption.run(asked, CaptionOptions(url=url, retries=0)))


@pytest.mark.parametrize("key", ["", "k"])
def test_a_server_that_the_project_names_must_be_allowed(
    project: Project, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("SHIKOMI_API_KEY", key)
    asked = project.saved({"captioner": {"url": "https://Box.invalid:8443/v1"}})
    for allowed in ((), ("https://box.invalid",), ("http://box.invalid:8443",)):
        save_permissions(Permissions(hosts=allowed))
        with pytest.raises(
            ConfigError, match=r"https://box\.invalid:8443, which you have not"
        ) as no:
            next(caption.run(asked, CaptionOptions()))
        assert "to https://box.invalid:8443," in no.value.message
        assert no.value.hint.endswith("run: shikomi allow https://box.invalid:8443")
        assert ("your key" in no.value.message) == bool(key)
    list(allow.run("https://box.invalid:8443/v1"))
    with pytest.raises(RetryError):  # nobody is there, but it was asked
        list(caption.run(asked, CaptionOptions(retries=0)))
    with pytest.raises(RetryError):  # whoever writes the address trusts it
        list(caption.run(project, CaptionOptions(url="https://other.invalid/v1", retries=0)))


@pytest.mark.parametrize(("answer", "code"), [("y", 3), ("n", 2)])
def test_a_person_at_the_terminal_is_asked_once(
    project: Project, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    project.saved({"captioner": {"url": "https://box.invalid/v1", "retries": 0}})
    for expected in ("Allow that? [y/N]", "") if answer == "y" else ("Allow that? [y/N]",) * 2:
        monkeypatch.setattr("sys.stdin", Terminal(f"{answer}\n"))
        monkeypatch.setattr("sys.stderr", said := Terminal())
        assert app(["caption", str(project.root)], exit_on_error=False) == code
        assert ("Allow that?" in said.getvalue()) == bool(expected)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))  # a pipe is nobody who decides
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert app(["caption", str(project.root)], exit_on_error=False) == code


def test_a_key_does_not_follow_redirects(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHIKOMI_API_KEY", "k")
    with vision_server() as there, vision_server() as here:
        to_there = _status(307, "over there", Location=f"{there.url}/chat/completions")
        monkeypatch.setitem(BEHAVIOURS, "redirect", to_there)
        here.always = "redirect"
        with pytest.raises(UserError, match="redirects"):
            list(caption.run(project, CaptionOptions(url=here.url, retries=0)))
        assert "Bearer k" in here.keys
        assert there.keys == []
