"""Learning rates that are tried, on the toy and over real files."""

import json
from pathlib import Path

import pytest
import torch

from prep.errors import ConfigError
from prep.events import Finished, Progress, Written
from prep.project import Project
from tests.train.tiny import MakeRun
from tests.train.toy import lora, sgd, toy_image, toy_training, weights
from train import cli
from train.config import TrainSettings
from train.job import rates as trying
from train.job.rates import RateOptions
from train.run.objective import fixed_loss
from train.run.rate_range import RatePoint, rates, suggested_rate, try_rates

IMAGES = [toy_image(number) for number in range(6)]


def test_rates_rise_by_one_factor() -> None:
    assert rates(1e-6, 1e-2, 5) == pytest.approx([1e-6, 1e-5, 1e-4, 1e-3, 1e-2])


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([4.0, 3.9, 3.0, 2.9, 5.0], 0.02 / 3),
        ([4.0, 3.0, 2.9, 2.85, 5.0], 0.01 / 3),
        ([4.0, 4.0, 4.1], None),
        ([4.0], None),
    ],
)
def test_the_suggestion_is_a_third_of_where_the_loss_fell_fastest(
    losses: list[float], expected: float | None
) -> None:
    points = [RatePoint(0.01 * number, loss) for number, loss in enumerate(losses)]
    assert suggested_rate(points) == (pytest.approx(expected) if expected else None)


def test_each_step_has_its_rate_and_the_loss_is_that_of_fixed_noise(tmp_path: Path) -> None:
    training, _ = toy_training(
        tmp_path, IMAGES, batch_size=3, made_by=sgd, learning_rate=0.5, max_grad_norm=0.01
    )
    before = fixed_loss(training, IMAGES[:4])
    assert before != fixed_loss(training, IMAGES)
    stream = try_rates(training, [0.1, 0.2])
    assert next(stream) == RatePoint(0.0, before)
    moved = []
    for rate in (0.1, 0.2):
        old = weights(training)
        point = next(stream)
        assert point.rate == rate
        moved.append(float((weights(training) - old).norm()))
    # Gradients are clipped to 0.01, so that a step is as long as its rate.
    assert moved == pytest.approx([0.001, 0.002], rel=1e-3)
    after = fixed_loss(training, IMAGES[:4])
    assert after < point.loss < before, "smoothed between the steps"
    assert lora(training).training


def test_held_out_images_are_watched_first(tmp_path: Path) -> None:
    held = [toy_image(8), toy_image(9)]
    training, _ = toy_training(tmp_path, IMAGES, held_out=held, batch_size=3)
    first = next(try_rates(training, [0.1]))
    assert first.loss == fixed_loss(training, held)


def test_the_test_ends_where_learning_breaks(tmp_path: Path) -> None:
    training, _ = toy_training(
        tmp_path, IMAGES, batch_size=3, made_by=sgd, max_grad_norm=0.0, learning_rate=1.0
    )
    chosen = rates(1e-4, 1e6, 40)
    points = list(try_rates(training, chosen))
    assert 5 < len(points) < 35
    assert [point.rate for point in points[1:]] == chosen[: len(points) - 1]
    lowest = min(point.loss for point in points)
    assert all(point.loss < 4 * lowest for point in points[1:])
    suggested = suggested_rate(points)
    assert suggested is not None
    assert 1e-4 < suggested < points[-1].rate


@pytest.fixture
def project(make_run: MakeRun, base: Path) -> Project:
    run = make_run()
    (run.project / "shikomi.toml").write_text(
        f"[project]\nresolution = 64\n[train]\nprecision = 'fp32'\nrank = 2\nbase = '{base}'\n"
    )
    return Project.open(run.project)


def test_only_the_measurements_are_kept(project: Project) -> None:
    settings = TrainSettings.from_project(project, (), ["sample_at_start=true"])
    dataset = project.root / "dataset.toml"
    stream = trying.run(project, settings, RateOptions(steps=10, high=1e-3), dataset)
    found = list(stream)
    last = found[-1]
    assert isinstance(last, Finished)
    assert last.summary["steps"] == 10
    told = [e for e in found if isinstance(e, Progress) and e.what == "rates"]
    assert [(e.done, e.total) for e in told] == [(done, 10) for done in range(11)]
    (written,) = [e.path for e in found if isinstance(e, Written)]
    assert written == "output/learning_rates.json"
    data = json.loads((project.root / written).read_text())
    assert data == {key: last.summary[key] for key in ("suggested", "points")}
    tried = [point["rate"] for point in data["points"]]
    assert tried == pytest.approx([0.0, *rates(1e-6, 1e-3, 10)])
    assert [path.name for path in project.output.iterdir()] == ["learning_rates.json"]
    assert not list(project.jobs.iterdir()) if project.jobs.exists() else True


def test_the_command_line_shows_some_of_them_and_the_suggestion(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    file = project.root / "dataset.toml"
    options = RateOptions(steps=20, low=1e-4)
    assert cli.rates(project.root, options=options, set_=("rank=4",), dataset=file) == 0
    shown = capsys.readouterr().out.splitlines()
    data = json.loads((project.output / "learning_rates.json").read_text())
    assert [line.split()[0] for line in shown[1:3]] == ["untrained", "0.0001"]
    assert len([line for line in shown if "  loss " in line]) == 11
    suggested = data["suggested"]
    assert suggested is not None
    assert shown[-1] == f"suggested: --set learning_rate={suggested:.1g}"


@pytest.mark.parametrize(
    ("options", "settings", "said"),
    [
        (RateOptions(low=1e-3, high=1e-3), {}, "not below"),
        (RateOptions(), {"optimizer": "prodigy", "learning_rate": 1}, "prodigy finds"),
    ],
)
def test_what_makes_no_sense_is_refused(
    project: Project, options: RateOptions, settings: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        next(trying.run(project, TrainSettings.model_validate(settings), options))
    assert not project.output.exists()


def test_the_state_of_torch_is_not_needed(tmp_path: Path) -> None:
    """The same test gives the same measurements."""

    def points() -> list[RatePoint]:
        torch.manual_seed(torch.seed())
        training, _ = toy_training(tmp_path, IMAGES, batch_size=3, dropout=0.2)
        return list(try_rates(training, [1e-3, 1e-2]))

    assert points() == points()
