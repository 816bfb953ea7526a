"""Describing images through a real HTTP server that also misbehaves."""

import json
import os
import signal
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from prep import events
from prep.captioner import asking
from prep.captioner.keys import key_for
from prep.captioner.server import Server
from prep.dataset.index import Index
from prep.dataset.journal.edits import Journal
from prep.errors import ConfigError, RetryError, UserError
from prep.ops import caption, scan
from prep.ops.caption import CaptionOptions
from prep.project import Project
from tests.prep.vision_server import Vision, vision_server
from tests.waiting import output

RED = "A red picture of 40 x 20 pixels lies here."


@pytest.fixture
def vision(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vision]:
    monkeypatch.setattr(asking, "FIRST_PAUSE", 0.001)
    with vision_server() as running:
        yield running


@pytest.fixture
def filled(project: Project) -> Project:
    """Return a project with three captioned images and a trigger word."""
    folder = project.dataset / "10_mochi"
    for name, colour in (("a", "red"), ("b", "blue"), ("c", "red")):
        side = 20 + ord(name) - ord("a")
        Image.new("RGB", (40, side), colour).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text(f"mochi, tag {name}")
    project = project.saved({"concepts": {"10_mochi": {"trigger": "mochi"}}})
    list(scan.run(project))
    return project


def describe(project: Project, vision: Vision, **given: Any) -> list[events.Event]:
    options = CaptionOptions(url=vision.url, **given)
    list(scan.run(project))
    return list(caption.run(project, options))


def summary(found: list[events.Event]) -> dict[str, Any]:
    assert isinstance(found[-1], events.Finished)
    return found[-1].summary


def text(project: Project, name: str) -> str:
    return (project.dataset / "10_mochi" / name).read_text(encoding="utf-8")


def test_descriptions_stand_in_the_second_line(filled: Project, vision: Vision) -> None:
    done = summary(describe(filled, vision))
    assert text(filled, "a.txt") == f"mochi, tag a\nmochi, {RED}"
    assert "A blue picture of 40 x 21" in text(filled, "b.txt")
    assert done["described"] == done["changed"] == 3
    assert done["model"] == vision.requests[0]["model"] == "tiny-vision"
    assert "tag a" in vision.prompts[0] + vision.prompts[1]
    assert "Call the subject mochi." in vision.prompts[0]


@pytest.mark.parametrize("place", ["line", "joined", "file"])
def test_a_second_run_asks_nothing_and_changes_nothing(
    filled: Project, vision: Vision, place: str
) -> None:
    describe(filled, vision, place=place)
    done = summary(describe(filled, vision, place=place))
    assert (done["described"], done["known"], done["changed"]) == (0, 3, 0)
    assert len(vision.requests) == 3


def test_places(filled: Project, vision: Vision) -> None:
    describe(filled, vision, place="joined", where="name:a.png")
    assert text(filled, "a.txt") == f"mochi, tag a, {RED}"
    describe(filled, vision, place="file", where="name:c.png")
    assert text(filled, "c.txt") == "mochi, tag c"
    assert text(filled, "c.caption").startswith("mochi, A red picture")


def test_all_of_it_can_be_undone(filled: Project, vision: Vision) -> None:
    for place in ("line", "file"):
        describe(filled, vision, place=place)
    with Index(filled) as index:
        journal = Journal(index)
        journal.undo()
        journal.undo()
    assert text(filled, "b.txt") == "mochi, tag b"
    assert not (filled.dataset / "10_mochi/b.caption").exists()


def test_another_prompt_replaces_descriptions_but_none_by_hand(
    filled: Project, vision: Vision
) -> None:
    describe(filled, vision)
    file = filled.dataset / "10_mochi/b.txt"
    file.write_text("mochi, tag b\nMy own sentence about b.")
    vision.answer = "Another {colour} answer."
    done = summary(describe(filled, vision, prompt="Again. {tags}"))
    assert text(filled, "a.txt") == "mochi, tag a\nmochi, Another red answer."
    assert text(filled, "b.txt") == "mochi, tag b\nMy own sentence about b."
    assert (done["by_hand"], done["changed"]) == (1, 2)


def test_missing_asks_only_where_there_is_none(filled: Project, vision: Vision) -> None:
    file = filled.dataset / "10_mochi/b.txt"
    file.write_text("mochi, tag b\nMy own sentence about b.")
    done = summary(describe(filled, vision, write="missing"))
    assert (done["described"], done["changed"]) == (2, 2)
    assert len(vision.requests) == 2


