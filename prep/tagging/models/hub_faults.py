"""Errors of the Hugging Face hub: messages for users, and whether a retry may help."""

import errno
import importlib

from prep.errors import RetryError, UserError

_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_WAIT = 60
EXAMPLES = "Give a folder, a known name (see: shikomi models), a repository as OWNER/NAME, or: demo"


def is_passing(error: Exception, *, busy_only: bool = False) -> bool:
    """Return whether the same request may succeed soon.

    Args:
        error: The error raised by a request.
        busy_only: Only if the hub answers; an unreachable hub does not count.
    """
    status = _status(error)
    if status:
        return status in _BUSY
    if busy_only:
        return False
    broken = isinstance(error, ConnectionError | TimeoutError) or _is_transport(error)
    return broken and not (isinstance(error, OSError) and error.errno == errno.ENOSPC)


def wait_asked(error: Exception) -> float:
    """Return the seconds that the hub asks to wait, or 0."""
    response = getattr(error, "response", None)
    text = "" if response is None else str(response.headers.get("Retry-After") or "")
    return min(float(text), _LONGEST_WAIT) if text.isdecimal() else 0.0


def explained(error: Exception, repository: str, revision: str, endpoint: str) -> UserError:
    """Return the error to show to users for one raised by a request."""
    from huggingface_hub import errors

    page = f"{endpoint}/{repository}"
    if isinstance(error, errors.GatedRepoError):
        return UserError(
            f"{repository} requires that you accept its terms first.",
            f"Accept them at {page}, then run: hf auth login",
        )
    if isinstance(error, errors.DisabledRepoError):
        return UserError(f"{repository} has been disabled by the hub.", EXAMPLES)
    if isinstance(error, errors.RevisionNotFoundError):
        return UserError(
            f"{repository} has no revision {revision} at {endpoint}.",
            f"For its newest files, use: --model {repository}@main",
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return UserError(
            f"There is no {repository} at {endpoint}, or it is private.",
            f"It is not a local folder either. {EXAMPLES} For a private one, run: hf auth login",
        )
    if isinstance(error, errors.EntryNotFoundError) and _status(error) == 404:
        name = str(error).partition("/resolve/")[2].partition("/")[2].split("\n")[0].rstrip(".")
        return UserError(
            f"{page} has no {name or 'such file'}.", "The repository is not a known tagger."
        )
    if _status(error) in (401, 403):
        return UserError(
            f"{endpoint} refuses your token for {repository}.",
            "Log in again with: hf auth login; or unset HF_TOKEN.",
        )
    return _unreachable(error, repository)


def _unreachable(error: Exception, repository: str) -> UserError:
    from huggingface_hub import errors

    if isinstance(error, errors.OfflineModeIsEnabled):
        return UserError(
            f"{repository} is not in the cache, and HF_HUB_OFFLINE forbids downloading it.",
            "Unset HF_HUB_OFFLINE, or give a folder with its files.",
        )
    status = _status(error)
    if status:
        reason = f"the hub answered {status}"
    else:
        cause: BaseException = error
        while cause.__cause__ is not None:  # "Name or service not known" is wrapped in advice
            cause = cause.__cause__
        reason = (str(cause).strip().splitlines() or [""])[0] or type(cause).__name__
    return RetryError(
        f"{repository} could not be downloaded: {reason.rstrip('.')}.",
        "Check the network and try again (partial downloads are kept), set HF_ENDPOINT to a mirror,"
        " or give a folder with its files.",
    )


def _status(error: Exception) -> int:
    status = getattr(getattr(error, "response", None), "status_code", 0)
    return status if isinstance(status, int) else 0


def _is_transport(error: Exception) -> bool:
    """Return whether it is a connection error of the HTTP library in use."""
    from huggingface_hub import get_session

    library = importlib.import_module(type(get_session()).__module__.partition(".")[0])
    return isinstance(error, library.TransportError)
