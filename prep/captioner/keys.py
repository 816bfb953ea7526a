"""API keys: from the environment or the system keyring only."""

import os
from urllib.parse import urlsplit

VARIABLE = "SHIKOMI_API_KEY"
SERVICE = "shikomi"


def key_for(url: str) -> str:
    """Return the key for a server, or an empty string.

    ``SHIKOMI_API_KEY`` comes first; then, if the package ``keyring`` is installed, what
    ``keyring set shikomi HOST`` has stored.
    """
    found = os.environ.get(VARIABLE, "").strip()
    if found:
        return found
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return ""
    try:
        return (keyring.get_password(SERVICE, urlsplit(url).netloc) or "").strip()
    except KeyringError:  # no keyring on this machine, or a locked one
        return ""
