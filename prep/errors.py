"""The only exceptions that users see.

Each carries one sentence that names the place and the fault, and a hint with the fix.
Front ends print both; nobody sees a traceback for something they can fix.
"""

EXIT_OK = 0
EXIT_PROBLEMS = 1
EXIT_USAGE = 2
EXIT_RETRY = 3
EXIT_DEFECT = 70
"""EX_SOFTWARE of ``sysexits.h``."""
EXIT_INTERRUPTED = 130


class UserError(Exception):
    """A fault the user can fix.

    Args:
        message: One sentence: where and what.
        hint: What to do about it; may be empty.
    """

    exit_code = EXIT_USAGE

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


def reason_of(error: Exception) -> str:
    """Return why a file cannot be read, in words and without its name.

    Example:
        >>> reason_of(IsADirectoryError(21, "Is a directory", "tags.csv"))
        'Is a directory'
    """
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return str((isinstance(error, OSError) and error.strerror) or error)


class ConfigError(UserError):
    """A fault in ``shikomi.toml`` or in the options of a command."""


class RetryError(UserError):
    """A fault that may be gone next time: the network, a busy file."""

    exit_code = EXIT_RETRY


class UnreadableError(UserError):
    """A file that cannot be used; the work continues without it."""

    exit_code = EXIT_PROBLEMS


class DefectError(UserError):
    """A bug in shikomi itself."""

    exit_code = EXIT_DEFECT


class MissingExtraError(UserError):
    """A package of an optional extra is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is not installed, and this command needs it.",
            f"Install it with: pip install 'shikomi[{extra}]'",
        )
