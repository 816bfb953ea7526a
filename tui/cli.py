"""The front door: one command, ``shikomi``, whose verbs are imported only when they are used.

``shikomi --help`` therefore loads no torch, no onnxruntime and no Textual, and the terminal
application no parser of verbs.
"""

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from prep import language
from prep.errors import EXIT_INTERRUPTED, EXIT_USAGE, UserError
from prep.system.supervised import join_job, own_job
from tui.plain_opening import open_project, plain_opening


def _in_language(words: list[str]) -> list[str]:
    """Return a command line without ``--lang``, which applies from now on."""
    rest, value = language.asked_for(words)
    if value is None:
        return rest
    code = language.known(value)
    if code is None:
        raise UserError(
            f"There are no texts in the language {value}." if value else "--lang needs a value.",
            f"Languages: {', '.join(language.available())}",
        )
    language.use(code)
    os.environ[language.VARIABLE] = code  # says more than what is chosen in the settings
    return rest


def _run(words: Sequence[str]) -> object:
    """Open the application, or run a verb; return the exit code if there is one."""
    if (opening := plain_opening(words)) is not None:
        return open_project(*opening)
    from tui.command_line import app

    return app(words, exit_on_error=False, print_error=True)


def main() -> int:
    """Run the command line; no verb ends with a traceback."""
    _let_any_text_be_written()
    try:
        words = _in_language(sys.argv[1:])
        if (job := own_job()) is not None:
            join_job(job)
        result = _run(words)
    except UserError as error:
        _print_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if type(error).__module__.startswith("cyclopts"):
            return EXIT_USAGE  # cyclopts has printed what is wrong
        from prep.cli import crash

        defect = crash.report_defect(error)
        _print_error(defect)
        return defect.exit_code
    return result if isinstance(result, int) else 0


def _let_any_text_be_written() -> None:
    """Write escapes for what the encoding of the output lacks, which is not UTF-8 everywhere."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _print_error(error: UserError) -> None:
    from prep.cli.console import print_error

    print_error(error)


if __name__ == "__main__":
    sys.exit(main())
