"""The estimate: right where the features shift, and blind to concept drift, which is documented."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.model.bootstrap import interval
from components.model.calibration import calibrate
from components.model.estimate import estimate, estimate_finding
from components.model.metrics import METRICS
from components.model.rows import read_labelled
from components.model.score import Predictions
from components.model.window_rows import read_window
from tests.bench.verdicts.concept_worlds import Shop, record_of
from tests.model.conftest import changed, make_trained, retrained
from tests.model.test_performance import model_of, write_log

BINARY = ["roc_auc", "average_precision", "log_loss", "brier", "accuracy", "f1_macro"]
BLOCKS = np.arange(3000) // 150


def compare(name, **world):
    """The true metric in a world, and the estimate of it from the answers alone."""
    shop = Shop(0)
    y, answers = shop.rows(3000)
    record, known = record_of(name, y, answers), calibrate(y, answers, regression=False)
    now, said = shop.rows(3000, **world)
    metric = METRICS[name]
    return metric.score(now, said), estimate(metric, said, BLOCKS, record, known, 0), record


@pytest.mark.parametrize("name", BINARY)
def test_right_where_the_features_shift(name):
    true, found, record = compare(name, shifted=True)

    assert found.interval[0] <= true <= found.interval[1]
    if name == "accuracy":
        assert abs(found.value - true) < 0.02
        assert abs(record.score - true) > 0.03, "so that there was something to follow"


@pytest.mark.parametrize("name", BINARY)
def test_blind_where_the_relation_changes(name):
    """Not a fault that could be mended: the features tell nothing of it."""
    true, found, record = compare(name, turned=True)

    assert not found.interval[0] <= true <= found.interval[1]
    assert found.value == pytest.approx(record.score, abs=0.03)


@pytest.mark.parametrize("name", BINARY)
def test_an_interval_holds_no_impossible_values(name):
    metric = METRICS[name]
    random = np.random.default_rng(3)
    positive = np.where(random.random(600) < 0.5, 0.001, 0.999)
    y = (positive > 0.5).astype(int)
    answers = Predictions(y, np.column_stack([1 - positive, positive]))
    known = calibrate(y, answers, regression=False)
    record = record_of("roc_auc", y, answers).model_copy(
        update={"metric": name, "score": 0.5, "interval": (0.1, 0.9)}
    )
    found = estimate(metric, answers, np.arange(600), record, known, 0)
    assert metric.range[0] <= found.interval[0] <= found.interval[1] <= metric.range[1]


def test_answers_beyond_the_holdouts_are_called_a_guess(trained, tmp_path):
    table = pq.read_table(trained.window("2024-04"))
    place = table.schema.get_field_index("price")
    far = tmp_path / "far.parquet"
    prices = pa.array(20 * table.column("price").to_numpy() - 500)
    pq.write_table(table.set_column(place, "price", [prices]), far)

    def found(path):
        rows, _, _ = read_window(path, trained.spec)
        return estimate_finding(
            trained.spec, rows, None, trained.record, "v1", model_of(trained), None
        )

    assert "guess" not in found(trained.window("2024-04")).message
    assert "beyond all that the holdout had, so it is a guess" in found(far).message
    assert found(far).severity == "info"


def test_equal_seeds_give_equal_estimates():
    assert compare("roc_auc")[1] == compare("roc_auc")[1]


@pytest.mark.parametrize("name", ["mae", "rmse", "r2"])
def test_a_regressors_residuals_follow_its_answers(trained, name):
    random = np.random.default_rng(0)

    def world(low):
        said = random.uniform(low, 100, 3000)
        return said + random.normal(0, 1 + said / 10), Predictions(said)

    y, answers = world(0)
    metric = METRICS[name]
    record = trained.record.model_copy(
        update={
            "task": "regression",
            "metric": name,
            "score": metric.score(y, answers),
            "interval": interval(metric, y, answers, 100, 0.95, 0, BLOCKS),
        }
    )
    now, said = world(60)

    known = calibrate(y, answers, regression=True)
    found = estimate(metric, said, BLOCKS, record, known, 0)

    assert found.value == pytest.approx(metric.score(now, said), rel=0.1)
    assert found.value != pytest.approx(record.score, rel=0.1)


def say(trained, model="own", log=None, measured=None, data="2024-03", **changes):
    spec = changed(trained.spec, **changes)
    rows, _, _ = read_window(trained.window(data) if isinstance(data, str) else data, spec)
    asked = model_of(trained) if model == "own" else model
    return estimate_finding(spec, rows, log, trained.record, "v1", asked, measured)


def test_an_estimate_is_always_called_one(trained):
    finding = say(trained)

    assert finding.statistic == "estimated roc_auc"
    assert finding.message.startswith("estimate: roc_auc ")
    assert finding.message.endswith("it follows the features and cannot see concept drift")
    assert (finding.severity, finding.answer) == ("info", None)
    assert finding.interval[0] < finding.value < finding.interval[1]
    assert finding.count == 1500


def test_it_stands_beside_what_was_measured(trained):
    assert "; 0.712 on the labels that have arrived;" in say(trained, measured=0.712).message


def worse(trained):
    """The same, as if it had been much better at training."""
    better = {"score": 0.999, "interval": (0.998, 1.0)}
    record = trained.record.model_copy(update=better)
    return type(trained)(trained.world, trained.data, trained.folder, record)


def test_an_expected_loss_warns_while_nothing_is_measured_and_never_more(trained):
    alone = say(worse(trained))
    beside = say(worse(trained), measured=0.6)

    assert (alone.severity, alone.answer) == ("warn", None)
    assert "is to be expected" in alone.message
    assert beside.severity == "info"


@pytest.mark.parametrize("known", [{"log_loss": 1.0}, {}])
def test_more_than_fifty_classes_are_said_and_training_again_is_not_asked_for(trained, known):
    many = {
        "calibration": None,
        "task": "multiclass",
        "classes": list(range(51)),
        "metrics": known,
    }
    record = trained.record.model_copy(update=many)
    rows, _, _ = read_window(trained.window("2024-03"), trained.spec)

    found = estimate_finding(trained.spec, rows, None, record, "v1", model_of(trained), None)

    assert found.message == (
        "estimate: there is none of roc_auc, because the champion has more than 50 classes"
    )
    assert (found.severity, found.value) == ("info", None)


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_other_tasks(task, request):
    trained = request.getfixturevalue(task)
    finding = say(trained)

    assert finding.statistic == f"estimated {trained.spec.metric}"
    assert finding.value == pytest.approx(trained.record.score, rel=0.25)


def test_logged_answers_are_enough(trained, tmp_path):
    rows = read_labelled(trained.window("2024-03"), trained.spec)
    log = write_log(trained, tmp_path / "log", rows)

    assert say(trained, model=None, log=log) == say(trained)


def test_without_answers_there_is_none(trained):
    finding = say(trained, model=None)

    assert (finding.value, finding.severity) == (None, "info")
    assert finding.message == "estimate: there is none of roc_auc: no answers"


def test_without_probabilities_there_is_none(trained, tmp_path):
    ridge = retrained(
        trained,
        tmp_path,
        estimator__class="sklearn.linear_model.RidgeClassifier",
        metric="accuracy",
    )

    assert "because the champion states no probabilities" in say(ridge).message


def test_an_older_record_says_to_train_again(trained):
    older = trained.record.model_copy(update={"calibration": None})
    finding = say(type(trained)(trained.world, trained.data, trained.folder, older))

    assert "holds no calibration; train again" in finding.message


def test_another_metric_has_no_threshold(trained):
    wide = trained.record.model_copy(update={"interval": (0.0, 1.0)})
    other = type(trained)(trained.world, trained.data, trained.folder, wide)

    finding = say(other, metric="accuracy")

    assert (finding.statistic, finding.threshold) == ("estimated accuracy", None)
    assert finding.interval[1] - finding.interval[0] < 0.2, "roc_auc's interval is not accuracy's"


@pytest.mark.parametrize("fill", [np.nan, np.inf])
def test_answers_that_are_no_numbers_are_left_out(fill):
    shop = Shop(0)
    y, answers = shop.rows(3000)
    record, known = record_of("accuracy", y, answers), calibrate(y, answers, regression=False)
    broken = answers.probability.copy()
    broken[::2] = fill

    half = estimate(
        METRICS["accuracy"], Predictions(answers.prediction, broken), BLOCKS, record, known, 0
    )
    none = Predictions(answers.prediction, np.full_like(broken, fill))

    assert half.rows == 1500
    assert estimate(METRICS["accuracy"], none, BLOCKS, record, known, 0) is None


def test_a_large_window_is_sampled_in_its_order(trained, monkeypatch):
    monkeypatch.setattr("components.model.estimate._ROWS", 400)

    finding = say(trained)

    assert finding.count == 400
    assert say(trained) == finding


def test_a_window_that_nobody_labelled(tmp_path):
    trained = make_trained(tmp_path / "world")
    rows, _, _ = read_window(trained.window("2024-04"), trained.spec)
    place = rows.table.column_names.index("returned")
    empty = rows.table.set_column(place, "returned", pa.nulls(len(rows)))

    finding = estimate_finding(
        trained.spec,
        replace(rows, table=empty),
        None,
        trained.record,
        "v1",
        model_of(trained),
        None,
    )

    assert finding.count == 1500
    assert finding.severity in ("info", "warn")
