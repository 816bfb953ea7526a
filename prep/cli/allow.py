"""The command line of permissions."""

from prep import events
from prep.cli import console
from prep.cli.arguments import Json
from prep.cli.examples import examples
from prep.ops import allow as allow_op


@examples(
    (
        "shikomi allow https://captions.example.com",
        "Let projects send images, and your key, to this server.",
    ),
    ("shikomi allow", "List what is allowed; --forget takes a permission back."),
)
def allow(what: str = "", /, *, forget: bool = False, json: Json = False) -> int:
    """Allow a server, or a folder outside of projects; without argument, list what is allowed.

    Projects may come from anybody. So shikomi asks you before it sends images to a server that a
    project names, and before it changes files outside of a project, to which a link leads. What you
    allow is kept in your own folder, and applies to all projects.

    Args:
        what: Address of a server, or a folder.
        forget: Take the permission back.
    """
    return console.show(
        allow_op.run(what, forget=forget),
        json=json,
        printer=lambda event: event.what if isinstance(event, events.Allowed) else None,
        summary=lambda found: "" if found["allowed"] else "Nothing is allowed yet.",
    )
