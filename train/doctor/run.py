"""What is wrong with a run, during it and after it: a diagnosis for each kind of trouble."""

from collections.abc import Iterator

from prep.errors import UserError
from prep.events import Diagnosis, Event, Finished
from prep.project import Project
from prep.system import jobs
from prep.tagging.runtime.providers import gpu_present
from train.doctor.elements import unwanted_elements
from train.doctor.images import judged
from train.doctor.learning import not_a_number, not_learning, overfitting
from train.doctor.record import RunRecord
from train.doctor.resources import Surroundings, out_of_memory, shared_memory, shm_size, slow
from train.job.begin import find_training, is_training


def find_run(project: Project, name: str) -> jobs.Job:
    """Return a training job by its name, or the newest one.

    Raises:
        UserError: There is none.
    """
    if name:
        return find_training(project, name)
    for job in jobs.listed(project.jobs):
        if is_training(job):
            return job
    raise UserError(
        f"There are no training runs in {project.root}.",
        "Start one with: shikomi train. The machine alone: shikomi doctor",
    )


def run(project: Project, name: str) -> Iterator[Event]:
    """Go through the records of a run.

    Args:
        project: The project.
        name: Of the job, or its beginning; empty for the newest training run.

    Yields:
        Diagnoses; last Finished with job, state, steps (done and of all), and topics by state.

    Raises:
        UserError: There is no such run.
    """
    record = RunRecord.read(project, find_run(project, name))
    topics: dict[str, list[str]] = {"found": [], "fine": [], "unknown": []}
    for diagnosis in diagnoses(record, surroundings(record)):
        topics[diagnosis.state].append(diagnosis.topic)
        yield diagnosis
    yield Finished(
        {
            "job": record.job.name,
            "state": record.state,
            "steps": record.step,
            "total": record.steps,
            **topics,
        }
    )


def diagnoses(record: RunRecord, here: Surroundings) -> Iterator[Diagnosis]:
    """Yield what there is to say, a topic after another."""
    yield overfitting(record)
    yield not_learning(record)
    yield from unwanted_elements(record)
    yield out_of_memory(record, here)
    yield shared_memory(record, here)
    yield not_a_number(record)
    yield slow(record, here)


def surroundings(record: RunRecord) -> Surroundings:
    """Look at the machine; torch is asked only about a run on a card."""
    memory = 0
    if record.device and record.device != "mps":
        memory = _memory(record.device)
    return Surroundings(memory, shm_size(), gpu_present())


def _memory(device: str) -> int:
    from train.memory_plan.fit import card_memory, computer_memory

    return computer_memory() if device == "cpu" else card_memory()


def images(project: Project, name: str, count: int) -> Iterator[Event]:
    """List the images of a run, hardest first.

    Args:
        project: The project.
        name: Of the job, or its beginning; empty for the newest training run.
        count: How many are listed besides those with a verdict; 0 for all.

    Yields:
        An ImageLoss for each; last Finished with job, step, images, rated, and the images by
        verdict.

    Raises:
        UserError: There is no such run, or it has not noted its images yet.
    """
    record = RunRecord.read(project, find_run(project, name))
    if record.images is None:
        raise UserError(
            f"The run {record.job.name} has not noted its images yet.",
            "It does so with each save: ask again later.",
        )
    found = judged(record.images.images, record.validations)
    shown = 0
    for image in found:
        shown += not image.verdict
        if image.verdict or not count or shown <= count:
            yield image
    by_verdict = {
        verdict: [image.path for image in found if image.verdict == verdict]
        for verdict in ("not learned", "hard", "memorised")
    }
    yield Finished(
        {
            "job": record.job.name,
            "step": record.images.step,
            "images": len(found),
            "rated": sum(image.relative is not None for image in found),
            **by_verdict,
        }
    )
