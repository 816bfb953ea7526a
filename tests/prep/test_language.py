"""Which language is chosen, and what happens without a catalogue."""

import pytest

from prep import language
from prep.language import _, ngettext


@pytest.mark.parametrize(
    "environment",
    [{}, {"LANG": "C.UTF-8"}, {"LANG": "xx_XX"}, {"LANG": ""}, {"LC_ALL": "en_GB", "LANG": "xx"}],
)
def test_english_where_nothing_else_is_asked_for_or_known(environment: dict[str, str]) -> None:
    assert language.wanted(environment) == "en"


def test_without_a_catalogue_texts_stay_english() -> None:
    language.use("xx")
    assert _("{count} images").format(count=2) == "2 images"
    assert _("") == ""  # gettext would return the catalogue's header
    assert [ngettext("{n} image", "{n} images", n).format(n=n) for n in (1, 2)] == [
        "1 image",
        "2 images",
    ]
