"""A damaged state is noticed, whatever is damaged, and the run continues from the one before."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prep.errors import UnreadableError, UserError
from prep.events import Finished, Warned
from prep.system import jobs
from tests.train.tiny import MakeRun
from tests.train.toy import lora, steps, toy_image, toy_training, weights
from train.networks.saved import NotFiniteError
from train.run.checkpoint import load_newest, load_state, save_state, set_aside, states
from train.run.loop import train
from train.run.prepare import Training
from train.run.processes import ProcessGroup

IMAGES = [toy_image(number) for number in range(3)]


def saved(folder: Path, count: int = 2) -> Training:
    """Return a run that has saved states after its first steps."""
    training, _ = toy_training(folder, IMAGES, batch_size=2, epochs=4)
    for _ in range(count):
        steps(training, 1)
        save_state(training.states, training.network, training.stepper, training.counters)
    return training


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def noise(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 10)


def other_counters(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'\\"step\\": 2', b'\\"step\\": 7'))


def without_counters(path: Path) -> None:
    """As a state of an earlier version, without a checksum, but with other counters."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"] = {"counters": '{"stop": 1}'}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = [emptied, cut, noise, other_counters, without_counters, folder]


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_state_before_a_damaged_one_is_taken(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    training = saved(tmp_path)
    before, newest = states(training.states)
    again, _ = toy_training(tmp_path, IMAGES, batch_size=2, epochs=4)
    load_state(before, again.network, again.stepper)
    expected = weights(again)
    damage(newest)
    again, _ = toy_training(tmp_path, IMAGES, batch_size=2, epochs=4)
    found = load_newest(training.states, again.network, again.stepper)
    assert found is not None
    assert (found[0].step, found[1]) == (1, [newest])
    assert torch.equal(weights(again), expected)
    assert set_aside(newest).name == "step00000002.safetensors.damaged"
    save_state(training.states, training.network, training.stepper, training.counters)
    assert states(training.states) == [before, newest]
    assert set_aside(newest).name == "step00000002.safetensors.damaged2"


def test_nothing_is_begun_anew_when_all_states_are_damaged(tmp_path: Path) -> None:
    training = saved(tmp_path)
    for path in states(training.states):
        path.write_bytes(b"")
    with pytest.raises(UserError, match=r"All states in .* are damaged"):
        load_newest(training.states, training.network, training.stepper)
    assert load_newest(tmp_path / "none", training.network, training.stepper) is None


@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_changed_bit_anywhere_is_noticed(tmp_path: Path, data: st.DataObject) -> None:
    if not (tmp_path / "job").exists():
        saved(tmp_path, 1)
    (path,) = states(tmp_path / "job" / "state")
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) * 8 - 1))
    changed = bytearray(whole)
    changed[place // 8] ^= 1 << place % 8
    training, _ = toy_training(tmp_path, IMAGES, batch_size=2, epochs=4)
    before = weights(training)
    try:
        path.write_bytes(changed)
        with pytest.raises(UnreadableError):
            load_state(path, training.network, training.stepper)
        assert torch.equal(weights(training), before)
    finally:
        path.write_bytes(whole)


def test_a_run_tells_that_a_state_is_damaged(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(epochs=2, batch_size=4)
    job, group = jobs.Job(tmp_path / "job"), ProcessGroup(torch.device("cpu"))
    job.directory.mkdir()
    last = list(train(run, job, group))[-1]
    assert isinstance(last, Finished)
    file = run.project / last.summary["lora"]
    expected = file.read_bytes()[-200:]
    newest = states(job.directory / "state")[-1]
    newest.write_bytes(b"damaged")
    found = list(train(run, job, group))
    (told,) = (e for e in found if isinstance(e, Warned) and "damaged" in e.message)
    assert newest.name in told.message
    assert isinstance(found[-1], Finished)
    assert file.read_bytes()[-200:] == expected
    assert newest.is_file()


def test_a_run_that_is_to_end_earlier_than_it_is_says_so(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(max_steps=2)
    job, group = jobs.Job(tmp_path / "job"), ProcessGroup(torch.device("cpu"))
    job.directory.mkdir()
    list(train(run, job, group))
    shorter = run.model_copy(update={"train": run.train.model_copy(update={"max_steps": 1})})
    with pytest.raises(UserError, match="done 2 steps, and its settings end it after 1"):
        list(train(shorter, job, group))


@pytest.mark.parametrize(
    ("value", "precision", "fits"),
    [(70000.0, "fp16", False), (70000.0, "bf16", True), (float("nan"), "fp32", False)],
)
def test_weights_that_are_not_finite_are_not_saved(
    tmp_path: Path, value: float, precision: str, *, fits: bool
) -> None:
    training, _ = toy_training(tmp_path, IMAGES)
    next(lora(training).parameters()).data.fill_(value)
    path = tmp_path / "a.safetensors"
    if fits:
        training.network.save(path, {}, precision)
    else:
        with pytest.raises(NotFiniteError, match=rf"not saved.*{precision}"):
            training.network.save(path, {}, precision)
    assert path.exists() == fits
