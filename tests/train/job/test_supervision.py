"""A trainer and its supervisor: when that is killed, the run ends, and can be resumed."""

import os
import signal
import sys
from pathlib import Path

from prep.events import Finished, Metric
from prep.system import jobs
from tests.train.tiny import MakeRun
from tests.waiting import descendants, wait_for
from train.job.names import has_state


def steps(job: jobs.Job) -> list[int]:
    found = jobs.Follower(job).poll()
    return [e.step for e in found if isinstance(e, Metric) and e.loss is not None]


def test_a_run_ends_with_its_supervisor_and_goes_on_later(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(batch_size=4, epochs=2000, save_every_epochs=0, save_every_steps=1)
    settings = jobs.JobSettings("train", [sys.executable, "-m", "train"], polls_commands=True)
    job = jobs.create(tmp_path / "jobs", settings, run.to_toml())
    jobs.start(job)
    wait_for(lambda: has_state(job))
    # The front end's child is gone: what is left of that name is the supervisor.
    wanted = f"prep.system.supervise {job.directory}"
    (supervisor,) = (pid for pid, command in descendants().items() if command.endswith(wanted))
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: not jobs.alive(job))
    assert jobs.status(job).state == "lost"
    done = steps(job)
    text = run.to_toml().replace("max_steps = 0", f"max_steps = {done[-1] + 2}")
    (job.directory / "config.toml").write_text(text)
    jobs.start(job)
    wait_for(lambda: not jobs.alive(job))
    last = jobs.Follower(job).poll()[-1]
    assert isinstance(last, Finished), job.log_file.read_text()
    assert last.summary["steps"] == done[-1] + 2
    assert steps(job)[len(done) :][0] in (done[-1], done[-1] + 1)
