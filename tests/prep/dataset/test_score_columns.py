import numpy as np
import pytest

from prep.dataset.index import Index, ScannedImage
from prep.dataset.values.score_blobs import ScoreBlobs
from prep.errors import ConfigError
from prep.project import Project
from prep.tagging.models.obtain import GENERAL, RATING, TagTable
from prep.tagging.scores.store import ScoreStore

TABLE = TagTable(("safe", "long_hair", "smile"), (RATING, GENERAL, GENERAL))


def put(index: Index, tagger: str, scores: dict[str, float], table: TagTable = TABLE) -> None:
    """Give contents a score for the last tag of the table."""
    last = np.arange(len(table)) == len(table) - 1
    ScoreStore(index, tagger, table).put(
        (name, (last * score).astype(np.float32)) for name, score in scores.items()
    )


@pytest.fixture
def index(project: Project) -> Index:
    index = Index(project)
    index.put(ScannedImage(f"dataset/{name}.png", ".", 1, 1, 64, 64, "PNG") for name in "abcd")
    index.put_contents((f"dataset/{name}.png", name) for name in "abcd")
    return index


def found(index: Index, where: str) -> str:
    return "".join(row.content or "" for row in index.select(where))


def test_new_scores_are_seen_and_old_ones_read_once(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(index, "first", {"a": 0.9, "b": 0.3})
    assert found(index, "score:smile>0.6") == "a"
    assert found(index, "score:smile<=0.6") == "b"
    assert found(index, "-score:smile>0.6") == "bcd"
    put(index, "first", {"c": 0.7})
    assert found(index, "score:smile>0.6") == "ac"
    assert found(index, "score:SMILE>0.6 score:long_hair<0.1") == "ac"
    monkeypatch.setattr(ScoreBlobs, "column", None)
    assert found(index, "score:smile>0.6") == "ac"


def test_the_highest_of_several_taggers_counts(index: Index) -> None:
    put(index, "first", {"a": 0.9, "b": 0.3})
    put(index, "second", {"a": 0.2, "b": 0.8, "d": 0.65}, TagTable(("smile",), (GENERAL,)))
    assert found(index, "score:smile>0.6") == "abd"
    assert found(index, "score:smile=0.8") == "b"
    assert found(index, "score:smile=0.6..0.8") == "bd"


def test_scores_equal_what_the_store_has(index: Index) -> None:
    put(index, "first", {"a": 1 / 3, "b": 0.35})
    index.select("score:smile>0")
    values = dict(index.connection.execute("SELECT content, value FROM score_values"))
    stored = ScoreStore(index, "first", TABLE).load(["a", "b"])[:, 2]
    assert [values["a"], values["b"]] == stored.astype(float).tolist()


def test_what_is_not_known_is_said(index: Index) -> None:
    with pytest.raises(ConfigError, match="character 3: no image has been tagged") as caught:
        index.ids("a score:smile>0.5")
    assert "shikomi tag" in caught.value.hint
    put(index, "first", {"a": 0.9})
    with pytest.raises(
        ConfigError, match="none of the taggers used knows the tag 'smil'"
    ) as caught:
        index.ids("score:smil>0.5")
    assert "smile" in caught.value.hint
    with pytest.raises(ConfigError, match="duplicates have not been searched yet"):
        index.ids("dup:kept")
    assert list(index.ids("dup:yes")) == []


def test_buckets_follow_the_settings(project: Project, index: Index) -> None:
    index.put([ScannedImage("dataset/wide.png", ".", 1, 1, 1216, 832, "PNG")])
    assert found(index, "bucket:512x512") == "abcd"
    assert [row.path for row in index.select("-upscaled")] == ["dataset/wide.png"]
    changed = project.saved({"project": {"resolution": 1024}, "buckets": {"no_upscale": True}})
    with Index(changed) as again:
        assert found(again, "bucket:64x64") == "abcd"
        assert list(again.ids("upscaled")) == []
        assert [row.path for row in again.select("bucket:1216x832")] == ["dataset/wide.png"]
        settings = again.connection.execute("SELECT count(DISTINCT settings) FROM fits")
        assert settings.fetchone() == (2,)
