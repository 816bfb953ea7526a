"""Allow servers and folders, for all projects; only the user can, never a project."""

from collections.abc import Iterator
from pathlib import Path

from prep import events
from prep.captioner.permission import host_of
from prep.errors import ConfigError
from prep.system.names import with_home
from prep.system.permissions import read_permissions, save_permissions


def run(what: str = "", *, forget: bool = False) -> Iterator[events.Event]:
    """Allow a server or a folder, or take that back; then list everything that is allowed.

    Args:
        what: Address of a server, or a folder; only list if empty.
        forget: Take the permission back.

    Yields:
        Allowed for each permission; Finished with their number as ``allowed``.

    Raises:
        ConfigError: It is neither, or was not allowed.
        UserError: The file with the permissions is damaged or not writable.
    """
    permissions = read_permissions()
    if what:
        name = host_of(what) if "://" in what else _folder(what, must_exist=not forget)
        if forget:
            if name not in (*permissions.hosts, *permissions.folders):
                raise ConfigError(f"{name} is not allowed anyway.", "See: shikomi allow")
            permissions = permissions.without(name)
        elif "://" in what:
            permissions = permissions.with_host(name)
        else:
            permissions = permissions.with_folder(name)
        save_permissions(permissions)
    found = [*permissions.hosts, *permissions.folders]
    yield from map(events.Allowed, found)
    yield events.Finished({"allowed": len(found)})


def _folder(text: str, *, must_exist: bool) -> str:
    folder = with_home(text).resolve()
    if must_exist and not folder.is_dir():
        raise ConfigError(
            f"There is no folder {text}.",
            "Give a folder, or the address of a server, such as https://captions.example.com",
        )
    if folder == Path(folder.anchor):
        raise ConfigError(f"{folder} is everything.", "Give a folder below it.")
    return str(folder)
