"""The process of a training job: ``python -m train``.

The job directory comes from ``SHIKOMI_JOB``, or is the only argument. Standard output carries
events and nothing else; whatever a library prints goes to standard error, the job's log.
"""

import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from prep import events
from prep.errors import EXIT_OK, EXIT_PROBLEMS, EXIT_USAGE, UserError
from prep.system import jobs
from prep.system.supervised import end_with_supervisor, join_job


def main() -> int:
    """Run the job; return 0 when it ended as it should."""
    out = _claim_stdout()
    try:
        directory = sys.argv[1] if len(sys.argv) > 1 else os.environ.get(jobs.ENVIRONMENT_KEY)
        if not directory:
            raise UserError("No job directory was given.", f"Set {jobs.ENVIRONMENT_KEY}.")
        for event in _run(jobs.Job(Path(directory))):
            _say(out, event)
    except UserError as error:
        _say(out, events.Failed(error.message, error.hint, error.exit_code))
        return error.exit_code or EXIT_USAGE
    except Exception as error:  # the last line of defence: a bug, reported as such
        traceback.print_exc()
        reason = f"{type(error).__name__}: {error}"
        _say(out, events.Failed(f"An unexpected error: {reason}", "See log.txt.", EXIT_PROBLEMS))
        return EXIT_PROBLEMS
    return EXIT_OK


def _run(job: jobs.Job) -> Iterator[events.Event]:
    """Yield the run's events; processes other than the first keep silent."""
    from train.config import RunConfig
    from train.extra import configure_libraries, require_training

    require_training()
    try:
        text = (job.directory / "config.toml").read_text("utf-8")
    except OSError as error:
        raise UserError(f"{job.directory} has no config.toml.", "See: shikomi jobs") from error
    run = RunConfig.from_toml(text)
    configure_libraries()
    if int(os.environ.get("RANK", "0")) == 0:
        join_job(job)
    else:  # the first process of the first machine holds the lock for all
        end_with_supervisor(job)
    from train.arithmetic.memory import MemoryRanOutError
    from train.memory_plan.run_plan import plan_run, what_fits
    from train.run.board import Board
    from train.run.loop import train
    from train.run.processes import ProcessGroup

    group = ProcessGroup.join()
    board = Board.of(run) if group.is_main else None
    try:
        for event in train(run, job, group, plan_run):
            if group.is_main:
                yield event
            if board and (warning := board.take(event)):
                yield warning
    except MemoryRanOutError as error:
        raise MemoryRanOutError(error.message, what_fits(run) or error.hint) from error
    finally:
        if board:
            board.close()
    group.leave()


def _claim_stdout() -> IO[str]:
    """Take standard output for events and send everybody else's prints to standard error."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    sys.stdout.flush()
    os.dup2(2, 1)
    return out


def _say(out: IO[str], event: events.Event) -> None:
    out.write(events.to_json(event) + "\n")
    out.flush()


if __name__ == "__main__":
    sys.exit(main())
