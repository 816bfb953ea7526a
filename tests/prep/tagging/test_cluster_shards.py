"""How shards are handed out, whatever happens to workers: a stand-in for Ray, no processes."""

import itertools
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep import events
from prep.errors import RetryError, UnreadableError, UserError
from prep.system.files import bytes_hash
from prep.tagging.models.obtain import find
from prep.tagging.runtime.cluster import ray_engine as engine_module
from prep.tagging.runtime.cluster import workers as crew_module
from prep.tagging.runtime.cluster.ray_engine import _Gathering
from prep.tagging.runtime.cluster.workers import SHARDS, WorkerPool
from prep.tagging.runtime.running import Running
from tests.prep.ray_stand_in import StandIn, score
from tests.prep.tiny_taggers import make_tagger

pytest.importorskip("ray")

Outcome = dict[str, float | str]
NODES = [{"CPU": 4.0}, {"CPU": 2.0}, {"CPU": 1.0}]


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tagger(tmp_path_factory.mktemp("tiny"))


def gathered(
    ray: StandIn, tagger: Path, contents: list[str], device: str = "cpu"
) -> tuple[Outcome, list[events.Event]]:
    """Return what became of each content, having checked that each came once."""
    running = Running(device=device)  # type: ignore[arg-type]
    pool = WorkerPool(ray, find(str(tagger), tagger), running)
    outcome: Outcome = {}
    said: list[events.Event] = []
    for item in _Gathering(pool, contents, lambda content: Path(f"/nowhere/{content}.png")).run():
        if isinstance(item, events.Event):
            said.append(item)
            continue
        content, scores, _ = item
        assert content not in outcome
        failed = isinstance(scores, UnreadableError)
        outcome[content] = scores.message if failed else float(scores[0])  # type: ignore[union-attr,index]
    pool.close()
    assert not ray.alive
    assert ray.most_under_way <= SHARDS
    return outcome, said


@given(
    st.integers(0, 300),
    st.integers(1, 3),
    st.frozensets(st.integers(0, 299), max_size=2),
    st.integers(0, 6),
    st.randoms(use_true_random=False),
)
def test_each_content_comes_exactly_once_whatever_happens(
    tagger: Path, count: int, nodes: int, deadly: frozenset[int], accidents: int, random: object
) -> None:
    contents = [str(number) for number in range(count)]
    killers = frozenset(str(n) for n in deadly if n < count)
    ray = StandIn(
        NODES[:nodes],
        random.randrange,  # type: ignore[attr-defined]
        deadly=killers,
        accidents=accidents,
    )
    try:
        outcome, _ = gathered(ray, tagger, contents)
    except RetryError:  # too many in a row on every node: an honest end
        assert accidents or killers
        return
    assert outcome.keys() == set(contents)
    for content, found in outcome.items():
        if isinstance(found, str):
            assert found == f"{content}.png: 3 workers crashed while reading it"
        else:
            assert found == pytest.approx(score(content), abs=1e-3)
    unread = {content for content, found in outcome.items() if isinstance(found, str)}
    assert killers <= unread
    if not accidents:
        assert unread == killers


def test_an_image_that_ends_its_worker_costs_itself_only(tagger: Path) -> None:
    contents = [str(number) for number in range(200)]
    ray = StandIn(NODES[:1], lambda _: 0, deadly=frozenset({"70"}))
    outcome, said = gathered(ray, tagger, contents)
    assert [c for c, found in outcome.items() if isinstance(found, str)] == ["70"]
    lost = [event for event in said if isinstance(event, events.Warned)]
    assert 3 <= len(lost) <= 10


def test_one_worker_for_each_gpu_or_else_for_each_node(tagger: Path) -> None:
    cluster = [{"CPU": 16.0, "GPU": 4.0}, {"CPU": 8.0, "GPU": 1.0}, {"CPU": 32.0}, {"GPU": 0.0}]
    for device, wanted in (
        ("auto", [(4, 1)] * 4 + [(8, 1)]),
        ("cpu", [(16, 0), (8, 0), (32, 0)]),
    ):
        ray = StandIn(cluster, lambda _: 0)
        pool = WorkerPool(ray, find(str(tagger), tagger), Running(device=device))  # type: ignore[arg-type]
        pool.start_workers()
        asked = [(actor.given["num_cpus"], actor.given["num_gpus"]) for actor in ray.alive]
        assert asked == wanted
        pool.close()


def test_a_cluster_without_cores_is_refused(tagger: Path) -> None:
    with pytest.raises(UserError, match="neither GPUs nor cores"):
        gathered(StandIn([{"CPU": 0.0}], lambda _: 0), tagger, ["1"])


def test_a_node_that_loses_all_workers_is_given_up(tagger: Path) -> None:
    ray = StandIn(NODES[:2], lambda _: 0, accidents=1000)
    with pytest.raises(RetryError, match="No worker of the cluster is left"):
        gathered(ray, tagger, ["1", "2"])


def test_a_head_that_is_gone_ends_the_run_but_not_at_once(
    tagger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew_module, "_LOOK_EVERY", 0.0)
    monkeypatch.setattr(crew_module, "_HEAD_SECONDS", 30.0)
    clock = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    answers = [True, False, True, *[False] * 40]
    ray, files = StandIn(NODES[:1], lambda _: 0), find(str(tagger), tagger)
    pool = WorkerPool(ray, files, Running(device="cpu"), lambda: answers.pop(0))
    done: list[str] = []

    def run() -> None:
        given = _Gathering(pool, [str(number) for number in range(5000)], Path).run()
        done.extend(item[0] for item in given if not isinstance(item, events.Event))

    with pytest.raises(RetryError, match="head of the cluster no longer answers") as caught:
        run()
    assert "run the same command again" in caught.value.hint
    assert 20 < len(answers) < 38
    assert 0 < len(done) < 5000


@pytest.mark.parametrize("part", [1, 1000, 1 << 20])
def test_files_that_workers_do_not_see_are_sent_in_bounded_parts(
    tagger: Path, tmp_path: Path, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_PART", part)
    monkeypatch.setattr(engine_module, "_ALL_PARTS", 2 * part)
    paths: dict[str, Path] = {}
    for number in range(40):
        data = bytes([number]) * 300
        content = str(int(bytes_hash(data), 16))
        paths[content] = tmp_path / f"{number}.png"
        paths[content].write_bytes(data)
    # Contents are numbers here, so hashes are compared as such.
    monkeypatch.setattr(engine_module, "bytes_hash", lambda data: str(int(bytes_hash(data), 16)))
    changed, gone = list(paths)[7], list(paths)[9]
    paths[changed].write_bytes(b"other")
    paths[gone].unlink()
    ray = StandIn(NODES[:2], lambda _: 0, hidden=frozenset(paths))
    pool = WorkerPool(ray, find(str(tagger), tagger), Running(device="cpu"))
    gathering = _Gathering(pool, list(paths), paths.__getitem__)
    most, outcome = 0, {}
    for item in gathering.run():
        if isinstance(item, events.Event):
            assert isinstance(item, events.Progress)
            continue
        content, scores, _ = item
        assert content not in outcome
        outcome[content] = scores
        most = max(most, sum(sent.bytes for sent in gathering._sent.values()))
    assert outcome.keys() == paths.keys()
    assert most <= 2 * part + 2 * (part + 300)
    faults = {c: one.message for c, one in outcome.items() if isinstance(one, UnreadableError)}
    assert faults == {
        changed: "7.png: the file has changed in the meantime",
        gone: "9.png: the file no longer exists",
    }
