"""Names that come from files lead nowhere else; what the user allows lies outside of projects."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.errors import ConfigError, UserError
from prep.events import Allowed
from prep.ops import allow
from prep.system.boundary import Boundary, is_plain_name
from prep.system.home import home_of
from prep.system.permissions import FILE_NAME, Permissions, read_permissions
from prep.system.user_folder import user_folder

PARTS = st.lists(st.sampled_from(["..", ".", "", "a", "b", "link", "\0", "c.txt"]), max_size=6)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a folder with a link to its parent."""
    (tmp_path / "in" / "a" / "b").mkdir(parents=True)
    (tmp_path / "in" / "link").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "in" / "file.txt").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "in" / "within").symlink_to(tmp_path / "in" / "a", target_is_directory=True)
    return tmp_path / "in"


@given(parts=PARTS, absolute=st.booleans())
def test_a_name_that_passes_is_below_the_folder(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str], absolute: bool
) -> None:
    root = tmp_path_factory.getbasetemp() / "drawn"
    (root / "a" / "b").mkdir(parents=True, exist_ok=True)
    if not (root / "link").is_symlink():
        (root / "link").symlink_to("/", target_is_directory=True)
    name = ("/" if absolute else "") + "/".join(parts)
    if Boundary(root).holds(name):
        assert (root / name).parent.resolve().is_relative_to(root.resolve())
        assert (root / name) != root
        assert is_plain_name(name)


@pytest.mark.parametrize(
    ("name", "inside", "content"),
    [
        ("a/b/c.txt", True, True),
        ("new/c.txt", True, True),
        ("within/c.txt", True, True),
        ("file.txt", True, False),  # the link is inside, what it points to is not
        ("link", True, False),
        ("link/c.txt", False, False),
        ("a/../c.txt", False, False),
        ("../c.txt", False, False),
        ("", False, False),
        (".", False, False),
    ],
)
def test_what_is_inside(tree: Path, name: str, inside: bool, content: bool) -> None:
    boundary = Boundary(tree)
    assert (boundary.holds(name), boundary.holds_content(name)) == (inside, content)
    wider = Boundary(tree, [tree.parent])
    assert wider.holds(name) == (inside or name == "link/c.txt")


def allowed(what: str = "", *, forget: bool = False) -> list[str]:
    found = allow.run(what, forget=forget)
    return [event.what for event in found if isinstance(event, Allowed)]


def test_permissions_come_and_go(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    assert allowed() == []
    assert allowed("https://Box.example:8443/v1") == ["https://box.example:8443"]
    assert allowed(str(tmp_path / "link")) == ["https://box.example:8443", str(tmp_path)]
    assert read_permissions() == Permissions(("https://box.example:8443",), (str(tmp_path),))
    assert allowed("https://box.example:8443", forget=True) == [str(tmp_path)]
    assert allowed(str(tmp_path), forget=True) == []
    for what, fault in (
        ("no_such", "There is no folder"),
        ("/", "is everything"),
        ("ftp://x", "is not a server"),
    ):
        with pytest.raises(ConfigError, match=fault):
            allowed(what)
    with pytest.raises(ConfigError, match="is not allowed anyway"):
        allowed(str(tmp_path), forget=True)


@pytest.mark.parametrize("text", ["{", "[]", '{"hosts": []}', '{"hosts": 1, "folders": 2}'])
def test_a_damaged_file_allows_nothing(text: str) -> None:
    user_folder().mkdir(parents=True)
    (user_folder() / FILE_NAME).write_text(text)
    with pytest.raises(UserError, match="cannot be read"):
        read_permissions()


def test_the_users_folder_is_where_the_desktop_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/x/y")
    assert user_folder() == Path("/x/y/shikomi")
    for ignored in ("", "relative"):
        monkeypatch.setenv("XDG_CONFIG_HOME", ignored)
        assert user_folder() == Path("~/.config/shikomi").expanduser()


def test_another_folder_and_another_user_are_not_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    here = home_of(tmp_path)
    assert home_of(tmp_path / "link") == here
    assert home_of(tmp_path.parent) != here
    identity = user_folder() / "identity"
    assert identity.stat().st_mode & 0o077 == 0
    assert [path.name for path in user_folder().iterdir()] == ["identity"]
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "other"))
    assert home_of(tmp_path) != here
    monkeypatch.setenv("XDG_CONFIG_HOME", "/proc/1")  # nothing can be written there
    assert home_of(tmp_path) == home_of(tmp_path) != here