def test_a_dry_run_and_a_limit_try_a_prompt(filled: Project, vision: Vision) -> None:
    found = describe(filled, vision, dry_run=True, limit=1)
    assert [e.text for e in found if isinstance(e, events.Described)] == [f"mochi, {RED}"]
    assert text(filled, "a.txt") == "mochi, tag a"
    assert summary(found)["edit"] == 0
    describe(filled, vision)
    assert len(vision.requests) == 3  # the answer of the trial was kept


@pytest.mark.parametrize(
    "fault",
    [
        "500",
        "503",
        "429",
        "cut off",
        "short body",
        "broken",
        "not json",
        "list",
        "fails midway",
        "endless",
    ],
)
def test_passing_faults_are_tried_again(filled: Project, vision: Vision, fault: str) -> None:
    vision.plan = [fault, fault]
    done = summary(describe(filled, vision, where="name:a.png"))
    assert (done["described"], done["failed"]) == (1, 0)
    assert len(vision.requests) == 3
    assert text(filled, "a.txt").endswith(RED)


@pytest.mark.parametrize("manner", ["whole", "thinks", "too long"])
def test_manners_of_answering(filled: Project, vision: Vision, manner: str) -> None:
    vision.always = manner
    found = describe(filled, vision, where="name:a.png")
    assert text(filled, "a.txt").endswith(f"mochi, {RED}")
    warned = [e for e in found if isinstance(e, events.Warned)]
    assert bool(warned) == (manner == "too long")


def test_a_silent_server_is_given_up(filled: Project, vision: Vision) -> None:
    vision.plan = ["held"]
    done = summary(describe(filled, vision, where="name:a.png", timeout=0.2))
    assert done["described"] == 1
    assert len(vision.requests) == 2


def test_one_image_without_an_answer_does_not_stop_the_rest(
    filled: Project, vision: Vision
) -> None:
    vision.plan = ["well", "only thinks", "only thinks", "well"]
    found = describe(filled, vision, retries=1, concurrency=1)
    skipped = [e for e in found if isinstance(e, events.Skipped)]
    assert [(e.path, e.reason) for e in skipped] == [
        ("dataset/10_mochi/b.png", "the model gave no answer, only thoughts")
    ]
    assert summary(found)["failed"] == 1
    assert RED[:5] in text(filled, "c.txt")


def test_a_server_that_always_fails_ends_the_work(project: Project, vision: Vision) -> None:
    for number in range(9):
        Image.new("RGB", (9, 9 + number)).save(project.dataset / "10_mochi" / f"{number}.png")
    vision.plan, vision.always = ["well"], "500"
    with pytest.raises(RetryError, match=r"5 images in a row got no answer.*500: busy"):
        describe(project, vision, retries=0, concurrency=1)
    vision.always = "well"
    done = summary(describe(project, vision))
    assert (done["known"], done["described"]) == (1, 8)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("400", "image input is not supported"),
        ("404", "model not found.*are the address and the model right"),
        ("307", "elsewhere.example"),
    ],
)
def test_what_no_image_would_change_ends_the_work(
    filled: Project, vision: Vision, fault: str, words: str
) -> None:
    vision.always = fault
    with pytest.raises(UserError, match=words):
        describe(filled, vision, concurrency=1)
    assert len(vision.requests) <= 2


def test_nobody_there(filled: Project, vision: Vision) -> None:
    nobody = "http://127.0.0.1:9/v1"
    with pytest.raises(RetryError, match="Nothing answers at") as caught:
        list(caption.run(filled, CaptionOptions(url=nobody, retries=0)))
    assert "--url" in caught.value.hint


def test_several_models_must_be_chosen_from(filled: Project, vision: Vision) -> None:
    vision.models = ["seer", "talker"]
    with pytest.raises(ConfigError, match="offers 2 models") as caught:
        describe(filled, vision)
    assert "seer, talker" in caught.value.hint
    assert summary(describe(filled, vision, model="seer"))["described"] == 3


def test_images_are_asked_about_at_the_same_time(filled: Project, vision: Vision) -> None:
    stream = caption.run(filled, CaptionOptions(url=vision.url, concurrency=3))
    vision.always = "held"
    next(e for e in stream if isinstance(e, events.Progress) and e.what == "describe")
    import threading

    opener = threading.Thread(target=lambda: _when(vision, 3))
    opener.start()
    assert summary(list(stream))["described"] == 3
    opener.join()
    assert vision.busy[1] == 3


