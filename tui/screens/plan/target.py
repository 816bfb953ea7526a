"""What the plan is for: the family of the base model, the resolution, the LoRA's name."""

from collections.abc import Mapping
from typing import Any

from textual import work

from prep.dataset.journal.settings_change import settings_change
from prep.errors import UserError
from prep.language import _, marked
from prep.project import Project
from tui.dialogs.fields import Fields
from tui.stage_screen import StageScreen


class PlanTarget(StageScreen):
    """Changes the section ``[project]`` of the settings."""

    @work(group="concept", exit_on_error=False)
    async def action_target(self) -> None:
        """Ask for family, resolution and name, and write what is changed."""
        root = self.session.project.root
        now = self.session.project.settings.project
        fields = {
            "resolution": (_("Resolution"), str(now.resolution), _("512, 768 or 1024 pixels.")),
            "family": (
                _("Base model"),
                now.family,
                _("sd15, or sdxl (Illustrious, Pony, too)."),
            ),
            "name": (_("Name"), now.name, _("Of the LoRA; empty for that of the folder.")),
        }

        def check(given: dict[str, str]) -> None:
            settings_change(Project.open(root), {"project": _typed(given)})

        given = await self.app.push_screen_wait(Fields(_("What is trained"), fields, check))
        if given is None:
            return
        before = now.model_dump()
        changes = {name: value for name, value in _typed(given).items() if value != before[name]}
        if changes:
            told = ", ".join(f"{name} {value}" for name, value in changes.items())
            title = marked("set {settings}").format(settings=told)
            await self.session.save_settings(title, {"project": changes})
            told = ", ".join(f"{fields[name][0]} {value}" for name, value in changes.items())
            self.notify(_("Saved: {settings}").format(settings=told), markup=False)


def _typed(given: Mapping[str, str]) -> dict[str, Any]:
    """Return texts as settings.

    Raises:
        UserError: The resolution is no number.
    """
    side = given["resolution"]
    if not side.isdecimal():
        raise UserError(_("{text} is not a whole number.").format(text=side or _("Resolution")))
    return {**given, "resolution": int(side)}
