"""The tag operation as a person meets it: files, captions, events."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from prep import events
from prep.dataset.index import Index
from prep.dataset.journal.edits import Journal
from prep.errors import ConfigError, UserError
from prep.events import Event
from prep.ops import edit, scan, tag
from prep.ops.tag import TagOptions
from prep.project import Project
from prep.tagging.runtime import engines
from prep.tagging.runtime.providers import CPU, ProviderChoice
from tests.prep.tiny_taggers import TAGS, Tag, make_tagger

RED, GREEN, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 0)
Options = Callable[..., list[Event]]


@pytest.fixture
def tagger(tmp_path: Path) -> Path:
    return make_tagger(tmp_path / "tiny")


@pytest.fixture
def run_tag(project: Project, tagger: Path) -> Options:
    """Return a function that scans, tags with the tiny tagger, and returns the events."""

    def run(opened: Project | None = None, **options: Any) -> list[Event]:
        used = opened or project
        list(scan.run(used))
        chosen = TagOptions(**{"model": str(tagger), "device": "cpu", "threads": 1, **options})
        return list(tag.run(used, chosen))

    return run


def picture(project: Project, name: str, colour: tuple[int, int, int]) -> Path:
    path = project.dataset / "10_mochi" / name
    Image.new("RGB", (40, 40), colour).save(path)
    return path


def caption(project: Project, name: str) -> str | None:
    path = project.dataset / "10_mochi" / name
    return path.read_text("utf-8") if path.exists() else None


def summary(found: list[Event]) -> dict[str, Any]:
    assert isinstance(found[-1], events.Finished)
    return found[-1].summary


def of(kind: type[Event], found: list[Event]) -> list[Any]:
    return [event for event in found if isinstance(event, kind)]


def test_captions_have_the_tags_over_their_thresholds(project: Project, run_tag: Options) -> None:
    picture(project, "red.png", RED)
    picture(project, "green.png", GREEN)
    found = run_tag()
    assert caption(project, "red.txt") == "red sky, red (hero)"
    assert caption(project, "green.txt") == "green sky"
    seen = {event.path: event for event in of(events.Tags, found)}
    red = seen["dataset/10_mochi/red.png"]
    assert red.rating == "sensitive"
    assert [name for name, _ in red.tags] == ["red_sky", "red_(hero)"]
    assert red.tags[1][1] == pytest.approx(0.9, abs=1e-3)
    changes = of(events.Change, found)
    assert [(c.before, c.after) for c in changes] == [
        (None, "green sky"),
        (None, "red sky, red (hero)"),
    ]
    result = summary(found)
    assert (result["images"], result["changed"], result["edit"]) == (2, 2, 1)
    assert (result["model"], result["provider"]) == ("tiny", "CPUExecutionProvider")
    assert result["images_per_second"] > 0
    with Index(project) as index:
        (line,) = Journal(index).history()
    assert line.title == "tag with tiny (general 0.35, character 0.85): merge"


def test_a_second_run_changes_nothing_and_loads_no_model(
    project: Project, run_tag: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(project, "red.png", RED)
    run_tag()
    monkeypatch.setattr(engines, "Tagger", None)
    again = summary(run_tag())
    assert (again["changed"], again["edit"], again["images_per_second"]) == (0, 0, 0.0)
    assert again["provider"] == ""
    lower = run_tag(general=0.05)
    assert len(of(events.Tags, lower)[0].tags) == 2 + 11
    assert "poster (object), ^_^, <o>_<o>, <|>_<|>" in (caption(project, "red.txt") or "")
    assert "re:zero" in (caption(project, "red.txt") or "")
    higher = run_tag(general=1.0, character=1.0)
    assert caption(project, "red.txt") == "red sky"
    assert summary(higher)["changed"] == 1


def test_a_dry_run_shows_the_changes_and_makes_none(project: Project, run_tag: Options) -> None:
    picture(project, "red.png", RED)
    found = run_tag(dry_run=True)
    assert [c.after for c in of(events.Change, found)] == ["red sky, red (hero)"]
    assert (summary(found)["changed"], summary(found)["edit"]) == (1, 0)
    assert caption(project, "red.txt") is None
    with Index(project) as index:
        assert Journal(index).history() == []
        assert index.connection.execute("SELECT count(*) FROM work.hand").fetchone() == (0,)
    assert summary(run_tag())["provider"] == ""  # the scores were kept


def test_hand_decisions_survive_new_thresholds_and_another_tagger(
    project: Project, run_tag: Options, tmp_path: Path
) -> None:
    picture(project, "red.png", RED)
    run_tag()
    text = project.dataset / "10_mochi" / "red.txt"
    text.write_text("red sky, night\nA line for another trainer.\n")  # the hero was removed
    run_tag(general=0.05)
    tags, _, rest = text.read_text().partition("\n")
    assert rest == "A line for another trainer.\n"
    assert tags.startswith("red sky, night, ")
    assert "hero" not in tags
    other = make_tagger(
        tmp_path / "other", tags=(Tag("red_(hero)", 4, 0, 0, 1), Tag("crimson", 0, 0, 0, 1))
    )
    run_tag(model=str(other))
    assert text.read_text() == "night, crimson\nA line for another trainer.\n"


def test_deleting_the_cache_loses_nothing(project: Project, run_tag: Options) -> None:
    picture(project, "red.png", RED)
    run_tag()
    text = project.dataset / "10_mochi" / "red.txt"
    text.write_text("night, red sky")
    for file in project.state.glob("cache.db*"):
        file.unlink()
    assert summary(run_tag())["images_per_second"] > 0
    assert text.read_text() == "night, red sky"
    shutil.rmtree(project.state)  # even the decisions: then every tag counts as one
    run_tag(general=1.0, character=0.5)
    assert text.read_text() == "night, red sky, red (hero)"


def test_undo_takes_the_tagging_back_and_its_decisions_with_it(
    project: Project, run_tag: Options
) -> None:
    picture(project, "red.png", RED)
    picture(project, "green.png", GREEN).with_suffix(".txt").write_text("a lawn, mine")
    run_tag()
    assert caption(project, "green.txt") == "a lawn, mine, green sky"
    list(edit.undo(project))
    assert (caption(project, "red.txt"), caption(project, "green.txt")) == (None, "a lawn, mine")
    (project.dataset / "10_mochi/green.txt").write_text("a lawn")  # edited after the undo
    run_tag()
    assert caption(project, "red.txt") == "red sky, red (hero)"
    assert caption(project, "green.txt") == "a lawn, green sky"


def test_rules_and_ratings_come_from_the_project(project: Project, run_tag: Options) -> None:
    picture(project, "red.png", RED)
    concept = {"trigger": "mochi", "prune": ["red (hero)"]}
    saved = project.saved({"tagger": {"ratings": True}, "concepts": {"10_mochi": concept}})
    run_tag(saved)
    assert caption(project, "red.txt") == "mochi, red sky, sensitive"


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("merge", "mine, red sky, red (hero)"),
        ("append", "mine, red sky, red (hero)"),
        ("prepend", "red sky, red (hero), mine"),
        ("overwrite", "red sky, red (hero)"),
        ("missing", "mine"),
        ("none", "mine"),
    ],
)
def test_write_modes(project: Project, run_tag: Options, mode: str, expected: str) -> None:
    picture(project, "red.png", RED).with_suffix(".txt").write_text("mine")
    picture(project, "new.png", RED)
    for _ in range(2):  # each of them can be repeated
        found = run_tag(write=mode)
        assert caption(project, "red.txt") == expected
    assert summary(found)["changed"] == 0
    assert caption(project, "new.txt") == (None if mode == "none" else "red sky, red (hero)")


def test_missing_means_an_empty_caption_too(project: Project, run_tag: Options) -> None:
    picture(project, "red.png", RED).with_suffix(".txt").write_text("\n")
    run_tag(write="missing")
    assert caption(project, "red.txt") == "red sky, red (hero)\n"


def test_no_tags_make_no_file_and_never_an_empty_one(project: Project, run_tag: Options) -> None:
    picture(project, "black.png", (40, 60, 50))
    run_tag(general=1.0)
    assert caption(project, "black.txt") is None
    run_tag()
    assert caption(project, "black.txt") == "dark room"
    run_tag(general=1.0)
    assert caption(project, "black.txt") is None


def test_broken_files_are_told_and_the_rest_goes_on(
    project: Project, run_tag: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = picture(project, "a.png", RED)
    broken = picture(project, "b.png", GREEN)
    gone = picture(project, "c.png", BLACK)
    data = bytearray(broken.read_bytes())
    data[60] ^= 0xFF  # header and end are fine, so only decoding can tell
    broken.write_bytes(data)
    shutil.copy(broken, broken.with_name("b copy.png"))
    list(scan.run(project))
    gone.unlink()
    monkeypatch.setattr(scan, "run", lambda _: iter(()))
    found = run_tag()
    skipped = {Path(event.path).name: event.reason for event in of(events.Skipped, found)}
    assert set(skipped) == {"b.png", "b copy.png", "c.png"}
    assert "broken image data" in skipped["b.png"]
    assert "No such file" in skipped["c.png"]
    assert summary(found)["images"] == 1
    assert caption(project, "a.txt") == "red sky, red (hero)"
    assert whole.exists()
    with Index(project) as index:
        assert [row.path for row in index.usable()] == ["dataset/10_mochi/a.png"]


def test_copies_are_scored_once(project: Project, run_tag: Options) -> None:
    first = picture(project, "a.png", RED)
    shutil.copy(first, first.with_name("b.png"))
    found = run_tag()
    assert {event.total for event in of(events.Progress, found) if event.what == "tag"} == {1}
    assert caption(project, "a.txt") == caption(project, "b.txt") == "red sky, red (hero)"


def test_excluded_images_and_others_than_asked_for_are_left_alone(
    project: Project, run_tag: Options
) -> None:
    for name in ("a.png", "b.png", "c.png"):
        picture(project, name, RED)
    list(scan.run(project))
    list(edit.exclude(project, edit.ExcludeOptions(where="name:b.png")))
    run_tag(where="-name:c.png")
    assert [caption(project, f"{name}.txt") is None for name in "abc"] == [False, True, True]


def test_images_that_share_a_caption_file_are_told(project: Project, run_tag: Options) -> None:
    picture(project, "a.jpg", RED)
    picture(project, "a.png", GREEN)
    found = run_tag()
    (warning,) = of(events.Warned, found)
    assert "a.png has that of dataset/10_mochi/a.jpg" in warning.message
    assert caption(project, "a.txt") == "red sky, red (hero)"
    assert summary(run_tag())["changed"] == 0


def test_a_caption_that_is_not_utf8_is_left_alone(project: Project, run_tag: Options) -> None:
    text = picture(project, "a.png", RED).with_suffix(".txt")
    text.write_bytes(b"caf\xe9")
    picture(project, "b.png", RED)
    found = run_tag()
    (skipped,) = of(events.Skipped, found)
    assert "not UTF-8" in skipped.reason
    assert text.read_bytes() == b"caf\xe9"
    assert caption(project, "b.txt") is not None


def test_a_caption_changed_meanwhile_is_a_conflict(
    project: Project, run_tag: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(project, "a.png", RED)
    text = project.dataset / "10_mochi" / "a.txt"
    apply = Journal.apply

    def slow(journal: Journal, *arguments: Any) -> Any:
        text.write_text("typed just now")
        return apply(journal, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "apply", slow)
        found = run_tag()
    assert summary(found)["conflicts"] == 1
    assert text.read_text() == "typed just now"
    run_tag()
    assert text.read_text() == "typed just now, red sky, red (hero)"


def test_a_crash_before_the_captions_are_written_teaches_nothing(
    project: Project, run_tag: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = picture(project, "a.png", RED).with_suffix(".txt")
    text.write_text("mine")

    def crash(*_: Any) -> None:
        raise UserError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "apply", crash)
        with pytest.raises(UserError, match="disk is full"):
            run_tag()
    text.write_text("mine, more")
    run_tag()
    assert text.read_text() == "mine, more, red sky, red (hero)"


def test_an_idle_gpu_is_worth_a_warning(
    project: Project, run_tag: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(project, "a.png", RED)
    idle = ProviderChoice(CPU, "no CUDA libraries", gpu_idle=True)
    monkeypatch.setattr("prep.tagging.runtime.providers.choose", lambda _: idle)
    (warning,) = of(events.Warned, run_tag())
    assert "no CUDA libraries" in warning.message


def test_stopping_keeps_the_scores_so_far(
    project: Project, tagger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(9):
        picture(project, f"{number}.png", (number, 0, 0))
    list(scan.run(project))
    monkeypatch.setattr(events.Throttle, "ready", lambda _: True)
    options = TagOptions(model=str(tagger), device="cpu", batch=1, threads=1)
    stream = tag.run(project, options)
    for event in stream:
        if isinstance(event, events.Progress) and (event.what, event.done) == ("tag", 4):
            break
    assert hasattr(stream, "close")
    stream.close()
    rest = next(e for e in tag.run(project, options) if getattr(e, "what", "") == "tag")
    assert isinstance(rest, events.Progress)
    assert rest.total == 5


def test_faults_are_told_before_any_work(project: Project, run_tag: Options) -> None:
    picture(project, "a.png", RED)
    with pytest.raises(ConfigError, match="filter"):
        run_tag(where='"open')
    with pytest.raises(UserError, match="There is no folder"):
        run_tag(model="nowhere")
    with pytest.raises(UserError, match="No tagger was chosen"):
        run_tag(model="")


def test_an_empty_project_is_fine(run_tag: Options) -> None:
    assert summary(run_tag())["images"] == 0


def test_the_tagger_of_the_project_is_the_default(
    project: Project, run_tag: Options, tagger: Path
) -> None:
    picture(project, "a.png", RED)
    shutil.copytree(tagger, project.models / "tiny")
    saved = project.saved({"tagger": {"model": "model/tiny", "general": 0.05}})
    found = run_tag(saved, model="")
    assert len(of(events.Tags, found)[0].tags) == len(TAGS) - 4 - 3
