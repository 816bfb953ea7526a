from hypothesis import given
from hypothesis import strategies as st

from prep.captions.traits import is_circumstance, is_count_tag, own_traits


def test_traits_are_what_nearly_all_images_share() -> None:
    counts = [("mochi", 20), ("solo", 20), ("no humans", 20), ("bear", 19), ("hat", 12)]
    assert own_traits(counts, 20, trigger="Mochi") == ["bear"]
    assert own_traits(counts, 20, trigger="mochi", share=0.5) == ["bear", "hat"]


def test_count_tags_are_no_traits_in_any_spelling() -> None:
    for tag in ("solo", "1girl", "6+boys", "multiple_girls", "no humans", "2OTHERS"):
        assert is_count_tag(tag)
    for tag in ("bear", "solo focus", "1girls hat", "boy"):
        assert not is_count_tag(tag)


def test_places_and_poses_are_no_traits() -> None:
    assert is_circumstance("Full_Body")
    assert not is_circumstance("bear")
    assert own_traits([("bear", 20), ("standing", 20), ("white background", 19)], 20) == ["bear"]


@given(st.dictionaries(st.text("abc_ ", min_size=1), st.integers(0, 50)), st.integers(1, 50))
def test_every_trait_reaches_the_share(counts: dict[str, int], images: int) -> None:
    for tag in own_traits(counts.items(), images):
        assert counts[tag] >= 0.85 * images
