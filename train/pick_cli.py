"""The command line of the winner."""

from collections.abc import Iterator
from typing import Any

from prep import events
from prep.cli.arguments import HERE, Json, ProjectPath
from prep.cli.dataset import operate
from prep.cli.examples import examples
from prep.dataset.index import Index
from prep.project import Project
from train.sampling import winner


@examples(
    ("shikomi lora pick my_project", "Show what was picked."),
    (
        "shikomi lora pick my_project --lora my_project:0.8",
        "Remember that output/lora/my_project.safetensors is the best, at strength 0.8.",
    ),
)
def lora_pick(project: ProjectPath = HERE, /, *, lora: str = "", json: Json = False) -> int:
    """Remember which LoRA file, at which strength, is the best; or show it.

    It is written to output/winner.toml, as an edit that can be undone.

    Args:
        lora: LoRA, as NAME:STRENGTH; NAME is a file, or a name in output/lora. Default: show what
            was picked.
    """

    def start(opened: Project) -> Iterator[events.Event]:
        edit = 0
        if lora:
            with Index(opened) as index:
                edit = winner.pick(opened, index, lora).edit
        found = winner.read_winner(opened) or winner.Winner()
        yield events.Finished({**found.model_dump(), "edit": edit})

    return operate(project, start, json=json, rescan=False, summary=_summary)


def _summary(found: dict[str, Any]) -> str:
    if not found["lora"]:
        return "Nothing was picked yet. Pick with: --lora NAME:STRENGTH"
    line = f"{found['lora']} at {found['strength']:g}"
    return f"{line} (take back with: shikomi undo)" if found["edit"] else line
