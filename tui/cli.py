"""The front door: one command, ``shikomi``, whose verbs are imported only when they are used.

``shikomi --help`` therefore loads no torch, no onnxruntime and no Textual.
"""

import os
import sys
from difflib import get_close_matches
from typing import Annotated

from cyclopts import Parameter

from prep import language
from prep.cli import crash
from prep.cli.arguments import ProjectOrChoice
from prep.cli.console import print_error
from prep.errors import EXIT_INTERRUPTED, EXIT_USAGE, UserError
from prep.system.supervised import join_job, own_job
from tui.terminal import ImageMode, in_browser
from tui.verbs.table import STAGES, Verb, app

__all__ = ["STAGES", "Verb", "app", "main"]


@app.default
def open_application(
    project: ProjectOrChoice = None,
    /,
    *,
    images: Annotated[
        ImageMode,
        Parameter(
            help="Draw pictures as Kitty graphics, Sixel, quadrant or half blocks, or not at all."
            " By default, what the terminal can show.",
            env_var="SHIKOMI_IMAGES",
        ),
    ] = "auto",
) -> int:
    """Open the terminal application."""
    if project is not None and not project.exists():
        near = get_close_matches(str(project), list(app), n=1)
        meant = f"Did you mean: shikomi {near[0]}? " if near else ""
        raise UserError(
            f"{project} is neither a verb nor a folder.", f"{meant}All verbs: shikomi --help"
        )
    if not (sys.stdout.isatty() or in_browser()):
        raise UserError(
            "The terminal application needs a terminal.",
            "In scripts, use the verbs: shikomi --help",
        )
    from tui.language_choice import use_preferred_language

    use_preferred_language()
    from tui.opening import run

    return run(project, images)


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


def main() -> int:
    """Run the command line; no verb ends with a traceback."""
    try:
        words = _in_language(sys.argv[1:])
        if (job := own_job()) is not None:
            join_job(job)
        result = app(words, exit_on_error=False, print_error=True)
    except UserError as error:
        print_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if type(error).__module__.startswith("cyclopts"):
            return EXIT_USAGE  # cyclopts has printed what is wrong
        defect = crash.report_defect(error)
        print_error(defect)
        return defect.exit_code
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    sys.exit(main())
