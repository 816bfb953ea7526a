"""Taggers known by name: their repositories, revisions and files.

Revisions and checksums pin what is downloaded, so that a changed repository cannot change
anyone's tags. Thresholds of WD taggers are those at which precision equals recall, from their model
cards (v1 has none: 0.35); v3 measures that as a mean over tags, so their numbers
cannot be compared with those of v2.
"""

import re
from dataclasses import dataclass
from difflib import get_close_matches

from prep.tagging.models.records import (
    CAMIE,
    CANARY,
    CL,
    CL_2,
    DEEPDANBOORU,
    JOYTAG,
    ML_DANBOORU,
    OPPAI,
    PIXAI,
    PIXAI_1,
    POINT,
    TIMM,
    WD,
    Record,
)

APACHE, GPL, MIT = "Apache-2.0", "GPL-3.0", "MIT"
_EXPORT = re.compile(r"-onnx(-v\d+)?$")
"""How names of ONNX exports end."""


@dataclass(frozen=True)
class HubTagger:
    """A tagger on the Hugging Face hub.

    Attributes:
        name: Short name, unique.
        repository: Its name on the hub.
        revision: Commit; ``main`` if none was ever recorded.
        record: How it is used; files named as in the repository.
        sha256: Checksum of the model file; empty if not known.
        size: Size of the model's files, bytes; 0 if not known.
        licence: Of the weights, as on its page; empty if not stated.
        gated: The hub gives it only to those who have accepted its terms.
    """

    name: str
    repository: str
    revision: str
    record: Record
    sha256: str = ""
    size: int = 0
    licence: str = ""
    gated: bool = False


def _wd(name: str, general: float, revision: str, sha256: str, size: int = 0) -> HubTagger:
    advice = {"general": general, "character": 0.85, "point": POINT if general != 0.35 else ""}
    record = WD.model_copy(update=advice)
    return HubTagger(name, f"SmilingWolf/{name}", revision, record, sha256, size, APACHE)


def _timm(name: str, size: int = 0) -> HubTagger:
    return HubTagger(name, f"animetimm/{name}", "main", TIMM, "", size, GPL, gated=True)


def _cl(version: str, sha256: str = "", size: int = 0) -> HubTagger:
    folder = f"cl_tagger_{version}"
    files = {"model": f"{folder}/{CL.model}", "tags": f"{folder}/{CL.tags}"}
    return HubTagger(
        folder,
        "cella110n/cl_tagger",
        "0b6e9b4e145b1423bfd1715119074a24a301b471",
        CL.model_copy(update=files),
        sha256,
        size,
        APACHE,
    )


_EVA02 = {"general": 0.5296, "character": 0.85, "point": POINT}

