"""Tagging on a real cluster of Ray: several nodes on this machine, which are killed for good."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from PIL import Image

from prep import events
from prep.dataset.index import Index
from prep.errors import ConfigError, MissingExtraError, RetryError, UnreadableError, UserError
from prep.ops import scan, tag
from prep.ops.tag import TagOptions
from prep.project import Project
from prep.project.creation import initialise
from prep.system.files import content_hash
from prep.tagging.models.obtain import TaggerFiles
from prep.tagging.runtime.cluster import ray_engine, workers
from prep.tagging.runtime.cluster.node_actor import NodeActor
from prep.tagging.runtime.running import Running
from tests.prep.tiny_taggers import make_tagger

pytest.importorskip("ray")

ROOT = Path(__file__).resolve().parents[3]
IMAGES = 60
FIRST = 8
MEMORY = 80 << 20


class Nodes:
    """A cluster whose head does no work, with as many working nodes as a test asks for."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "include_dashboard": False}
        self._cluster = Cluster(initialize_head=True, head_node_args=self._common(**head))
        self.address: str = self._cluster.address
        self._nodes: list[Any] = []

    @staticmethod
    def _common(**given: Any) -> dict[str, Any]:
        return {"object_store_memory": MEMORY, **given}

    def have(self, number: int) -> None:
        while len(self._nodes) < number:
            self._nodes.append(self._cluster.add_node(**self._common(num_cpus=1)))
        while len(self._nodes) > number:
            self.kill()

    def kill(self) -> None:
        self._cluster.remove_node(self._nodes.pop(), allow_graceful=False)

    def close(self) -> None:
        self._cluster.shutdown()


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    # Below it Ray has sockets, whose paths may have about a hundred characters.
    with (
        tempfile.TemporaryDirectory(prefix="s", dir="/tmp") as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("TMPDIR", folder)  # of the workers
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_health_check_period_ms", "300")  # else 15 s until a node counts as lost
        made = Nodes()
        yield made
        made.close()


@pytest.fixture
def pictured(project: Project) -> Project:
    for number in range(IMAGES):
        path = project.dataset / "10_mochi" / f"{number:03}.png"
        Image.new("RGB", (12, 12), (255, 4 * number, 0)).save(path)
    copy = project.dataset / "10_mochi" / "copy.png"
    copy.write_bytes((project.dataset / "10_mochi" / "007.png").read_bytes())
    list(scan.run(project))
    return project


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tagger(tmp_path_factory.mktemp("taggers") / "tiny")


@pytest.fixture(scope="module")
def slow(tiny: Path) -> Path:
    """Return a tagger that computes for nearly a tenth of a second on each image."""
    folder = make_tagger(tiny.parent / "slow")
    model = onnx.load(folder / "model.onnx")
    times = np.array([1, 96, 96, 1], np.int64)
    model.graph.initializer.append(numpy_helper.from_array(times, "times"))
    model.graph.node[0].input[0] = "wide"
    model.graph.node.insert(0, helper.make_node("Tile", ["input", "times"], ["wide"]))
    onnx.save(model, folder / "model.onnx")
    return folder


def options(tagger: Path, nodes: Nodes | None = None, **given: Any) -> TagOptions:
    if nodes is not None:
        given |= {"engine": "ray", "ray_address": nodes.address}
    return TagOptions(model=str(tagger), device="cpu", **given)


def scores(project: Project) -> list[tuple[str, bytes]]:
    """Return what is stored, having checked that nothing is there twice."""
    with Index(project) as index:
        noted = index.connection.execute("SELECT content FROM scored ORDER BY content").fetchall()
        kept = index.connection.execute("SELECT content, data FROM scores ORDER BY content")
        found: list[tuple[str, bytes]] = kept.fetchall()
    assert [content for (content,) in noted] == [content for content, _ in found]
    return found


def summary(found: list[events.Event]) -> dict[str, Any]:
    assert isinstance(found[-1], events.Finished)
    return found[-1].summary


def scored_by(event: events.Event) -> int:
    return event.done if isinstance(event, events.Progress) and event.what == "tag" else 0


def local_scores(pictured: Project, tagger: Path, elsewhere: Path) -> list[tuple[str, bytes]]:
    twin = initialise(elsewhere / "twin")
    (twin.dataset / "10_mochi").symlink_to(pictured.dataset / "10_mochi")
    list(scan.run(twin))
    list(tag.run(twin, options(tagger, write="none")))
    return scores(twin)


def test_a_cluster_sees_what_this_machine_sees(
    pictured: Project, tiny: Path, tmp_path: Path, nodes: Nodes
) -> None:
    nodes.have(2)
    broken = pictured.dataset / "10_mochi" / "broken.png"
    Image.effect_noise((40, 40), 90).save(broken)
    data = broken.read_bytes()
    broken.write_bytes(data[:600] + bytes(200) + data[800:])
    list(scan.run(pictured))
    here = local_scores(pictured, tiny, tmp_path)
    found = list(tag.run(pictured, options(tiny, nodes)))
    assert scores(pictured) == here
    assert len(here) == IMAGES
    skipped = [event for event in found if isinstance(event, events.Skipped)]
    assert [event.path.rpartition("/")[2] for event in skipped] == ["broken.png"]
    assert skipped[0].reason.startswith("broken image data")
    done = summary(found)
    assert (done["images"], done["changed"]) == (IMAGES + 1, IMAGES + 1)
    assert done["provider"] == "CPUExecutionProvider"
    assert 1 <= done["nodes"] <= done["workers"] <= 2
    again = summary(list(tag.run(pictured, options(tiny, nodes))))
    assert (again["provider"], again["workers"], again["changed"]) == ("", 0, 0)


def test_a_node_that_is_killed_costs_nothing(
    pictured: Project, slow: Path, tmp_path: Path, nodes: Nodes
) -> None:
    nodes.have(2)
    found: list[events.Event] = []
    both, killed = False, False
    for event in tag.run(pictured, options(slow, nodes)):
        both |= isinstance(event, events.Progress) and event.note == "workers: 2"
        if both and not killed and scored_by(event):
            assert scored_by(event) < IMAGES - 2 * FIRST  # there is work for both
            nodes.kill()
            killed = True
        found.append(event)
    lost = [event for event in found if isinstance(event, events.Warned)]
    assert lost
    assert all("was lost; its images are scored again" in event.message for event in lost)
    assert not any(isinstance(event, events.Skipped) for event in found)
    assert summary(found)["images"] == IMAGES + 1
    assert scores(pictured) == local_scores(pictured, slow, tmp_path)


def test_without_any_node_the_same_command_goes_on_later(
    pictured: Project, slow: Path, nodes: Nodes
) -> None:
    nodes.have(1)

    def run() -> None:
        for event in tag.run(pictured, options(slow, nodes)):
            if scored_by(event):
                nodes.have(0)

    with pytest.raises(RetryError, match="No worker of the cluster is left") as caught:
        run()
    assert "run the same command again" in caught.value.hint
    kept = scores(pictured)
    assert 0 < len(kept) < IMAGES
    nodes.have(1)
    found = list(tag.run(pictured, options(slow, nodes)))
    totals = {e.total for e in found if isinstance(e, events.Progress) and e.what == "tag"}
    assert totals == {IMAGES - len(kept)}
    assert len(scores(pictured)) == IMAGES
    assert set(kept) < set(scores(pictured))


@pytest.mark.skipif(sys.platform != "linux", reason="paths that hold for one process only")
def test_what_nodes_do_not_see_is_sent_to_them(
    tmp_path: Path, tiny: Path, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths below /proc/self/fd are files for this process, and nothing for a worker."""
    nodes.have(1)
    monkeypatch.setattr(ray_engine, "_PART", 200)  # bytes: a few images at once
    contents: dict[str, str] = {}
    for number in range(IMAGES):
        file = tmp_path / f"{number}.png"
        Image.new("RGB", (12, 12), (255, 4 * number, 0)).save(file)
        contents[content_hash(file)] = file.name
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    contents[content_hash(tmp_path / "broken.png")] = "broken.png"
    opened = [os.open(folder, os.O_RDONLY) for folder in (tmp_path, tiny)]
    try:
        images, model = (Path(f"/proc/self/fd/{number}") for number in opened)
        files = TaggerFiles("tiny", model / "model.onnx", model / "selected_tags.csv")
        running = Running("cpu", engine="ray", address=nodes.address)
        cluster = ray_engine.RayEngine(files, running)
        sent = dict(_results(cluster, contents, images))
    finally:
        for number in opened:
            os.close(number)
    assert sent.keys() == contents.keys()
    faults = {c: s.message for c, s in sent.items() if isinstance(s, UnreadableError)}
    assert {contents[c] for c in faults} == {"broken.png"}
    assert all(message.startswith("broken.png: ") for message in faults.values())
    local = dict(_results(engine_of_here(tiny), contents, tmp_path))
    for content in contents.keys() - faults.keys():
        assert np.array_equal(sent[content], np.asarray(local[content]).astype(np.float16))
    kept = list(Path(os.environ["TMPDIR"]).glob("shikomi-taggers-*/*/model.onnx"))
    assert [file.read_bytes() for file in kept] == [(tiny / "model.onnx").read_bytes()]


def engine_of_here(tagger: Path) -> Any:
    from prep.tagging.models.obtain import find
    from prep.tagging.runtime.engines import Local

    return Local(find(str(tagger), tagger), Running("cpu"))


def _results(used: Any, contents: dict[str, str], folder: Path) -> Iterator[tuple[str, Any]]:
    for item in used.run(contents, lambda content: folder / contents[content]):
        if not isinstance(item, events.Event):
            yield item.content, item.scores


def test_a_broken_tagger_is_the_same_fault_as_here(
    pictured: Project, tmp_path: Path, nodes: Nodes
) -> None:
    nodes.have(1)
    folder = make_tagger(tmp_path / "broken")
    (folder / "model.onnx").write_bytes(b"no model at all")
    said = []
    for used in (options(folder), options(folder, nodes)):
        with pytest.raises(UserError, match="cannot be loaded") as caught:
            list(tag.run(pictured, used))
        said.append((type(caught.value), caught.value.message, caught.value.hint))
    assert said[0] == said[1]


def test_nodes_with_another_version_are_named(
    pictured: Project, tiny: Path, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes.have(1)
    monkeypatch.setattr(workers, "version", lambda: "9.8.7")
    with pytest.raises(UserError, match=r"The node .* cannot work: it has shikomi .*, not 9\.8\.7"):
        list(tag.run(pictured, options(tiny, nodes)))


@pytest.mark.parametrize(
    ("module", "fault"),
    [
        ("prep.tagging.runtime.cluster.node_worker", "shikomi is not installed there"),
        ("onnxruntime", "onnxruntime cannot be used there"),
    ],
)
def test_a_node_says_what_it_lacks(
    module: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert NodeActor().check(workers.version()).startswith(fault)


def test_ray_that_is_not_installed_is_a_matter_of_one_command(
    pictured: Project, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'shikomi\[ray\]'"):
        list(tag.run(pictured, options(tiny, engine="ray")))


@pytest.mark.parametrize(
    ("address", "error", "said"),
    [
        ("ray://somewhere:10001", ConfigError, "are not supported"),
        ("nonsense", ConfigError, "nonsense is not the address"),
        ("localhost:99999", ConfigError, "localhost:99999 is not the address"),
        ("localhost:1", RetryError, "no cluster of Ray at localhost:1 .*[Rr]efused"),
        ("no-such-host.invalid:6379", RetryError, "no cluster of Ray at no-such-host"),
    ],
)
def test_addresses_that_are_none(
    pictured: Project, tiny: Path, address: str, error: type[UserError], said: str
) -> None:
    with pytest.raises(error, match=said):
        list(tag.run(pictured, options(tiny, engine="ray", ray_address=address)))


def test_an_interrupted_run_leaves_scores_and_no_processes(pictured: Project, slow: Path) -> None:
    """Ray is started for the run, says nothing, and ends with it."""
    verb = ["tag", str(pictured.root), "--json", "--model", str(slow), "--engine", "ray"]
    environment = {**os.environ, "RAY_ADDRESS": "", "RAY_OBJECT_STORE_MEMORY": str(MEMORY)}
    with subprocess.Popen(
        [sys.executable, "-m", "tui.cli", *verb],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        said = []
        for line in child.stdout:
            said.append(json.loads(line))
            if said[-1].get("what") == "tag" and said[-1]["done"]:
                os.killpg(child.pid, signal.SIGINT)  # as a terminal does
                break
        said += [json.loads(line) for line in child.stdout]
        errors = child.stderr.read()
    assert child.returncode == 130
    assert errors == ""
    assert said[-1]["reason"] == "interrupted"
    assert 0 < len(scores(pictured)) < IMAGES
    with pytest.raises(ProcessLookupError):
        os.killpg(child.pid, 0)
