"""The check finds each fault, passes over what is sound, mends, and undo takes it back."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from prep import events
from prep.curation.checks import catalogue
from prep.curation.checks.view import DatasetView
from prep.dataset.index import Index
from prep.errors import ConfigError
from prep.ops import check, edit, scan
from prep.ops.check import CheckOptions
from prep.project import Project
from prep.training_set.trainers import TRAINERS
from tests.prep.check_cases import CASES, Box, C

SAFE = [name for name, code in catalogue.CODES.items() if code.safe]
ROOT_IGNORES_MODES = os.geteuid() == 0


def examined(root: Path, options: CheckOptions | None = None) -> list[events.Event]:
    project = Project.open(root)
    list(scan.run(project))
    return list(check.run(project, options or CheckOptions()))


def findings(found: list[events.Event], code: str = "") -> list[events.Finding]:
    return [
        event for event in found if isinstance(event, events.Finding) and code in ("", event.code)
    ]


def summary(found: list[events.Event]) -> dict[str, object]:
    last = found[-1]
    assert isinstance(last, events.Finished)
    return last.summary


def tree(root: Path) -> dict[str, bytes]:
    def files() -> Iterator[tuple[str, bytes]]:
        for path in sorted(root.rglob("*")):
            if path.is_file() and ".shikomi" not in path.parts:
                yield os.fsdecode(os.fsencode(path.relative_to(root))), path.read_bytes()

    return dict(files())


@pytest.fixture
def box(project: Project) -> Box:
    return Box(project)


def options_of(code: str, **more: bool) -> CheckOptions:
    case = CASES[code]
    return CheckOptions(trainer=case.trainer, wildcards=case.wildcards, **more)


def test_there_is_a_case_for_every_code() -> None:
    assert set(CASES) == set(catalogue.CODES)


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_sound_dataset_has_no_findings(box: Box, trainer: str) -> None:
    options = CheckOptions.model_validate({"trainer": trainer})
    found = examined(box.root, options)
    assert findings(found) == []
    assert summary(found)["images"] == 3


def test_a_caption_that_is_too_large_is_not_one_without_permission(box: Box) -> None:
    box.caption("x" * ((1 << 20) + 1))
    (finding,) = findings(examined(box.root, options_of("caption-unreadable")))
    assert "larger than 1 MiB" in finding.message


@pytest.mark.parametrize("code", CASES)
def test_a_fault_is_found(box: Box, code: str) -> None:
    if code == "caption-unreadable" and ROOT_IGNORES_MODES:
        pytest.skip("root may read everything")
    CASES[code].bad(box)
    found = findings(examined(box.root, options_of(code)), code)
    assert found
    for finding in found:
        effect = catalogue.CODES[code].effects[CASES[code].trainer]
        assert (finding.severity, finding.consequence) == effect
        assert finding.path
        assert finding.fix
        assert finding.title
        assert catalogue.CODES[code].safe or not finding.fixable


@pytest.mark.parametrize("code", CASES)
def test_what_is_near_to_a_fault_is_not_found(box: Box, code: str) -> None:
    CASES[code].good(box)
    assert findings(examined(box.root, options_of(code)), code) == []


@pytest.mark.parametrize("code", SAFE)
def test_a_mend_holds_and_undo_takes_it_back(box: Box, code: str) -> None:
    CASES[code].bad(box)
    before = tree(box.root)
    first = examined(box.root, options_of(code))
    fixable = [finding for finding in findings(first) if finding.fixable]
    assert code in {finding.code for finding in fixable}

    shown = examined(box.root, options_of(code, dry_run=True))
    assert tree(box.root) == before
    mended = examined(box.root, options_of(code, fix=True))
    changes = [event for event in mended if isinstance(event, events.Change)]
    assert changes == [event for event in shown if isinstance(event, events.Change)] != []
    assert summary(mended)["fixed"] == len(fixable)
    assert tree(box.root) != before

    second = examined(box.root, options_of(code))
    assert summary(second)["fixable"] == 0
    assert findings(second, code) == []
    list(edit.undo(Project.open(box.root)))
    assert tree(box.root) == before


def everything(box: Box) -> None:
    """Put all faults that do not exclude each other into one dataset."""
    kept = {"folder-leaf", "reg-surplus", "reg-steps", "image-thin", "concept-unknown"}
    kept |= {"captions-identical", "captions-bare", "trigger-alike", "concepts-alike"}
    kept |= {"caption-unreadable", "excluded-present", "cache-broken", "mask-orphan"}
    for number, (code, case) in enumerate(CASES.items()):
        if code not in kept:
            inner = Box.__new__(Box)
            inner.root, inner.dataset = box.root, box.dataset
            inner.number, inner.name = 100 * number, code
            case.bad(inner)
    box.image(f"{C}/both.Jpg", b"mocih \x96 hat")
    box.image(f"{C}/both.jfif", None)
    box.image(f"{C}/both.png", None)


@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize("wildcards", [False, True])
def test_all_faults_at_once_are_one_step(box: Box, trainer: str, wildcards: bool) -> None:
    everything(box)
    before = tree(box.root)
    given = {"trainer": trainer, "wildcards": wildcards}
    mended = examined(box.root, CheckOptions.model_validate({**given, "fix": True}))
    assert not [event for event in mended if isinstance(event, events.Skipped)]
    assert summary(mended)["fixable"] == 0
    assert summary(mended)["edit"] == 1
    assert tree(box.root) != before
    list(edit.undo(Project.open(box.root)))
    assert tree(box.root) == before
    list(edit.redo(Project.open(box.root)))
    again = examined(box.root, CheckOptions.model_validate({**given, "fix": True}))
    assert summary(again)["edit"] == 0


def test_images_that_share_a_caption_get_one_each(box: Box) -> None:
    box.image(f"{C}/x.png", "\ufeffhat")
    box.image(f"{C}/x.jpg", None)
    box.cache(f"{C}/x_0512x0512_sd.npz")
    box.file(f"{C}/x-2.txt", "somebody's")
    examined(box.root, CheckOptions(fix=True))
    names = {path.name for path in (box.dataset / C).glob("x*")}
    assert names == {"x.jpg", "x.txt", "x-2.txt", "x-3.png", "x-3.txt"}
    for name in ("x.txt", "x-3.txt"):
        assert (box.dataset / C / name).read_text("utf-8") == "mochi, hat"


@pytest.mark.parametrize("name", ["a.Jpg", "a.jfif"])
def test_an_image_that_a_link_leads_to_keeps_its_name(box: Box, name: str) -> None:
    box.image(f"{C}/{name}")
    other = box.dataset / "20_other"
    other.mkdir()
    link = other / "b.jpg"
    link.symlink_to(f"../10_mochi/{name}")
    found = examined(box.root, CheckOptions(fix=True, only=("suffix",)))
    (finding,) = findings(found)
    assert not finding.fixable
    assert finding.message.endswith("dataset/20_other/b.jpg leads to it: rename both")
    assert link.exists()
    link.unlink()
    examined(box.root, CheckOptions(fix=True, only=("suffix",)))
    assert not (box.dataset / C / name).exists()


def test_findings_come_with_errors_first_and_in_order(box: Box) -> None:
    everything(box)
    found = findings(examined(box.root))
    ranks = {"error": 0, "warning": 1, "info": 2}
    order = [ranks[finding.severity] for finding in found]
    assert order == sorted(order)
    assert len(set(order)) == 3
    counts = summary(examined(box.root))
    assert [counts[name] for name in ("errors", "warnings", "infos")] == [
        order.count(rank) for rank in range(3)
    ]


def test_only_and_ignore_choose_codes_and_groups(box: Box) -> None:
    everything(box)

    def codes(**options: tuple[str, ...]) -> set[str]:
        found = examined(box.root, CheckOptions.model_validate(options))
        return {finding.code for finding in findings(found)}

    assert codes(only=("caption-bom",)) == {"caption-bom"}
    captions = codes(only=("caption",))
    assert len(captions) > 5
    assert all(code.startswith("caption-") for code in captions)
    assert codes(ignore=("caption", "captions")) == codes() - captions - {"captions-repeated"}
    with pytest.raises(ConfigError, match="caption-bmo") as fault:
        codes(only=("caption-bmo",))
    assert "caption-bom" in fault.value.hint


def test_only_what_was_asked_for_is_mended(box: Box) -> None:
    box.caption("\ufeffhat,, x", "bom")
    box.caption("hat", "other")
    examined(box.root, CheckOptions(fix=True, only=("caption-bom",)))
    assert (box.dataset / C / "bom.txt").read_bytes() == b"hat,, x"
    assert (box.dataset / C / "other.txt").read_bytes() == b"hat"


def test_a_caption_is_never_emptied_by_the_way(box: Box) -> None:
    box.caption("\ufeff", "bom")
    examined(box.root, CheckOptions(fix=True, only=("caption-bom",)))
    assert (box.dataset / C / "bom.txt").read_bytes() == "\ufeff".encode()
    examined(box.root, CheckOptions(fix=True))
    assert (box.dataset / C / "bom.txt").read_bytes() == b"mochi"


def test_without_a_trigger_word_an_empty_caption_is_removed(box: Box) -> None:
    box.settings("")
    box.file(f"{C}/one.txt", b"")
    examined(box.root, CheckOptions(fix=True, only=("caption-empty",)))
    assert not (box.dataset / C / "one.txt").exists()
    list(edit.undo(Project.open(box.root)))
    assert (box.dataset / C / "one.txt").read_bytes() == b""


def test_every_line_that_may_be_drawn_needs_the_trigger_word(box: Box) -> None:
    box.caption("mochi, hat\nA bear.\n")
    found = findings(examined(box.root, CheckOptions(wildcards=True)))
    assert [(finding.code, finding.message) for finding in found] == [
        ("trigger-missing", "1 of 2 lines: A bear.")
    ]
    examined(box.root, CheckOptions(wildcards=True, fix=True))
    assert (box.dataset / C / "fault.txt").read_text() == "mochi, hat\nmochi, A bear.\n"


def test_the_encoding_can_be_said(box: Box) -> None:
    data = "mochi, п".encode("koi8-r")
    box.caption(data)
    only = ("caption-encoding",)
    (finding,) = findings(examined(box.root, CheckOptions(only=only)))
    assert not finding.fixable
    examined(box.root, CheckOptions(only=only, fix=True, encoding="koi8-r"))
    assert (box.dataset / C / "fault.txt").read_text("utf-8") == "mochi, п"
    with pytest.raises(ConfigError, match="no encoding 'kio'"):
        examined(box.root, CheckOptions(encoding="kio"))


def test_a_file_changed_meanwhile_is_left_alone(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.caption("hat")
    file = box.dataset / C / "fault.txt"
    real = catalogue.changes

    def slow(view: DatasetView, wanted: frozenset[str]) -> list[object]:
        made: list[object] = list(real(view, wanted))
        file.write_text("somebody else's")
        return made

    monkeypatch.setattr(catalogue, "changes", slow)
    found = examined(box.root, CheckOptions(fix=True))
    assert [event.path for event in found if isinstance(event, events.Skipped)]
    assert file.read_text() == "somebody else's"


def test_names_that_differ_in_their_accents_belong_together(box: Box) -> None:
    """macOS writes an accent as a character of its own."""
    box.image(f"{C}/caf\u00e9.png", None)
    box.file(f"{C}/cafe\u0301.txt", "mochi, cafe")
    examined(box.root, CheckOptions(fix=True))
    assert (box.dataset / C / "caf\u00e9.txt").read_text() == "mochi, cafe"
    assert not (box.dataset / C / "cafe\u0301.txt").exists()


def test_nothing_is_opened_without_cause(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: DatasetView, path: str) -> bytes:
        raise AssertionError(path)

    list(scan.run(Project.open(box.root)))
    with Index(Project.open(box.root)) as index:
        view = DatasetView(index, "sd-scripts")
        for asking in ("stat", "exists", "open", "read_bytes"):
            monkeypatch.setattr(Path, asking, refuse)
        assert catalogue.problems(view, frozenset(catalogue.CODES)) == []
