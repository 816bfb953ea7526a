"""What a person has allowed, once and for all projects: servers, and folders outside of projects.

A project may come from anybody, so nothing in it can give a permission: they are kept in the
user's own folder.
"""

import json
from dataclasses import astuple, dataclass, replace

from prep.errors import UserError, reason_of
from prep.system.files import write_text
from prep.system.user_folder import user_folder
from prep.texts import parse_json, read_text

FILE_NAME = "permissions.json"


@dataclass(frozen=True)
class Permissions:
    """What is allowed.

    Attributes:
        hosts: Servers that may get images, and a key: scheme, name and port.
        folders: Real paths of folders in which files may be written through links of a project.
    """

    hosts: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    def with_host(self, host: str) -> "Permissions":
        """Return these permissions and that of a server."""
        return replace(self, hosts=tuple(sorted({*self.hosts, host})))

    def with_folder(self, folder: str) -> "Permissions":
        """Return these permissions and that of a folder."""
        return replace(self, folders=tuple(sorted({*self.folders, folder})))

    def without(self, what: str) -> "Permissions":
        """Return these permissions without a server or folder."""
        hosts, folders = (tuple(x for x in part if x != what) for part in astuple(self))
        return Permissions(hosts, folders)


def read_permissions() -> Permissions:
    """Return what is allowed; nothing if nobody ever allowed anything.

    Raises:
        UserError: The file is damaged.
    """
    file = user_folder() / FILE_NAME
    try:
        data = parse_json(read_text(file))
        parts = [tuple(str(each) for each in data[name]) for name in ("hosts", "folders")]
    except FileNotFoundError:
        return Permissions()
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{file} cannot be read: {reason_of(error)}.", "Repair it, or remove it."
        ) from error
    return Permissions(*parts)


def save_permissions(permissions: Permissions) -> None:
    """Write what is allowed.

    Raises:
        UserError: The user's folder is not writable.
    """
    data = {"hosts": permissions.hosts, "folders": permissions.folders}
    write_text(user_folder() / FILE_NAME, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
