"""Who may come in: the token, the cookie it is exchanged for, and the names of this server.

Three questions, each asked before a process starts. *Host*: a page of another site that points its
own name at this address (DNS rebinding) arrives with that name. *Origin*: a page of another site
that opens a WebSocket here says where it comes from. *Token*: everybody else.
"""

import hmac
import os
import re
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from prep.errors import ConfigError

TOKEN_KEY = "SHIKOMI_TOKEN"
"""Environment variable with a token of one's own; on the command line everybody could read it."""
SHORTEST = 20
"""Characters that a token of one's own has at least: it is what keeps others out."""
_HOST = re.compile(r"(?P<name>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")


@dataclass(frozen=True)
class Access:
    """What opens this server.

    Attributes:
        token: In the address that is opened first.
        names: Names in addresses that lead here, besides numbers and ``localhost``.
        cookie: What a browser shows from then on; another one after each start.
    """

    token: str
    names: frozenset[str] = frozenset()
    cookie: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    def knows_host(self, host: str) -> bool:
        """Return whether a browser means this server by a Host header.

        Numbers cannot be pointed elsewhere, so that all of them are good; the port is that of a
        tunnel, perhaps.
        """
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found["name"].lower()
        return name in ("localhost", *self.names) or _is_number(name)

    def knows_origin(self, origin: str, host: str) -> bool:
        """Return whether a page comes from this very server; ``host`` is known by now."""
        scheme, _, place = origin.partition("://")
        return scheme in ("http", "https") and place.lower() == host.lower()

    def opens(self, token: str) -> bool:
        """Compare a token, in a time that says nothing about it."""
        return _equal(token, self.token)

    def recognises(self, cookie: str) -> bool:
        """Compare a cookie, in a time that says nothing about it."""
        return _equal(cookie, self.cookie)


def own_access(names: tuple[str, ...], environment: Mapping[str, str] = os.environ) -> Access:
    """Return what opens a server that starts now: a token of the user's, or a new one.

    Args:
        names: Further names that browsers may know this machine by.
        environment: May hold the token.

    Raises:
        ConfigError: The token is too short, or a name is none.
    """
    token = environment.get(TOKEN_KEY, "")
    if token and len(token) < SHORTEST:
        raise ConfigError(
            f"The token in {TOKEN_KEY} has {len(token)} characters.",
            f"Use {SHORTEST} or more, or none: then shikomi makes one.",
        )
    for name in names:
        if not _HOST.fullmatch(name) or ":" in name:
            raise ConfigError(
                f"{name} is not the name of a computer.", "Such as: --name studio.example.org"
            )
    known = {name.lower() for name in (*names, socket.gethostname()) if name}
    return Access(token or secrets.token_urlsafe(32), frozenset(known))


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address to listen at."""
    name = host.strip("[]")
    return name == "localhost" or (_is_number(name) and ip_address(name).is_loopback)


def _is_number(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _equal(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())
