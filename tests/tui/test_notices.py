"""What is told: a line at the bottom, a list, and nothing over pictures."""

import tempfile
from pathlib import Path

import pytest
from textual.notifications import SeverityLevel
from textual.widgets import Static

from prep.project import Project
from tests.tui.driving import running
from tui.dialogs.notices import Notices
from tui.notices import MOST, Notice
from tui.widgets.job_strip import JobStrip


def strip_text(strip: JobStrip) -> str:
    return "".join(segment.text for segment in strip.render_line(0))


@pytest.mark.parametrize(
    ("severity", "title", "line"),
    [
        ("information", "", "· a b"),
        ("warning", "", "! Warning: a b"),
        ("error", "Not done", "× Not done: a b"),
    ],
)
def test_severity_has_a_sign_and_a_word(severity: SeverityLevel, title: str, line: str) -> None:
    assert Notice(0.0, severity, title, "a\nb").line == line


async def test_a_notice_stands_on_the_bottom_line_for_a_while(project: Project) -> None:
    async with running(project, (80, 24)) as opened:
        strip = opened.app.screen.query_one(JobStrip)
        assert "no job is running" in strip_text(strip)
        opened.app.notify("[b]the[/b] first", severity="warning", timeout=0.05)
        await opened.until(lambda: strip.notice)
        assert "! Warning: the first" in strip_text(strip)
        assert not opened.app.screen.query("Toast")
        await opened.until(lambda: not strip.notice)
        assert "no job is running" in strip_text(strip)


async def test_what_is_cut_names_the_key_to_all_of_it(project: Project) -> None:
    async with running(project, (80, 24)) as opened:
        strip = opened.app.screen.query_one(JobStrip)
        opened.app.notify("word " * 40)
        await opened.until(lambda: strip.notice)
        shown = strip_text(strip)
        assert len(shown) == 80
        assert shown.endswith("B: all of it ")


async def test_a_stage_that_is_opened_meanwhile_shows_it_too(project: Project) -> None:
    async with running(project) as opened:
        opened.app.notify("still there", timeout=600)
        await opened.go("plan")
        assert "still there" in strip_text(opened.app.screen.query_one(JobStrip))


async def test_all_notices_are_listed_newest_first(project: Project) -> None:
    async with running(project) as opened:
        before = len(opened.app.notices)
        for number in range(MOST + 5):
            opened.app.notify(f"notice {number}", timeout=0.05)
        await opened.until(
            lambda: opened.app.notices and opened.app.notices[-1].text == f"notice {MOST + 4}"
        )
        assert len(opened.app.notices) == MOST > before
        await opened.pilot.press("B")
        await opened.until(lambda: isinstance(opened.app.screen, Notices))
        text = str(opened.app.screen.query_one(Static).content)
        assert text.index(f"notice {MOST + 4}") < text.index("notice 10")
        await opened.press("escape")
        assert not isinstance(opened.app.screen, Notices)


async def test_a_fault_in_the_background_leaves_a_report_and_fails_the_test(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    async def fails() -> None:
        raise RuntimeError("boom")

    async def ran() -> None:
        async with running(project, (80, 24)) as opened:
            opened.app.run_worker(fails(), exit_on_error=False)
            await opened.until(lambda: opened.notices)
            assert any(str(tmp_path) in notice for notice in opened.notices)

    with pytest.raises(AssertionError, match="RuntimeError: boom"):
        await ran()
    (report,) = tmp_path.glob("shikomi-report-*.txt")
    assert "in fails" in report.read_text()
