"""The verbs of the table, registered with the parser of the command line.

Nothing here loads torch, onnxruntime or Textual.
"""

from cyclopts import App, Group, Parameter

from prep import __version__
from prep.cli.command_line import CommandLine
from prep.cli.help_format import HelpFormatter, shown_default
from prep.cli.usage import format_error
from tui.verbs.table import STAGES

_EPILOGUE = """\
Help for a verb: shikomi VERB --help
Every verb takes --json, which prints its events as JSON lines, and --lang: en, ja.

Exit codes: 0 success; 1 success, with problems or skipped items; 2 wrong usage \
or configuration; 3 temporary failure, try again; 70 an error in shikomi itself; \
130 interrupted."""

app = CommandLine(
    name="shikomi",
    version=__version__,
    help="Prepare and caption images, and train LoRAs. Without a verb, opens the application.",
    usage="shikomi VERB [PROJECT] [OPTIONS]\n       shikomi [PROJECT]",
    help_epilogue=_EPILOGUE,
    help_flags=["--help", "-h"],
    help_format="plaintext",
    help_formatter=HelpFormatter(),
    default_parameter=Parameter(negative_iterable=(), show_default=shown_default),
    group_parameters=Group("Options", sort_key=1001),
    group_commands=Group("General options", sort_key=1002),
    result_action="return_value",
    error_formatter=format_error,
)


def _register() -> None:
    groups: dict[str, App] = {"": app}
    for place, (stage, verbs) in enumerate(STAGES.items()):
        heading = Group(stage, sort_key=place)
        for order, verb in enumerate(verbs):
            parent, _, name = verb.name.rpartition(" ")
            if verb.target:
                groups[parent].command(
                    verb.target,
                    name=name,
                    help=verb.help,
                    sort_key=order,
                    group=heading if parent == "" else None,
                )
            else:
                groups[name] = App(
                    name=name,
                    help=verb.help,
                    usage=f"shikomi {name} VERB [OPTIONS]",
                    help_epilogue="",
                    group=heading,
                    group_commands=Group("Verbs"),
                    sort_key=order,
                    result_action="return_value",
                )
                app.command(groups[name])


_register()
