import os
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from prep import events
from prep.dataset.index import Index
from prep.dataset.journal.changes import exclusion
from prep.dataset.journal.edits import Journal
from prep.images import decode
from prep.images.pixels import fitted
from prep.project import Project
from prep.system.names import disk_key
from prep.training_set import manifest
from tests.conftest import MakeImage, draw_numbered
from tests.prep.exporting import counts, run, skipped, summary, tree, warnings


@pytest.mark.parametrize("image_format", ["webp", "png"])
def test_what_is_written_is_what_the_preview_shows(
    project: Project, make_image: MakeImage, out: Path, image_format: str
) -> None:
    sizes = {"wide": (1200, 500), "tall": (300, 900), "exact": (512, 512), "small": (80, 90)}
    for number, (name, size) in enumerate(sizes.items()):
        make_image(f"10_mochi/{name}.png", number, size, caption=f"mochi, {name}\nA line.\r\n")
    exif = Image.Exif()
    exif[0x0112] = 6
    draw_numbered(9, (600, 400)).save(project.dataset / "10_mochi" / "turned.jpg", exif=exif)
    cutout = draw_numbered(5, (500, 500)).convert("RGBA")
    cutout.putalpha(Image.radial_gradient("L").resize((500, 500)))
    cutout.save(project.dataset / "10_mochi" / "alpha.webp", lossless=True)

    found = run(project, format=image_format)

    with Index(project) as index:
        rows = index.usable()
    assert len(rows) == 6
    for row in rows:
        made = out / "10_mochi" / f"{Path(row.path).stem}.{image_format}"
        fit = project.buckets.fit((row.width, row.height))
        with Image.open(made) as image:
            assert image.mode == "RGB"
            assert image.size == fit.bucket
            pixels = np.asarray(image)
        assert np.array_equal(pixels, fitted(decode(project.root / row.path), fit))
    for name in sizes:
        text = (out / "10_mochi" / f"{name}.txt").read_bytes()
        assert text == f"mochi, {name}\nA line.\r\n".encode()
    written = [e.path for e in found if isinstance(e, events.Written)]
    assert len(written) == 6 + 4 + 1
    assert written[0] == f"output/dataset/10_mochi/alpha.{image_format}"
    assert "2 images in 10_mochi have neither caption nor trigger word" in warnings(found)


def test_the_dataset_file_has_only_what_sd_scripts_reads(
    project: Project, make_image: MakeImage, out: Path
) -> None:
    make_image("10_mochi/a.png", 1, caption="mochi")
    make_image("1_bear/r.png", 2, caption="bear")
    make_image("photos/p.png", 3, caption="x")
    changed = project.saved(
        {
            "concepts": {
                "10_mochi": {"trigger": "mochi"},
                "1_bear": {"regularization": True},
                "photos": {"repeats": 4},
            },
            "buckets": {"no_upscale": True},
            "train": {"batch_size": 3},
        }
    )
    made = summary(run(changed))
    assert made["dataset_toml"] == str(out / "dataset.toml")
    data = tomllib.loads((out / "dataset.toml").read_text("utf-8"))
    general, (dataset,) = data["general"], data["datasets"]
    assert general == {"caption_extension": ".txt", "shuffle_caption": True}
    subsets = dataset.pop("subsets")
    assert dataset == {
        "resolution": 512,
        "batch_size": 3,
        "enable_bucket": True,
        "min_bucket_reso": 256,
        "max_bucket_reso": 1024,
        "bucket_reso_steps": 64,
        "bucket_no_upscale": True,
    }
    assert subsets == [
        subset(out / "reg" / "1_bear", 1, "bear", 0) | {"is_reg": True},
        subset(out / "10_mochi", 10, "mochi", 1),
        subset(out / "4_photos", 4, "photos", 0),
    ]


def subset(folder: Path, repeats: int, class_tokens: str, keep_tokens: int) -> dict[str, Any]:
    return {
        "image_dir": str(folder),
        "num_repeats": repeats,
        "class_tokens": class_tokens,
        "keep_tokens": keep_tokens,
    }


def test_folders_may_be_relative(project: Project, make_image: MakeImage, out: Path) -> None:
    make_image("10_mochi/a.png", 1, caption="mochi")
    make_image("1_bear/r.png", 2, caption="bear")
    changed = project.saved({"concepts": {"1_bear": {"regularization": True}}})
    run(changed, relative=True, shuffle=False)
    data = tomllib.loads((out / "dataset.toml").read_text("utf-8"))
    folders = [table["image_dir"] for table in data["datasets"][0]["subsets"]]
    assert folders == ["reg/1_bear", "10_mochi"]
    assert data["general"]["shuffle_caption"] is False
    assert all((out / folder).is_dir() for folder in folders)


