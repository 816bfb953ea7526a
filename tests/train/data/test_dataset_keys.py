from typing import Any

import pytest

from train.data.dataset_keys import faults_of, resolution_of


def faults(dataset: dict[str, Any] | None = None, **subset: Any) -> list[str]:
    table = {"resolution": 512, "subsets": [{"image_dir": "x", **subset}], **(dataset or {})}
    return faults_of({"datasets": [table]})


def test_usual_values_are_fine() -> None:
    assert faults({"enable_bucket": True, "bucket_reso_steps": 64, "batch_size": 1}) == []
    assert faults(caption_dropout_rate=0, caption_tag_dropout_rate=1.0, keep_tokens=0) == []
    assert (
        faults_of({"general": {"resolution": 64}, "datasets": [{"subsets": [{"image_dir": "x"}]}]})
        == []
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("num_repeats", value) for value in (0, -1, 1.5, True, "2")),
        *(("keep_tokens", value) for value in (-1, False, 1.0)),
        *(("caption_dropout_rate", value) for value in (-0.1, 1.1, 2, float("nan"), float("inf"))),
        *(("caption_tag_dropout_rate", value) for value in (-1, 1.01, True)),
        *(("caption_separator", value) for value in ("", 1)),
        *(("caption_extension", value) for value in ("", 1)),
        *(("image_dir", value) for value in ("", 1)),
        ("shuffle_caption", 1),
        ("flip_aug", "yes"),
    ],
)
def test_values_of_a_subset_have_limits(key: str, value: Any) -> None:
    (fault,) = faults(**{key: value})
    assert fault.startswith(f"datasets[0].subsets[0].{key} ")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("batch_size", value) for value in (0, -4, True)),
        *(("resolution", value) for value in (0, -64, "", "a,b", [], [1, 2, 3], [0, 512])),
        *(("resolution", value) for value in ([512.5, 512], [True, 512], "512,-1", 10**6, [None])),
        *(("min_bucket_reso", value) for value in (0, -1)),
        *(("max_bucket_reso", value) for value in (0, 10**9)),
        *(("bucket_reso_steps", value) for value in (0, -64, 10**9)),
    ],
)
def test_values_of_a_dataset_have_limits(key: str, value: Any) -> None:
    (fault,) = faults({"enable_bucket": True, key: value})
    assert fault.startswith(f"datasets[0].{key} ")


def test_a_range_is_said() -> None:
    assert faults(num_repeats=0) == [
        "datasets[0].subsets[0].num_repeats = 0 is out of range: it must be at least 1"
    ]
    assert "from 0 to 1" in faults(caption_dropout_rate=2)[0]


def test_steps_larger_than_the_resolution_leave_no_bucket() -> None:
    (fault,) = faults({"enable_bucket": True, "bucket_reso_steps": 1024})
    assert "no bucket fits" in fault
    assert faults({"enable_bucket": False, "bucket_reso_steps": 1024}) == []


@pytest.mark.parametrize(
    "data",
    [
        {"datasets": [1]},
        {"datasets": ["x"]},
        {"datasets": {"a": 1}},
        {"general": [], "datasets": []},
        {"datasets": [{"resolution": 512, "subsets": "x"}]},
        {"datasets": [{"resolution": 512, "subsets": [1]}]},
        {"datasets": [{"resolution": 512, "subsets": {"image_dir": "x"}}]},
        {},
    ],
)
def test_tables_of_another_shape_are_faults(data: dict[str, Any]) -> None:
    assert faults_of(data)


def test_all_spellings_of_a_size() -> None:
    found = [
        resolution_of(value) for value in (512, [512], "512", [512, 768], "512,768", "512, 768")
    ]
    assert found == [(512, 512)] * 3 + [(512, 768)] * 3
