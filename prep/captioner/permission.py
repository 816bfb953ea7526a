"""Whether images, and the user's key, may be sent to a server.

The address may stand in a ``shikomi.toml`` that somebody else wrote. So a server beyond this
machine gets nothing before the user has allowed it, once, or has named it on the command line.
"""

from urllib.parse import urlsplit

from prep.captioner.server import Server
from prep.errors import ConfigError
from prep.system.permissions import read_permissions


def host_of(url: str) -> str:
    """Return what a permission is for: scheme, name and port of a server.

    Example:
        >>> host_of("https://Captions.example.com/v1"), host_of("http://192.168.1.5:8000/v1")
        ('https://captions.example.com', 'http://192.168.1.5:8000')

    Raises:
        ConfigError: It is not an address.
    """
    Server(url)  # refuses what is no address
    parts = urlsplit(url)
    name = parts.hostname or ""
    name = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{name}" + (f":{parts.port}" if parts.port else "")


def require_permission(server: Server, *, named_by_user: bool) -> None:
    """Refuse to send anything to a server that the user has not allowed.

    Args:
        server: Its address and key.
        named_by_user: The address was given on the command line, not by the project.

    Raises:
        ConfigError: It is not allowed, or the key would travel without encryption.
    """
    if server.key and not server.is_private:
        raise ConfigError(
            f"The key would be sent to {server.url} without encryption.",
            "Use https, or a tunnel that ends on this machine.",
        )
    if not named_by_user and not is_allowed(server.url):
        host = host_of(server.url)
        key = " and your key" if server.key else ""
        raise ConfigError(
            f"This project sends its images{key} to {host}, which you have not allowed.",
            f"If you trust that server, run: shikomi allow {host}",
        )


def is_allowed(url: str) -> bool:
    """Return whether a server is on this machine, or allowed.

    Raises:
        ConfigError: It is not an address.
    """
    return Server(url).is_here or host_of(url) in read_permissions().hosts