def test_a_second_export_writes_nothing(project: Project, make_image: MakeImage, out: Path) -> None:
    for number in range(5):
        make_image(f"10_mochi/{number}.png", number, caption="mochi")
    assert counts(run(project)) == (11, 0, 0)
    before = tree(out)
    assert counts(run(project)) == (0, 11, 0)
    assert tree(out) == before
    # Touched, not changed.
    os.utime(project.dataset / "10_mochi" / "0.png", ns=(1, 1))
    assert counts(run(project)) == (0, 11, 0)
    assert tree(out) == before


def test_only_what_changed_is_written(project: Project, make_image: MakeImage, out: Path) -> None:
    for number in range(4):
        make_image(f"10_mochi/{number}.png", number, caption="mochi")
    run(project)
    before = tree(out)
    (project.dataset / "10_mochi" / "1.txt").write_text("mochi, hat")
    make_image("10_mochi/2.png", 77)
    assert counts(run(project)) == (2, 7, 0)
    after = tree(out)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"10_mochi/1.txt", "10_mochi/2.webp", manifest.FILE_NAME}
    # Another resolution changes every image and no caption.
    bigger = project.saved({"project": {"resolution": 768}})
    assert counts(run(bigger)) == (5, 4, 0)


def test_equal_names_get_a_file_each(project: Project, make_image: MakeImage, out: Path) -> None:
    names = ["a.png", "a.jpg", "A.webp", "a-2.png", "deep/a.png", "deep/b.png", "deep-b.png"]
    for number, name in enumerate([*names, "\u00e9.png", "e\u0301.png"]):
        make_image(f"10_mochi/{name}", number, caption=name)
    found = run(project)
    made = Counter(disk_key(name) for name in tree(out) if name.endswith(".webp"))
    assert len(made) == 9
    assert set(made.values()) == {1}
    assert (out / "10_mochi" / "a-2.webp").exists()
    assert counts(found)[0] == 19
    assert counts(run(project))[0] == 0


def test_concepts_of_one_name_stay_apart(
    project: Project, make_image: MakeImage, out: Path
) -> None:
    make_image("10_mochi/a.png", 1, caption="mochi")
    make_image("mochi/a.png", 2, caption="style")
    run(project.saved({"concepts": {"mochi": {"repeats": 10}}}))
    texts = [(out / name / "a.txt").read_text() for name in ("10_mochi", "10_mochi-2")]
    assert texts == ["mochi", "style"]


def test_captions(project: Project, make_image: MakeImage, out: Path) -> None:
    make_image("10_mochi/none.png", 1)
    make_image("10_mochi/empty.png", 2, caption="")
    make_image("10_mochi/blank.png", 3, caption=" \n")
    make_image("10_mochi/mark.png", 4).with_suffix(".txt").write_bytes(
        b"\xef\xbb\xbfmochi, \xe6\xa8\xa1"
    )
    make_image("10_mochi/latin.png", 5).with_suffix(".txt").write_bytes(b"h\xe9")
    changed = project.saved({"concepts": {"10_mochi": {"trigger": "mochi"}}})
    found = run(changed)
    assert list(skipped(found)) == ["dataset/10_mochi/latin.png"]
    texts = {path.stem: path.read_bytes() for path in (out / "10_mochi").glob("*.txt")}
    assert texts == {
        "none": b"mochi",
        "empty": b"mochi",
        "blank": b"mochi",
        "mark": "mochi, 模".encode(),
    }
    # Without a trigger word there is nothing to say: no file rather than an empty one.
    run(changed.saved({"concepts": {"10_mochi": {"trigger": ""}}}))
    assert [path.stem for path in (out / "10_mochi").glob("*.txt")] == ["mark"]


def test_excluded_images_are_left_out(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/a.png", 1, caption="mochi")
    make_image("10_mochi/b.png", 2, caption="mochi")
    assert summary(run(project))["images"] == 2
    with Index(project) as index:
        Journal(index).apply("x", [exclusion("dataset/10_mochi/b.png", None, "blurred")])
    found = run(project)
    assert (summary(found)["images"], summary(found)["removed"]) == (1, 2)
    assert not skipped(found)


def test_latent_caches_of_changed_images_are_reported(
    project: Project, make_image: MakeImage, out: Path
) -> None:
    make_image("10_mochi/a [1].png", 1)
    make_image("10_mochi/b.png", 2)
    run(project)
    for name in ("a [1]_0512x0512_sd.npz", "b_0512x0512_sd.npz", "ab_0512x0512_sd.npz"):
        (out / "10_mochi" / name).touch()
    assert "caches" not in warnings(run(project))
    make_image("10_mochi/a [1].png", 3)
    found = run(project)
    assert "1 latent cache belongs to an image that has changed" in warnings(found)
    assert "a [1]_0512x0512_sd.npz" in warnings(found)


def test_thin_strips_do_not_take_gigabytes(project: Project, out: Path) -> None:
    strip = project.dataset / "10_mochi" / "strip.png"
    Image.linear_gradient("L").resize((2, 6000)).save(strip)
    run(project)
    with Image.open(out / "10_mochi" / "strip.webp") as image:
        assert image.size == (256, 1024)
