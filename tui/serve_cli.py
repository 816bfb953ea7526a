"""``shikomi serve``: the terminal application in a browser."""

from prep import events
from prep.cli import console
from prep.cli.arguments import Json, Options, ProjectOrChoice
from prep.cli.examples import examples
from prep.language import _
from tui.web import run as work
from tui.web.run import ServeOptions

# ruff: noqa: B008  (frozen models as defaults are what cyclopts reads the options from)


@examples(
    ("shikomi serve my_project", "Print an address that opens the application in a browser."),
    (
        "shikomi serve my_project --host 0.0.0.0 --name studio.example.org --sessions 2",
        "Let two browsers of other machines in, if they have the token.",
    ),
)
def serve(
    project: ProjectOrChoice = None,
    /,
    *,
    options: Options[ServeOptions] = ServeOptions(),
    json: Json = False,
) -> int:
    """Open the terminal application in a browser, here or elsewhere.

    The address that is printed holds a token, without which nobody gets in; SHIKOMI_TOKEN in the
    environment sets another one. By default only this machine is served. Each browser has an
    application of its own, which ends with it; jobs go on. Needs the extra: shikomi[serve]
    """
    return console.show(
        work.run(project, options), json=json, printer=_line, summary=lambda _found: _("Ended.")
    )


def _line(event: events.Event) -> str | None:
    if isinstance(event, events.Serving):
        lines = [_("Open      {url}").format(url=event.url)]
        if event.loopback:
            lines.append(_("Only browsers on this machine, or at the end of a tunnel, come in."))
        else:
            lines.append(
                _("Nothing is encrypted on the way. In a network that is not yours, use a tunnel:")
            )
            lines.append("  ssh -L 8400:localhost:8400 …")
        lines.append(_("ctrl+c    ends it"))
        return "\n".join(lines)
    if isinstance(event, events.Visits):
        return _("Browsers  {count}").format(count=event.count)
    return None
