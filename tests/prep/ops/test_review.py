"""The review: each source by an example, what is remembered, and what is out of date."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from prep import events
from prep.curation.review import Answer, Decision, Kind
from prep.dataset.index import Index
from prep.dataset.journal.changes import exclusion, move
from prep.dataset.journal.edits import Journal
from prep.errors import RetryError
from prep.ops import crop, review, scan
from prep.ops.review import ReviewOptions
from prep.project import Project
from tests.prep.pictures import busy
from tests.prep.scored import scored
from tui.command_line import app

FOLDER = "dataset/10_mochi"


def put(
    project: Project,
    name: str,
    seed: int = 0,
    size: tuple[int, int] = (640, 640),
    caption: str | None = "mochi",
) -> Path:
    """Write a picture that is good, unless its size is not."""
    return save(project, name, busy(seed, size), caption)


def save(project: Project, name: str, image: Image.Image, caption: str | None = "mochi") -> Path:
    path = project.dataset / "10_mochi" / name
    image.save(path)
    if caption is not None:
        path.with_suffix(".txt").write_text(caption, "utf-8")
    return path


def waiting(project: Project, *kinds: Kind) -> list[Decision]:
    """Scan, and return what waits in a fresh look."""
    list(scan.run(project))
    with Index(project) as index:
        found = [step for step in review.search(index, kinds) if isinstance(step, Decision)]
        return review.still_open(index, found)


def decide(project: Project, decision: Decision, answer: Answer, shown: int = 1) -> list[str]:
    """Answer, and return the reasons why files were left alone."""
    with Index(project) as index:
        title, changes, _ = review.decided(index, [decision], answer, shown)
        outcome = Journal(index).apply(title, changes)
    return [reason for _, reason in outcome.conflicts]


def framed() -> Image.Image:
    """Return a picture between black bars."""
    image = Image.new("RGB", (800, 800), "black")
    image.paste(busy(3, (800, 560)), (0, 120))
    return image


def undo(project: Project) -> None:
    with Index(project) as index:
        Journal(index).undo()


def excluded(project: Project) -> dict[str, str]:
    with Index(project) as index:
        return {row.path: row.excluded for row in index.select() if row.excluded is not None}


def caption(project: Project, name: str) -> str:
    return (project.dataset / "10_mochi" / name).with_suffix(".txt").read_text("utf-8")


def titles(found: Sequence[Decision]) -> list[str]:
    return [decision.title for decision in found]


# ---- sources -----------------------------------------------------------------------------


def test_copies_are_one_question_and_the_best_stays(project: Project) -> None:
    first = put(project, "a.png", 1)
    first.with_name("b.png").write_bytes(first.read_bytes())
    Image.open(first).resize((320, 320)).save(first.with_name("c.png"))
    put(project, "other.png", 2)
    (found,) = waiting(project, "duplicates")
    assert found.images == (f"{FOLDER}/a.png", f"{FOLDER}/b.png", f"{FOLDER}/c.png")
    assert found.yes == "keep a.png, exclude b.png, c.png"
    decide(project, found, "yes")
    assert list(excluded(project)) == [f"{FOLDER}/b.png", f"{FOLDER}/c.png"]
    assert waiting(project, "duplicates") == []
    undo(project)
    assert waiting(project, "duplicates") == [found]


def test_another_copy_can_be_kept(project: Project) -> None:
    first = put(project, "a.png", 1)
    first.with_name("b.png").write_bytes(first.read_bytes())
    (found,) = waiting(project, "duplicates")
    decide(project, found, "fix", shown=1)
    assert list(excluded(project)) == [f"{FOLDER}/a.png"]


@pytest.mark.parametrize(("answer", "gone"), [("fix", 1), ("instead", 0)])
def test_of_a_variant_nothing_is_proposed_and_either_one_can_be_excluded(
    project: Project, answer: Answer, gone: int
) -> None:
    image = busy(4, (800, 640))
    save(project, "a.png", image)
    ImageDraw.Draw(image).ellipse((250, 250, 360, 330), fill="white")
    save(project, "b.png", image)
    (found,) = waiting(project, "duplicates", "unclear")
    assert (found.kind, found.importance, found.yes) == ("unclear", 9, "")
    with pytest.raises(RetryError, match="no such answer"):
        decide(project, found, "yes")
    assert found.consequence(answer).startswith(f"exclude {Path(found.images[gone]).name}")
    decide(project, found, answer)
    assert list(excluded(project)) == [found.images[gone]]


def test_borders_can_be_cut_off(project: Project) -> None:
    save(project, "letterbox.png", framed())
    (found,) = waiting(project, "quality")
    assert found.title == "letterbox.png: borders"
    decide(project, found, "fix")
    assert waiting(project, "quality") == []
    with Index(project) as index:
        assert [row.path for row in index.select("has:crop")] == [f"{FOLDER}/letterbox.png"]


def test_a_bad_image_is_excluded_with_the_reason(project: Project) -> None:
    save(project, "dark.png", busy(3).point(lambda level: level // 12))
    (found,) = waiting(project, "quality")
    decide(project, found, "yes")
    assert excluded(project) == {f"{FOLDER}/dark.png": "quality: dark, flat"}


def test_an_image_with_one_good_crop_is_not_to_be_excluded(project: Project) -> None:
    image = busy(3, (1200, 640))
    image.paste((9, 9, 9), (0, 0, 600, 640))
    save(project, "half.png", image)
    list(scan.run(project))
    options = crop.CropOptions(set=("0,0,0.5,1", "0.5,0,0.5,1"), snap=False)
    list(crop.run(project, options))
    (found,) = waiting(project, "quality")
    assert (found.yes, found.stage) == ("", "crop")


def test_a_typing_error_is_corrected_everywhere(project: Project) -> None:
    for number in range(6):
        put(project, f"{number}.png", number, (64, 64), "mochi, smile")
    put(project, "wrong.png", 7, (64, 64), "mochi, smlie")
    (found,) = waiting(project, "spelling")
    assert found.images == (f"{FOLDER}/wrong.png",)
    decide(project, found, "yes")
    assert caption(project, "wrong.png") == "mochi, smile"
    assert waiting(project, "spelling") == []


def test_a_right_tag_is_not_asked_about_in_further_images(project: Project) -> None:
    for number in range(12):
        put(project, f"{number}.png", number, (64, 64), "mochi, smile")
    put(project, "right.png", 17, (64, 64), "mochi, smlie")
    (found,) = waiting(project, "spelling")
    decide(project, found, "no")
    put(project, "right too.png", 18, (64, 64), "mochi, smlie")
    assert waiting(project, "spelling") == []


@pytest.mark.parametrize(("answer", "text"), [("yes", "mochi, smile, hat"), ("no", "mochi, smile")])
def test_a_doubtful_tag_is_decided_for_the_image(
    project: Project, answer: Answer, text: str
) -> None:
    scored(project, {"a": {"hat": 0.99, "smile": 0.99}}, {"a": "mochi, smile"})
    (found,) = waiting(project, "doubt")
    assert (found.subject, found.images) == ("hat", (f"{FOLDER}/a.png",))
    decide(project, found, answer)
    assert caption(project, "a.png") == text
    assert waiting(project, "doubt") == []
    undo(project)
    assert caption(project, "a.png") == "mochi, smile"
    assert waiting(project, "doubt") == [found]


def test_without_scores_there_are_no_doubtful_tags(project: Project) -> None:
    put(project, "a.png")
    assert waiting(project, "doubt") == []


def test_what_stops_a_trainer_is_mended(project: Project) -> None:
    put(project, "a.png", caption="mochi，hat")
    put(project, "b.png", 2)
    (found,) = [each for each in waiting(project, "check") if each.subject == "caption-wide-commas"]
    assert found.images == (f"{FOLDER}/a.png",)
    decide(project, found, "yes")
    assert caption(project, "a.png") == "mochi, hat"
    assert found.subject not in [each.subject for each in waiting(project, "check")]


def test_what_the_bucket_cuts_off_can_be_chosen(project: Project) -> None:
    put(project, "wide.png", 5, (1600, 560))
    (found,) = waiting(project, "cut")
    assert (found.title, found.yes) == ("wide.png loses 12%", "")
    decide(project, found, "fix")
    assert waiting(project, "cut") == []


def test_advice_does_not_come_back_with_other_numbers(project: Project) -> None:
    put(project, "a.png", 1)
    few = [each for each in waiting(project, "advice") if each.subject.startswith("images")]
    decide(project, few[0], "no")
    put(project, "b.png", 2)
    left = [each.subject for each in waiting(project, "advice")]
    assert few[0].subject not in left
    assert left


# ---- remembered --------------------------------------------------------------------------


def test_an_answer_holds_until_the_file_is_another_one(project: Project) -> None:
    path = save(project, "dark.png", busy(3).point(lambda level: level // 12))
    (found,) = waiting(project, "quality")
    decide(project, found, "no")
    assert waiting(project, "quality") == []
    busy(4).point(lambda level: level // 12).save(path)
    assert titles(waiting(project, "quality")) == ["dark.png: dark, flat"]


def test_an_answer_does_not_cover_another_finding(project: Project) -> None:
    dark = busy(3).point(lambda level: level // 12)
    save(project, "dark.png", dark)
    (found,) = waiting(project, "quality")
    decide(project, found, "no")
    project.saved({"quality": {"noise": 0.0}})
    assert "noise" in waiting(Project.open(project.root), "quality")[0].title


def test_never_holds_whatever_the_file(project: Project) -> None:
    path = save(project, "dark.png", busy(3).point(lambda level: level // 12))
    decide(project, waiting(project, "quality")[0], "never")
    Image.new("RGB", (64, 64)).save(path)
    assert waiting(project, "quality") == []
    undo(project)
    assert len(waiting(project, "quality")) == 1


def test_never_of_one_kind_leaves_the_others(project: Project) -> None:
    path = save(project, "dark.png", busy(3, (1600, 560)).point(lambda level: level // 12))
    decide(project, waiting(project, "quality")[0], "never")
    assert path.exists()
    assert [found.kind for found in waiting(project, "quality", "cut")] == ["cut"]


def test_an_answer_moves_with_the_image(project: Project) -> None:
    save(project, "dark.png", busy(3).point(lambda level: level // 12), None)
    decide(project, waiting(project, "quality")[0], "no")
    with Index(project) as index:
        Journal(index).apply("rename", [move(f"{FOLDER}/dark.png", f"{FOLDER}/night.png")])
    assert waiting(project, "quality") == []


def test_what_was_told_apart_stays_apart(project: Project) -> None:
    first = put(project, "a.png", 1)
    for name in ("b.png", "c.png"):
        first.with_name(name).write_bytes(first.read_bytes())
    (found,) = waiting(project, "duplicates")
    decide(project, found, "no")
    with Index(project) as index:
        Journal(index).apply("x", [exclusion(f"{FOLDER}/a.png", None, "by hand")])
    assert waiting(project, "duplicates") == []  # b and c are less than what was asked
    Image.open(first).resize((320, 320)).save(first.with_name("d.png"))
    (again,) = waiting(project, "duplicates")
    assert f"{FOLDER}/d.png" in again.images


def test_answers_can_be_forgotten_by_kind(project: Project) -> None:
    save(project, "dark.png", busy(3, (1600, 560)).point(lambda level: level // 12))
    for found in waiting(project, "quality", "cut"):
        decide(project, found, "no")
    list(review.run(project, ReviewOptions(kind=("cut",), forget=True)))
    assert [found.kind for found in waiting(project, "quality", "cut")] == ["cut"]
    undo(project)
    assert waiting(project, "quality", "cut") == []


# ---- out of date -------------------------------------------------------------------------


def test_a_copy_is_not_excluded_once_the_other_one_is(project: Project) -> None:
    first = put(project, "a.png", 1)
    first.with_name("b.png").write_bytes(first.read_bytes())
    (found,) = waiting(project, "duplicates")
    with Index(project) as index:
        Journal(index).apply("x", [exclusion(found.images[0], None, "by hand")])
        assert review.still_open(index, [found]) == []
    with pytest.raises(RetryError, match=r"a\.png is excluded"):
        decide(project, found, "yes")
    assert list(excluded(project)) == [found.images[0]]


def test_a_changed_file_is_no_copy_any_more(project: Project) -> None:
    first = put(project, "a.png", 1)
    first.with_name("b.png").write_bytes(first.read_bytes())
    (found,) = waiting(project, "duplicates")
    put(project, "b.png", 2)
    list(scan.run(project))
    with pytest.raises(RetryError, match=r"b\.png has changed"):
        decide(project, found, "yes")


def test_a_doubt_about_another_caption_is_void(project: Project) -> None:
    scored(project, {"a": {"hat": 0.99}}, {"a": "mochi"})
    (found,) = waiting(project, "doubt")
    (project.dataset / "10_mochi" / "a.txt").write_text("mochi, hat", "utf-8")
    list(scan.run(project))
    with pytest.raises(RetryError, match="was changed in the meantime"):
        decide(project, found, "yes")


def test_a_caption_that_the_index_does_not_know_is_left_alone(project: Project) -> None:
    for number in range(6):
        put(project, f"{number}.png", number, (64, 64), "mochi, smile")
    wrong = put(project, "wrong.png", 7, (64, 64), "mochi, smlie").with_suffix(".txt")
    (found,) = waiting(project, "spelling")
    wrong.write_text("written elsewhere", "utf-8")
    assert decide(project, found, "yes") == [
        "the caption was changed by another program in the meantime"
    ]
    assert wrong.read_text("utf-8") == "written elsewhere"


# ---- all together ------------------------------------------------------------------------


def test_the_most_important_comes_first_then_the_order_of_images(project: Project) -> None:
    for name in ("z10.png", "z9.png"):
        save(project, name, busy(len(name)).point(lambda level: level // 12))
    first = put(project, "zz.png", 1)
    first.with_name("zzz.png").write_bytes(first.read_bytes())
    found = waiting(project, "duplicates", "quality", "advice")
    assert titles(found)[:3] == ["zz.png has a copy", "z9.png: dark, flat", "z10.png: dark, flat"]


def test_the_command_line_lists_and_counts(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    save(project, "dark.png", busy(3).point(lambda level: level // 12))
    assert app(["review", str(project.root), "--kind", "quality"]) == 0
    text = capsys.readouterr().out
    assert "quality: dark.png: dark, flat" in text
    assert "yes: exclude the image" in text
    assert "1 waiting for a decision (quality 1)" in text
    assert app(["review", str(project.root), "--kind", "quality", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["kind"] for line in lines if line["kind"] != "progress"] == [
        "waiting",
        "finished",
    ]
    assert lines[-1]["summary"]["kinds"] == {"quality": 1}


def test_the_history_tells_what_was_decided(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    save(project, "dark.png", busy(3).point(lambda level: level // 12))
    decide(project, waiting(project, "quality")[0], "never")
    app(["history", str(project.root)])
    assert (
        "review: dark.png: dark, flat: never ask again  (1 decision, by the command line)"
        in capsys.readouterr().out
    )
    app(["undo", str(project.root)])
    assert "- decided: quality (never asked again)" in capsys.readouterr().out


def test_a_kind_that_is_not_asked_for_is_not_looked_for(project: Project) -> None:
    save(project, "dark.png", busy(3).point(lambda level: level // 12))
    list(scan.run(project))
    found = list(review.run(project, ReviewOptions(kind=("cut",))))
    assert [type(event) for event in found] == [events.Finished]
