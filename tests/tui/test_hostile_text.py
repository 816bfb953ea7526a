"""What others wrote is drawn as text: no terminal obeys it, on no screen."""

import pytest
from textual.content import Content
from textual.widgets import Static

from prep.ops import scan
from prep.project import Project
from prep.system import jobs
from tests.conftest import MakeImage
from tests.prep.test_printable import is_safe
from tests.tui.driving import Opened, running
from tui.commands import STAGE_KEYS

ATTACK = "\x1b]0;pwned\x07\x9b31m\u202egnp"


@pytest.fixture
def hostile(project: Project, make_image: MakeImage) -> Project:
    """Return a project in which every name and text holds an escape sequence."""
    for name in (f"a{ATTACK}.png", "\x1b]52;c;eA==\x07.png"):
        make_image(f"10_mochi{ATTACK}/{name}", 1, caption=f"hat {ATTACK}, {ATTACK}, hat")
    make_image("10_mochi/a.png", 1, caption=f"mochi {ATTACK}")
    table = {"trigger": "mochi", "prune": ["hat"]}  # tags in settings with escapes are refused
    project = project.saved({"project": {"name": f"x{ATTACK}"}, "concepts": {"10_mochi": table}})
    list(scan.run(project))
    job = jobs.create(project.jobs, jobs.JobSettings("train", ["true"], title=f"run {ATTACK}"))
    (job.directory / "began").touch()
    job.log_file.write_text(f"log {ATTACK}\n")
    event = {"kind": "failed", "message": f"no {ATTACK}", "hint": ATTACK}
    job.events_file.write_text(f"{event}\n".replace("'", '"'))
    return project


def drawn(opened: Opened) -> str:
    """Return the text of the whole screen as it would be sent to the terminal."""
    strips = opened.app.screen._compositor.render_strips()
    return "\n".join(strip.text for strip in strips)


async def test_no_screen_sends_escape_sequences(hostile: Project) -> None:
    async with running(hostile) as opened:
        for mode in STAGE_KEYS:
            await opened.go(mode)
            for keys in (("down",), ("down",), ("question_mark",), ("escape",)):
                await opened.press(*keys)
                text = drawn(opened)
                assert is_safe(text), mode
            if mode == "images":
                assert "pwned" in text
                await opened.press("e")  # the caption in the editor
                assert is_safe(drawn(opened))
                await opened.press("escape")
        # What no widget of ours has cleaned, such as a message.
        message = Static(Content(f"message {ATTACK}"))
        message.styles.dock = "top"
        await opened.app.screen.mount(message)
        await opened.until(lambda: "message ]0;pwned31mgnp" in drawn(opened))
        assert is_safe(drawn(opened))
