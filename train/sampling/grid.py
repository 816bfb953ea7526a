"""The contact sheet: LoRA files (epochs) down, strengths across, the base model first.

Every cell of a sheet has the same prompt and seed, so that what differs is the LoRA. The column
of strength 0 shows the base model alone; it is drawn once and repeated.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from prep.errors import ConfigError
from prep.events import Event, Finished, Progress, Sample, Stage, Written
from prep.project import Project
from train.config import TrainSettings
from train.hub import obtain_model
from train.sampling.draw import ImageSpec
from train.sampling.loras import distinct_names, file_names, find_lora, shown
from train.sampling.options import GridOptions, folder_for
from train.sampling.prompts import parse
from train.sampling.sample import (
    LoraSampler,
    check_sizes,
    default_picture,
    opened_base,
    prompt_lines,
)

_GAP = 4
_INK, _PAPER = (230, 230, 230), (24, 24, 27)


def run(project: Project, options: GridOptions) -> Iterator[Event]:
    """Draw a sheet for each prompt.

    Yields:
        What downloading the base model yields, if it is one of the hub and not on the disk;
        Stage while it loads, Progress and Sample for each new picture, Written for each
        sheet; Finished with images, grid (the first sheet) and grids.

    Raises:
        UserError: No LoRA, no prompt, no base model, or a LoRA that does not fit.
    """
    settings = TrainSettings.from_project(project)
    files = _files(project, options)
    yield from obtain_model(options.base or settings.base, project.root)
    base = opened_base(project, options, settings)
    defaults = default_picture(project, options, settings, base)
    lines = prompt_lines(project, options, settings)
    pictures = [ImageSpec.of(parse(line), defaults, i) for i, line in enumerate(lines)]
    if any(picture.loras for picture in pictures):
        raise ConfigError(
            "Prompts of a grid cannot load LoRAs themselves.", "Remove the <lora:…> tags."
        )
    names = distinct_names(dict.fromkeys(files))
    check_sizes(base, pictures)
    folder = folder_for(project, options, "grids")
    yield Stage("load")
    began = time.monotonic()
    sampler = LoraSampler(base, settings)
    yield Stage("load", True, round(time.monotonic() - began, 2))
    cells: dict[tuple[int, str, float], Image.Image] = {}
    plain = {"": "", **file_names(list(names.values()))}
    for key, picture, image in _draw_all(sampler, names, options.strengths, pictures):
        path = folder / "cells" / f"{key[0]:02d}-{plain[key[1]]}-{_number(key[2])}.png"
        sampler.save(image, picture, path)
        cells[key] = image
        yield Progress(
            "draw", len(cells), _count(len(names), options.strengths, pictures), path.name
        )
        yield Sample(shown(path, project), picture.text, picture.seed, dict(picture.loras))
    sheets = []
    for index, picture in enumerate(pictures):
        rows = [
            [
                cells[index, "" if strength == 0 else names[file], strength]
                for strength in options.strengths
            ]
            for file in files
        ]
        path = folder / f"grid-{index:02d}.png"
        columns = [_label(strength) for strength in options.strengths]
        image = sheet(rows, columns, [names[file] for file in files], title=picture.text)
        sampler.save(image, replace(picture, loras={}), path)
        sheets.append(shown(path, project))
        yield Written(sheets[-1])
    yield Finished({"images": len(cells), "grid": sheets[0], "grids": sheets})


def _files(project: Project, options: GridOptions) -> list[Path]:
    """Return the LoRA files of the rows, in the order of training."""
    if options.lora:
        return [find_lora(name, project) for name in options.lora]
    files = sorted((project.output / "lora").glob("*.safetensors"), key=lambda p: p.stat().st_mtime)
    if not files:
        raise ConfigError("There is no LoRA in output/lora.", "Train one, or give --lora FILE.")
    return files


def _count(files: int, strengths: Sequence[float], pictures: Sequence[ImageSpec]) -> int:
    """Return how many pictures are really drawn."""
    acting = len({strength for strength in strengths if strength})
    return len(pictures) * (files * acting + (0.0 in strengths))


def _draw_all(
    sampler: LoraSampler,
    names: Mapping[Path, str],
    strengths: Sequence[float],
    pictures: Sequence[ImageSpec],
) -> Iterator[tuple[tuple[int, str, float], ImageSpec, Image.Image]]:
    """Draw every cell once: the base model first, then file by file."""
    if 0.0 in strengths:
        for index, picture in enumerate(pictures):
            yield (index, "", 0.0), picture, sampler.draw(picture)
    for file, name in names.items():
        sampler.attach(name, file)
        for index, picture in enumerate(pictures):
            for strength in dict.fromkeys(s for s in strengths if s):
                cell = replace(picture, loras={name: strength})
                yield (index, name, strength), cell, sampler.draw(cell)
        sampler.detach(name)


def _label(strength: float) -> str:
    return "no LoRA" if strength == 0 else _number(strength)


def _number(strength: float) -> str:
    """Return a strength with as many digits as tell it from others."""
    short = f"{strength:g}"
    return short if float(short) == strength else repr(strength)


def sheet(
    rows: Sequence[Sequence[Image.Image]],
    columns: Sequence[str],
    labels: Sequence[str],
    title: str = "",
) -> Image.Image:
    """Put pictures of one size into a labelled table.

    Args:
        rows: Pictures, row by row.
        columns: Text above each column.
        labels: Text left of each row.
        title: Text above everything.

    Returns:
        The sheet; its cells keep their pixels.
    """
    width, height = rows[0][0].size
    font = ImageFont.load_default(size=max(12, height // 14))
    line = int(font.size * 1.6) if isinstance(font, ImageFont.FreeTypeFont) else 20
    left = max((_text_width(font, label) for label in labels), default=0) + 2 * _GAP
    top = 2 * line + _GAP
    size = (left + len(columns) * (width + _GAP), top + len(rows) * (height + _GAP))
    image = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(image)
    pen.text((_GAP, _GAP), title, _INK, font)
    for x, text in enumerate(columns):
        pen.text((left + x * (width + _GAP) + _GAP, line + _GAP), text, _INK, font)
    for y, row in enumerate(rows):
        down = top + y * (height + _GAP)
        pen.text((_GAP, down + height // 2 - line // 2), labels[y], _INK, font)
        for x, cell in enumerate(row):
            image.paste(cell, (left + x * (width + _GAP), down))
    return image


def _text_width(font: Any, text: str) -> int:
    return int(font.getlength(text)) + 1
