"""Downloads with the real client of the hub, against a hub on this machine that misbehaves."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from prep import events
from prep.errors import RetryError, UserError
from prep.ops import models
from prep.ops.models import ModelOptions
from prep.tagging.models import catalogue, download
from prep.tagging.models.catalogue import HubTagger
from prep.tagging.models.download import Repository
from prep.tagging.models.obtain import TaggerFiles, at_hand, find, find_table, obtain
from prep.tagging.runtime.tagger import Tagger
from tests.prep.model_hub import ModelHub, Request, sha256
from tests.prep.tiny_taggers import TAGS, make_tagger

REPOSITORY = "somebody/wd-tiny-tagger"
ROOT = Path(__file__).resolve().parents[3]
BLOB = os.urandom(3_000_000)


@pytest.fixture
def tiny(tmp_path: Path, hub: ModelHub) -> str:
    """Put a WD tagger on the hub; its model is an LFS file, its list may be one."""
    hub.add(REPOSITORY, tagger_files(tmp_path / "made"))
    return REPOSITORY


def tagger_files(folder: Path) -> dict[str, bytes]:
    make_tagger(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def watched(model: str, folder: Path) -> tuple[TaggerFiles, list[events.Progress]]:
    seen: list[events.Progress] = []
    work = obtain(model, folder)
    while True:
        try:
            event = next(work)
        except StopIteration as end:
            return end.value, seen
        assert isinstance(event, events.Progress | events.Downloading)
        if isinstance(event, events.Progress):
            seen.append(event)


def fetch(name: str = "blob.bin") -> Path:
    work = Repository(REPOSITORY).fetch([name])
    while True:
        try:
            next(work)
        except StopIteration as end:
            found: list[Path] = end.value
            return found[0]


def ranges(requests: list[Request]) -> list[str]:
    return [request.headers.get("range", "") for request in requests]


def test_a_tagger_of_the_hub_runs_and_is_found_without_the_network(
    tiny: str, hub: ModelHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, seen = watched(tiny, tmp_path)
    assert files.name == tiny
    assert len(Tagger(files, "cpu", threads=1).table) == len(TAGS)
    last = [event for event in seen if event.what == "download model.onnx"][-1]
    assert last.done == last.total == files.model.stat().st_size
    assert any(hub.url in event.note for event in seen)
    # The cache is the ordinary one: the hub's own client finds everything in it.
    from huggingface_hub import try_to_load_from_cache

    cache = os.environ["HF_HUB_CACHE"]
    assert try_to_load_from_cache(tiny, "model.onnx", cache_dir=cache) == str(files.model)
    hub.requests.clear()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    assert watched(tiny, tmp_path) == (files, [])
    assert find_table(tiny, tmp_path) == files.table
    assert hub.requests == []


def test_a_revision_can_be_named(tiny: str, hub: ModelHub, tmp_path: Path) -> None:
    commit = hub.revisions["main"]
    files = find(f"{tiny}@{commit}", tmp_path)
    assert commit in files.model.parts
    assert find_table(f"{tiny}@{commit}", tmp_path) == files.table
    with pytest.raises(UserError, match="has no revision v9") as caught:
        find(f"{tiny}@v9", tmp_path)
    assert f"{tiny}@main" in caught.value.hint


def test_a_transfer_that_breaks_off_goes_on_where_it_stopped(hub: ModelHub) -> None:
    hub.add(REPOSITORY, {"blob.bin": BLOB})
    hub.cuts = [1_000_000, 700_000, 0]
    assert fetch().read_bytes() == BLOB
    first, *others = ranges(hub.transfers())
    assert first == ""
    starts = [int(text.removeprefix("bytes=").rstrip("-")) for text in others]
    assert len(starts) == 3
    assert starts == sorted(starts)
    assert 500_000 < starts[0] <= 1_000_000  # a chunk may be lost, never more
    assert sum(len(BLOB) - start for start in starts) < 2.2 * len(BLOB)


def test_a_stopped_download_goes_on_in_the_next_process(hub: ModelHub) -> None:
    hub.add(REPOSITORY, {"blob.bin": BLOB})
    hub.cuts = [1_500_000]
    work = Repository(REPOSITORY).fetch(["blob.bin"])
    while "Trying again" not in (note := getattr(next(work), "note", "")):
        pass
    assert "could not be downloaded" in note
    work.close()
    (part,) = Path(os.environ["HF_HUB_CACHE"]).rglob("*.incomplete")
    assert 1_000_000 < part.stat().st_size <= 1_500_000
    assert fetch().read_bytes() == BLOB
    assert ranges(hub.transfers())[1] == f"bytes={part_size(part, hub)}-"
    assert not part.exists()


def part_size(part: Path, hub: ModelHub) -> int:
    return int(ranges(hub.transfers())[-1].removeprefix("bytes=").rstrip("-"))


def test_a_hub_without_ranges_costs_only_the_time(hub: ModelHub) -> None:
    hub.add(REPOSITORY, {"blob.bin": BLOB})
    hub.cuts, hub.ranges = [1_000_000], False
    assert fetch().read_bytes() == BLOB


def test_a_part_that_is_longer_than_the_file_is_begun_again(hub: ModelHub) -> None:
    hub.add(REPOSITORY, {"blob.bin": BLOB})
    blobs = Repository(REPOSITORY).folder / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{sha256(BLOB)}.incomplete").write_bytes(BLOB + b"more")
    with pytest.raises(RetryError, match="does not match its checksum"):
        fetch()
    assert fetch().read_bytes() == BLOB


def test_damaged_files_are_never_used(hub: ModelHub) -> None:
    hub.add(REPOSITORY, {"blob.bin": BLOB})
    hub.damaged = True
    with pytest.raises(RetryError, match=r"blob\.bin does not match its checksum"):
        fetch()
    hub.damaged = False
    assert fetch().read_bytes() == BLOB


@pytest.mark.parametrize("status", [503, 429])
def test_a_busy_hub_is_asked_again(hub: ModelHub, status: int) -> None:
    hub.add(REPOSITORY, {"blob.bin": BLOB})
    hub.busy, hub.busy_status = 3, status
    assert fetch().read_bytes() == BLOB
    hub.busy = 99
    with pytest.raises(RetryError, match=f"the hub answered {status}"):
        fetch("other.bin")
    assert hub.busy == 99 - 1 - len(download.PAUSES)


def test_the_token_goes_to_the_hub_and_nowhere_else(
    hub: ModelHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(REPOSITORY, {"blob.bin": BLOB})
    hub.gated.add(REPOSITORY)
    with pytest.raises(UserError, match="requires that you accept its terms") as caught:
        fetch()
    assert "hf auth login" in caught.value.hint
    assert hub.url in caught.value.hint
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert fetch().read_bytes() == BLOB
    asked = [r for r in hub.requests if "/resolve/" in r.path and "authorization" in r.headers]
    assert asked
    assert all("authorization" not in request.headers for request in hub.transfers())


def test_refused_tokens_missing_repositories_and_files_are_told_apart(
    tiny: str, hub: ModelHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="There is no nobody/nothing at http") as caught:
        find("nobody/nothing", tmp_path)
    assert "hf auth login" in caught.value.hint
    with pytest.raises(UserError, match=r"has no missing\.bin") as caught:
        fetch("missing.bin")
    assert type(caught.value) is UserError
    monkeypatch.setenv("HF_TOKEN", "hf_old")
    hub.bad_token = True
    with pytest.raises(UserError, match="refuses your token") as caught:
        find(tiny, tmp_path)
    assert "HF_TOKEN" in caught.value.hint


def test_no_network_is_said_at_once(
    hub: ModelHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(download, "PAUSES", (60.0,))
    with pytest.raises(RetryError, match=r"could not be downloaded: .*refused") as caught:
        find(REPOSITORY, tmp_path)
    assert "HF_ENDPOINT" in caught.value.hint
    assert "\n" not in caught.value.message


def test_a_server_that_is_no_hub_is_named(hub: ModelHub) -> None:
    hub.add(REPOSITORY, {"blob.bin": BLOB})
    hub.revisions["main"] = ""
    with pytest.raises(UserError, match="does not answer like a Hugging Face hub"):
        fetch()


def test_a_repository_that_moved_is_followed(hub: ModelHub) -> None:
    hub.add("new/home", {"blob.bin": BLOB})
    hub.moved[REPOSITORY] = "new/home"
    assert fetch().read_bytes() == BLOB


def test_a_full_disk_is_said_before_and_while_it_fills(hub: ModelHub) -> None:
    hub.add(REPOSITORY, {"blob.bin": BLOB})
    hub.sizes["blob.bin"] = 10**16
    with pytest.raises(UserError, match=r"is full: 10,000,000,000 MB are needed") as caught:
        fetch()
    assert "HF_HUB_CACHE" in caught.value.hint
    assert hub.transfers() == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_disk_that_fills_while_writing(hub: ModelHub) -> None:
    hub.add(REPOSITORY, {"blob.bin": BLOB})
    blobs = Repository(REPOSITORY).folder / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{sha256(BLOB)}.incomplete").symlink_to("/dev/full")
    with pytest.raises(UserError, match="is full: No space left") as caught:
        fetch()
    assert type(caught.value) is UserError
    assert len(hub.transfers()) == 1


def test_a_cache_that_cannot_be_written_is_named(
    hub: ModelHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(REPOSITORY, {"blob.bin": BLOB})
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="cannot be written"):
        fetch()


def test_two_at_once_download_a_file_once(hub: ModelHub) -> None:
    hub.add(REPOSITORY, {"blob.bin": BLOB})
    first = Repository(REPOSITORY).fetch(["blob.bin"])
    while not hub.transfers():
        next(first)
    second = Repository(REPOSITORY).fetch(["blob.bin"])
    assert isinstance(next(second), events.Downloading)
    assert next(second).note == "another process is downloading it"  # type: ignore[attr-defined]
    for _ in first:
        pass
    for _ in second:
        pass
    assert len(hub.transfers()) == 1
    assert fetch().read_bytes() == BLOB


def test_other_kinds_are_told_by_their_files(hub: ModelHub, tmp_path: Path) -> None:
    hub.add("x/model", {"weights.onnx": b"1", "README.md": b"2"})
    with pytest.raises(UserError, match=r"not a known kind of tagger: it has weights\.onnx"):
        find("x/model", tmp_path)
    files = tagger_files(tmp_path / "made")
    record = b'model = "model.onnx"\ntags = "selected_tags.csv"\ngeneral = 0.2\n'
    inside = {f"deep/{name}": data for name, data in files.items()}
    hub.add("x/own", {**inside, "deep/tagger.toml": record})
    found = find("x/own/deep", tmp_path)
    assert found.record.general == 0.2
    assert Tagger(found, "cpu", 1).side == 32
    hub.requests.clear()
    assert find("x/own/deep", tmp_path) == found
    assert hub.requests == []


def test_a_known_name_is_pinned(known: HubTagger, hub: ModelHub, tmp_path: Path) -> None:
    assert at_hand(known) is None
    hub.revisions["main"] = "f" * 40  # the repository has gone on since
    hub.revisions["pinned"] = known.revision
    files = find("Known-Tagger", tmp_path)
    assert known.revision in files.model.parts
    assert files.record.general == 0.21
    assert at_hand(known) == [files.model, files.table]
    assert all("/resolve/main/" not in request.path for request in hub.requests)


def test_the_same_file_of_another_revision_will_do(
    known: HubTagger, hub: ModelHub, tmp_path: Path
) -> None:
    find(f"{known.repository}@main", tmp_path)
    hub.requests.clear()
    assert find(known.name, tmp_path).name == known.name
    assert hub.requests == []


def test_a_mirror_with_another_model_is_refused(
    known: HubTagger, hub: ModelHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = SimpleNamespace(**{**known.__dict__, "sha256": "0" * 64})
    monkeypatch.setattr(catalogue, "KNOWN", (other,))
    with pytest.raises(UserError, match="its checksum differs") as caught:
        find(known.name, tmp_path)
    assert f"@{known.revision}" in caught.value.hint


OFFLINE = """
import sys
from pathlib import Path
from prep.errors import UserError
from prep.tagging.models.obtain import find
try: print(find(sys.argv[1], Path()).name)
except UserError as error: print(type(error).__name__, error)
"""


@pytest.mark.parametrize("there", [True, False])
def test_offline_mode_uses_the_cache_and_says_what_is_missing(
    tiny: str, tmp_path: Path, there: bool
) -> None:
    if there:
        find(tiny, tmp_path)
    run = subprocess.run(
        [sys.executable, "-c", OFFLINE, tiny],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    assert run.stderr == ""
    expected = tiny if there else f"UserError {tiny} is not in the cache, and HF_HUB_OFFLINE"
    assert run.stdout.startswith(expected)


def test_the_models_verb_downloads_beforehand(tiny: str, hub: ModelHub, tmp_path: Path) -> None:
    found = list(models.run(ModelOptions(download=(tiny,))))
    assert any(isinstance(event, events.Progress) for event in found)
    asked = len(hub.requests)
    assert find(tiny, tmp_path).model.is_file()
    assert len(hub.requests) == asked