def _when(vision: Vision, count: int) -> None:
    """Open the gate once so many requests are there at once."""
    while vision.busy[0] < count:
        vision.arrived.wait(5)
        vision.arrived.clear()
        if vision.busy[0] >= count:
            break
    vision.gate.set()


@pytest.mark.parametrize("source", ["environment", "keyring"])
def test_the_key_is_sent_and_never_shown(
    filled: Project, vision: Vision, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    key = "very-secret-key-1"
    if source == "environment":
        monkeypatch.setenv("SHIKOMI_API_KEY", key)
    else:
        _fake_keyring(monkeypatch, {("shikomi", vision.url.split("/")[2]): key})
    vision.key = key
    found = describe(filled, vision)
    assert summary(found)["described"] == 3
    assert set(vision.keys) == {f"Bearer {key}"}
    vision.key = "another"
    with pytest.raises(UserError, match="401") as caught:
        describe(filled, vision, again=True)
    shown = str(caught.value) + "".join(map(events.to_json, found))
    shown += "".join(
        file.read_bytes().decode("latin-1") for file in filled.root.rglob("*") if file.is_file()
    )
    assert key not in shown


def _fake_keyring(monkeypatch: pytest.MonkeyPatch, known: dict[tuple[str, str], str]) -> None:
    module, errors = types.ModuleType("keyring"), types.ModuleType("keyring.errors")
    module.get_password = lambda service, name: known.get((service, name))  # type: ignore[attr-defined]
    errors.KeyringError = RuntimeError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", module)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)


def test_a_locked_keyring_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_keyring(monkeypatch, {})

    def locked(*_: str) -> str:
        raise RuntimeError("locked")

    monkeypatch.setattr(sys.modules["keyring"], "get_password", locked)
    assert key_for("http://127.0.0.1:1/v1") == ""


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8080", "ftp://x/v1", "http:///v1", "http://me:key@x/v1", "http://x:y/v1"]
)
def test_bad_addresses(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Server(url)
    assert "me:key" not in str(caught.value)


def start(project: Project, url: str) -> "subprocess.Popen[str]":
    code = "import sys; from tui.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "caption", str(project.root), "--url", url, "--json"]
    return subprocess.Popen(
        [*command, "--concurrency", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_an_ended_run_goes_on_where_it_stopped(
    filled: Project, vision: Vision, number: signal.Signals
) -> None:
    """It ends at once, although the server is busy with an image."""
    vision.plan = ["well", "held", "held", "held"]
    with start(filled, vision.url) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if json.loads(line)["kind"] == "described":
                break
        os.kill(running.pid, number)
        _, errors = output(running)
    assert not vision.gate.is_set()
    assert "Traceback" not in errors
    assert text(filled, "a.txt") == "mochi, tag a"
    vision.plan.clear()
    done = summary(describe(filled, vision))
    assert (done["known"], done["described"], done["changed"]) == (1, 2, 3)


def test_images_that_cannot_be_read_or_share_a_caption(filled: Project, vision: Vision) -> None:
    folder = filled.dataset / "10_mochi"
    Image.new("RGB", (30, 30), "red").save(folder / "a.jpg")
    broken = folder / "broken.webp"
    Image.radial_gradient("L").convert("RGB").save(broken)
    data = broken.read_bytes()
    broken.write_bytes(data[: len(data) // 4] + bytes(99) + data[len(data) // 4 + 99 :])
    found = describe(filled, vision)
    told = [e.message for e in found if isinstance(e, events.Warned)]
    assert any("the caption file of another image" in message for message in told)
    skipped = [e.path for e in found if isinstance(e, events.Skipped)]
    assert skipped == ["dataset/10_mochi/broken.webp"]


def test_latin_captions_are_left_alone(filled: Project, vision: Vision) -> None:
    file = filled.dataset / "10_mochi/a.txt"
    file.write_bytes("café".encode("latin-1"))
    found = describe(filled, vision)
    assert any(isinstance(e, events.Skipped) and "UTF-8" in e.reason for e in found)
    assert file.read_bytes() == "café".encode("latin-1")


def test_prompt_files(filled: Project, vision: Vision, tmp_path: Path) -> None:
    file = tmp_path / "prompt.txt"
    file.write_text("What is {name} of {concept}?")
    describe(filled, vision, prompt_file=file, where="name:a.png")
    assert vision.prompts == ["What is a of mochi?"]
    with pytest.raises(ConfigError, match="is not readable as a prompt"):
        describe(filled, vision, prompt_file=tmp_path / "none.txt")