KNOWN: tuple[HubTagger, ...] = (
    _wd(
        "wd-swinv2-tagger-v3",
        0.2653,
        "627aef95638667ddcaa3ac8ae625e88ea5b02f51",
        "e6774bff34d43bd49f75a47db4ef217dce701c9847b546523eb85ff6dbba1db1",
        467_460_978,
    ),
    _wd(
        "wd-vit-tagger-v3",
        0.2614,
        "7f6b584d0bd3f55c4531f14ba3d4761b2bccdc0f",
        "35f23693620b668f4d53fd3c62bf65e40af739bc52c7eb0fbc49258b58d065b6",
        378_536_310,
    ),
    _wd(
        "wd-convnext-tagger-v3",
        0.2682,
        "d39e46de298d27340111b64965e20b8185c407e6",
        "1b8a7abf13d9b8368267df47501d523789c4aeae66b2296ad98483239dfa32eb",
        394_990_732,
    ),
    _wd(
        "wd-vit-large-tagger-v3",
        0.2606,
        "ae469aa2e4706a3af08d3673cf73a11d1add314c",
        "e4c8001b000a6c98f2db10794f7c406daa79873d071d6ca924330fa053fa1845",
        1_260_645_673,
    ),
    _wd(
        "wd-eva02-large-tagger-v3",
        0.5296,
        "b25b82a03f7282e41aa2f257a52c7583b710bd1c",
        "9e768793060c7939b277ccb382783e8670e8a042d29d77aa736be0c8cc898bfc",
        1_260_435_999,
    ),
    HubTagger(
        "wd-eva02-tagger-2026-canary",
        "Misaka41Z/wd-eva02-tagger-2026-canary-onnx-v2",
        "0a86acfa093b33b8818667820e52fc5eccf27ff8",
        CANARY,
        "fd78fbdf9390cbd163e4dd28f754a5bbf83bc7a111c4d20270f22415a0f66c95",
        1_309_248_037,
        APACHE,
    ),
    HubTagger(
        "wd-eva02-large-tagger-v3-embeddings",
        "deepghs/wd14_tagger_with_embeddings",
        "02fcdebd8afb52d5697a91efa4ca1c522b632581",
        WD.model_copy(update={"tags": "tags_info.csv", **_EVA02}).within(
            "SmilingWolf/wd-eva02-large-tagger-v3"
        ),
        "983f026df23214ba55f78cd5898f76f434fa9230837a4e93f1aaa6c37e284835",
        1_260_436_067,
        APACHE,
    ),
    _wd(
        "wd-v1-4-moat-tagger-v2",
        0.3771,
        "8452cddf280b952281b6e102411c50e981cb2908",
        "b8cef913be4c9e8d93f9f903e74271416502ce0b4b04df0ff1e2f00df488aa03",
        326_197_340,
    ),
    _wd(
        "wd-v1-4-swinv2-tagger-v2",
        0.3771,
        "cdb0c7fdc70646f0af29c6f80f8df564344a69b6",
        "04ec04fdf7db74b4fed7f4b52f52e04dec4dbad9e4d88d2d178f334079a29fde",
    ),
    _wd(
        "wd-v1-4-convnextv2-tagger-v2",
        0.3710,
        "bf364499ea843a403cc2770072f31f5cfb2ffa58",
        "e91daa19cd9e8725125b7d70702d1560855fb687f8d8c4218eddaa821f41834a",
    ),
    _wd(
        "wd-v1-4-convnext-tagger-v2",
        0.3685,
        "4b34d1b07bdd8e95494072648960b8a6adcbc0ff",
        "71f06ecb7b9df81d8f271da4d43997ea2ed363cdac29aa64fcb256c9631e656a",
    ),
    _wd(
        "wd-v1-4-vit-tagger-v2",
        0.3537,
        "1f3f3e8ae769634e31e1ef696df11ec37493e4f2",
        "8a21cadd1f88a095094cafbffe3028c3cc3d97f4d58c54344c5994bcf48e24ac",
    ),
    _wd(
        "wd-v1-4-convnext-tagger",
        0.35,
        "4036ca51f1c082b0e7c4496890bbf9eadad5764a",
        "b7d7c9923e0056a2def0f4418df01a1274467b3da8480f146b851289257734de",
    ),
    _wd(
        "wd-v1-4-vit-tagger",
        0.35,
        "213a7bd66d93407911b8217e806a95edc3593eed",
        "22e88a3226e427998fdf669bdbd035ee7040f3229796dd66ec35b8dd90e852b5",
    ),
    _cl(
        "1_02",
        "1459e946ffc083159015e0eb26239016349ddd36c3daecfeb70bfa4ccf38b944",
        1_425_860_192,
    ),
    _cl("1_01"),
    HubTagger(
        "cl_tagger_v2",
        "cella110n/cl_tagger_v2",
        "b57909b8e9c63f71e208a26473e7aabdf45ed6b6",
        CL_2.within("v2_00"),
        "",
        2_200_000_000,
        "CL Tagger v2 Model License, no redistribution",
        gated=True,
    ),
    HubTagger(
        "pixai-tagger-v0.9",
        "deepghs/pixai-tagger-v0.9-onnx",
        "d8cf666911a2c3d10d586d7823259192313c7eb7",
        PIXAI,
        "a8d479098b5e23f253543c93df42391736abbb77c21c2efd3a513b9cda7b3657",
        1_271_365_854,
        APACHE,
    ),
    HubTagger(
        "pixai-tagger-v1.0",
        "Mexes/pixai-tagger-v1.0-onnx-fp32-fp16-int8",
        "0800778563144a0e6fdf41ddadd84aae3cb0dbcf",
        PIXAI_1,
        "1cae6083f07be1e1757125802566c767005ae883e4504c00db4ee1ef93486dad",
        1_984_062_544,
        APACHE,
    ),
    HubTagger(
        "pixai-tagger-v1.0-fp16",
        "Mexes/pixai-tagger-v1.0-onnx-fp32-fp16-int8",
        "0800778563144a0e6fdf41ddadd84aae3cb0dbcf",
        PIXAI_1.model_copy(update={"model": "model_fp16.onnx"}),
        "cd668e6760bb58ec400ce1b0286e5c9133f83b543caac6a378406b7d56f8c303",
        992_916_002,
        APACHE,
    ),
    HubTagger(
        "OppaiOracle-v1.1",
        "Grio43/OppaiOracle",
        "96992fa30568c386e9fe7c8a1a68f798a3202c09",
        OPPAI.within("V1.1_onnx"),
        "8567852deb135eccfe4b8445d48e4476ee8846436486679adc0642cfeda07d13",
        0,
        APACHE,
    ),
    _timm("eva02_large_patch14_448.dbv4-full", 1_268_832_518),
    _timm("caformer_b36.dbv4-full", 536_982_484),
    _timm("swinv2_base_window8_256.dbv4-full"),
    _timm("mobilenetv4_conv_aa_large.dbv4-full", 189_162_894),
    HubTagger(
        "camie-tagger-v2",
        "Camais03/camie-tagger-v2",
        "7d40c1b85b86ab4f607b2caf26b1b50c99db743e",
        CAMIE,
        "",
        788_983_561,
        GPL,
    ),
    HubTagger(
        "ml-danbooru",
        "deepghs/ml-danbooru-onnx",
        "eb9058324a741f1b90d4db168f6e1d6b6cb7e63d",
        ML_DANBOORU,
        "4ea7aa66df59632c71e036cd9eda9c89e0eaf58bcd39bf9718e63583378cba75",
        286_584_124,
        MIT,
    ),
    HubTagger(
        "joytag",
        "fancyfeast/joytag",
        "6b7f16331a6ccf0fdce37d5a9564715f6e772b22",
        JOYTAG,
        "f85b7130e6e549b5b0822537007b7482e8c4c8e754c8d9a5bee08e27050e1097",
        366_116_154,
        APACHE,
    ),
    HubTagger("deepdanbooru", "chinoll/deepdanbooru", "main", DEEPDANBOORU),
)

NAMES = tuple(known.name for known in KNOWN)
"""Known taggers, in the order in which they are listed."""


def lookup(name: str) -> HubTagger | None:
    """Return the tagger with a short name or repository name, ignoring case.

    A folder of its repository may follow (owner/name/folder), or the last part alone will do, as of
    a local folder with the same name, with or without ``-onnx`` behind it.
    """
    wanted = name.casefold()
    for known in KNOWN:
        if wanted in (known.name.casefold(), known.repository.casefold()):
            return known
    for known in KNOWN:
        folder = known.record.model.rpartition("/")[0]
        places = {f"{known.repository}/{part}".casefold() for part in (known.name, folder) if part}
        last = known.repository.rpartition("/")[2].casefold()
        if wanted in {*places, last} or _EXPORT.sub("", wanted) == known.name.casefold():
            return known
    return None


def similar(name: str) -> str:
    """Return the known short name most similar to ``name``; empty for none."""
    found = get_close_matches(name.casefold(), NAMES, 1, 0.5)
    return found[0] if found else ""
