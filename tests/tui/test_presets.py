"""Presets in the form of the train stage: by purpose and by memory, together."""

from typing import Any

from textual.widgets import Select

from prep.project import Project
from tests.tui.driving import Opened, running
from tui.widgets.form import Form


async def chosen(opened: Opened, kind: str, name: Any) -> dict[str, Any]:
    opened.app.screen.query_one(f"#preset-{kind}", Select).value = name
    await opened.settled()
    found: dict[str, Any] = opened.app.screen.query_one("#train-form", Form).read().model_dump()
    return found


async def test_presets_of_both_kinds_combine_for_the_family(project: Project) -> None:
    project.saved({"project": {"family": "sdxl"}, "train": {"rank": 5}})
    async with running(Project.open(project.root)) as opened:
        await opened.go("train")
        style = await chosen(opened, "purpose", "style")
        assert (style["rank"], style["conv_rank"], style["gradient_accumulation"]) == (32, 8, 1)
        both = await chosen(opened, "memory", "8gb")
        assert (both["conv_rank"], both["gradient_accumulation"]) == (8, 4)
        assert both["gradient_checkpointing"]
        # Another purpose takes the place of the first one, and the memory stays as chosen.
        other = await chosen(opened, "purpose", "character")
        assert (other["conv_rank"], other["gradient_accumulation"]) == (0, 4)
        assert any("GPUs with 8 GB" in notice for notice in opened.notices)
