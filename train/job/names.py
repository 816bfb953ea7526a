"""Names of runs: each run has files of its own, and never writes over those of another."""

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.errors import UserError
from prep.project import Project
from prep.system import jobs, queue
from prep.system.names import disk_key, shortened
from prep.texts import composed, parse_toml, read_text

if TYPE_CHECKING:  # all settings of training are more than names need
    from train.config import RunConfig
    from train.settings.network import MethodName

KIND = "train"
_ROOM = 40
"""Bytes that the name of a run leaves for the rest of its files' names: a number that tells it from
others, and ``-step00000010.safetensors``."""
_SAVE = r"-(\d{6}|step\d{8})"
_ENDING = rf"({_SAVE})?\.safetensors"
"""What follows the name of a run in the names of its files: of an epoch or a step, and the last."""


_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(?=\.|$)", re.IGNORECASE | re.ASCII)
"""Names of devices, which no file on Windows can have, whatever its suffix."""
_OUTPUTS = {"lora": "lora", "full": "checkpoints"}
"""Folders of the output, by what is trained."""


def places(project: Project, name: str, method: "MethodName" = "lora") -> dict[str, Any]:
    """Return the name of what a run trains, safe as that of a file, and where its files go."""
    name = shortened(re.sub(r"[^\w.+-]+", "_", composed(name)).strip("._") or "lora", _ROOM)
    if device := _DEVICE.match(name):
        name = f"{device[0]}_{name[device.end() :]}"
    # The result of a run named mochi-000003 would be the third epoch of a run named mochi.
    name = re.sub(f"{_SAVE}$", r"_\1", name, flags=re.IGNORECASE)
    return {
        "name": name,
        "project": project.root,
        "output": project.output / _OUTPUTS[method],
        "samples": project.output / "samples" / name,
        "cache": project.state / "latents",
    }


def free_name(project: Project, wanted: str) -> str:
    """Return a name that no other run uses: the wanted one, or that with a number.

    A name is used while there are files of it, or a run that goes on, waits or can be resumed.
    """
    name, number = wanted, 1
    while _is_taken(project, name):
        number += 1
        name = f"{wanted}-{number}"
    return name


def lora_files(folder: Path, name: str) -> list[Path]:
    """Return the LoRA files of a run.

    Upper and lower case, and the Unicode forms of a letter, are the same on some disks.
    """
    pattern = re.compile(re.escape(composed(name)) + _ENDING, re.IGNORECASE)
    return [f for f in folder.glob("*.safetensors") if pattern.fullmatch(composed(f.name))]


def refuse_foreign_files(project: Project, job: jobs.Job, run: "RunConfig") -> None:
    """Check that a run that is resumed writes over no files but its own.

    Raises:
        UserError: A later run has its name, or it would begin anew over files of another.
    """
    for other in _runs_named(project, run.name):
        waits = jobs.alive(other) or queue.ticket(other) is not None
        if other.name != job.name and (waits or _later_with_state(other, job)):
            raise _name_taken(run, f"the run {other.name}")
    began = _created(job)
    older = [f for f in lora_files(run.output, run.name) if f.stat().st_mtime < began]
    if older and not has_state(job):
        raise _name_taken(run, older[0].name)


def _created(job: jobs.Job) -> float:
    """Return the time that the name of a job begins with, as Unix time; 0 for other names."""
    with suppress(ValueError, OverflowError):
        return time.mktime(time.strptime(job.name[:15], "%Y%m%d-%H%M%S"))
    return 0.0


def _later_with_state(other: jobs.Job, job: jobs.Job) -> bool:
    return other.name > job.name and has_state(other)


def _name_taken(run: "RunConfig", by: str) -> UserError:
    return UserError(
        f"This run would write over the files of another one: {by} is called {run.name}, too.",
        "Start a new run: it gets a name of its own.",
    )


def has_state(job: jobs.Job) -> bool:
    """Return whether a run can be resumed from a state."""
    return any((job.directory / "state").glob("step*.safetensors"))


def _is_taken(project: Project, name: str) -> bool:
    if any(lora_files(project.output / folder, name) for folder in _OUTPUTS.values()):
        return True
    if any((project.output / "samples" / name).glob("step*.png")):
        return True
    return any(_goes_on(job) for job in _runs_named(project, name))


def _goes_on(job: jobs.Job) -> bool:
    return jobs.alive(job) or has_state(job) or queue.ticket(job) is not None


def _runs_named(project: Project, name: str) -> Iterator[jobs.Job]:
    for job in jobs.listed(project.jobs):
        if job.settings().kind == KIND and disk_key(_name_in(job)) == disk_key(name):
            yield job


def _name_in(job: jobs.Job) -> str:
    """Return the name of a run; empty when its configuration cannot be read."""
    try:
        table = parse_toml(read_text(job.directory / "config.toml"))
    except (OSError, ValueError):
        return ""
    return str(table.get("name", ""))
