import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from components.core.storage import Store
from components.core.window import Window
from components.data.prediction_log import log_schema
from components.model.answers import champion_answers
from components.model.bootstrap import difference_interval, interval, stretch_to
from components.model.concept_state import ConceptMemory
from components.model.files import MODEL
from components.model.metrics import METRICS
from components.model.performance import check_performance
from components.model.persist import load_model
from components.model.rows import read_labelled
from components.model.words import number
from tests.model.conftest import changed, make_trained, retrained

MARCH = Window.parse("2024-03")
# Resamples, where the interval is not what is tested.
FEW = {"checks__performance__resamples": 100}


def model_of(trained):
    return load_model(trained.folder / MODEL, trained.record.model_sha256)


def check(trained, data=None, log=None, model="own", window=MARCH, record=None, **changes):
    return check_performance(
        changed(trained.spec, **changes),
        data or trained.window(str(window)),
        log,
        record or trained.record,
        window,
        "v1",
        model_of(trained) if model == "own" else model,
    )


def finding(verdict, statistic):
    """The one finding of that statistic on the target's column."""
    found = [f for f in verdict.findings if f.statistic == statistic and f.column != "shop"]
    assert len(found) >= 1, statistic
    return found[0]


def write_log(trained, path, rows, release="v1", model=None, **columns):
    """What the server would have logged for some rows."""
    answers = (model or model_of(trained)).predict(rows.features())
    kind = pa.array(answers.prediction.tolist()).type
    schema = log_schema(trained.spec.columns, kind)
    count = len(rows)
    probability = answers.probability
    values = {
        "row_id": rows.ids,
        "event_time": rows.table.column(trained.spec.columns.time),
        "served_at": rows.table.column(trained.spec.columns.time),
        "release": pa.array([release] * count, pa.string()),
        "request_id": pa.array(["r"] * count),
        "prediction": pa.array(answers.prediction.tolist(), kind),
        "probability": pa.array(
            [None] * count if probability is None else probability.tolist(),
            pa.list_(pa.float64()),
        ),
    } | columns
    table = pa.table(
        [values.get(field.name, pa.nulls(count, field.type)) for field in schema],
        names=schema.names,
    )
    pq.write_table(table, path)
    return path


@pytest.fixture(scope="module")
def turned(tmp_path_factory):
    """A world in which the rule turns round in March."""
    return make_trained(tmp_path_factory.mktemp("turned") / "world", turned=(3,))


def test_a_stable_window_is_ok(trained):
    verdict = check(trained)

    assert (verdict.check, verdict.status, verdict.champion) == ("performance", "ok", "v1")
    whole = verdict.findings[0]
    assert (whole.column, whole.statistic, whole.severity) == ("returned", "roc_auc", "info")
    assert whole.interval[0] < whole.value < whole.interval[1]
    assert whole.threshold == pytest.approx(trained.record.score - 0.02)
    assert whole.minimum_effect > 0
    assert verdict.headline == whole.message
    assert verdict.facts["judged"] == verdict.facts["asked_now"] == 1500


def test_the_value_is_the_windows_metric(trained):
    rows = read_labelled(trained.window("2024-03"), trained.spec)
    positive = model_of(trained).predict(rows.features()).probability[:, 1]

    verdict = check(trained)

    assert verdict.findings[0].value == pytest.approx(roc_auc_score(rows.labels, positive))
    assert verdict.facts["score"] == verdict.findings[0].value


def test_a_turned_rule_is_drift(turned):
    verdict = check(turned)

    assert verdict.status == "drift"
    whole = verdict.findings[0]
    assert whole.value < whole.threshold < turned.record.score
    assert "at least 0.02 and beyond chance" in verdict.headline
    assert f"{turned.record.score:.3f}" in verdict.headline


def test_slices_that_got_worse_are_warnings_of_their_own(turned):
    slices = [f for f in check(turned).findings if f.column == "shop"]

    judged = {part.value for part in turned.record.slices if part.score is not None}
    assert {f.examples[0] for f in slices} == judged
    assert judged
    assert {f.severity for f in slices} == {"warn"}
    assert "where shop is" in slices[0].message


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_other_tasks(task, request):
    trained = request.getfixturevalue(task)

    verdict = check(trained)

    assert verdict.status in ("ok", "warn")
    assert verdict.findings[0].statistic == trained.spec.metric


def test_an_error_alarms_upwards(tmp_path):
    trained = make_trained(tmp_path / "world", "regression", turned=(3,))

    verdict = check(trained, checks__performance__drop=1.0)

    assert verdict.status == "drift"
    assert verdict.findings[0].threshold == pytest.approx(trained.record.score + 1.0)
    assert verdict.findings[0].value > verdict.findings[0].threshold
    detector = finding(verdict, "concept drift")
    assert detector.answer == "drift"
    assert detector.message.startswith(
        f"errors of {number(trained.record.errors.bound)} or more became"
    )


def test_a_loss_that_may_be_chance_is_a_warning(trained):
    record = trained.record.model_copy(
        update={
            "score": trained.record.score + 0.03,
            "interval": (trained.record.score - 0.2, trained.record.score + 0.2),
        }
    )
    now = check(trained).findings[0].value
    assert record.score - now > 0.02

    verdict = check(trained, record=record)

    assert verdict.status == "warn"
    assert "but perhaps by chance" in verdict.headline


def test_the_uncertainty_of_training_counts(turned):
    score = turned.record.score
    wide = turned.record.model_copy(update={"interval": (0.0, 1.0), "score": score})
    certain = finding(check(turned), "roc_auc")
    vague = finding(check(turned, record=wide), "roc_auc")

    assert certain.severity == "drift"
    assert vague.minimum_effect > certain.minimum_effect


def test_a_larger_allowed_drop_is_no_alarm(turned):
    whole = finding(check(turned, checks__performance__drop=0.9), "roc_auc")

    assert (whole.severity, whole.answer) == ("info", "no drift")
    assert "within the allowed 0.9" in whole.message


def test_too_few_labels_are_not_judged(trained):
    verdict = check(trained, checks__performance__min_labels=2000)

    assert verdict.status == "ok"
    assert verdict.answer == "underpowered"
    whole = verdict.findings[0]
    assert (whole.value, whole.answer, whole.count) == (None, "underpowered", 1500)
    assert "shop" not in {f.column for f in verdict.findings}
    assert "1,500 labels to judge by, and checks.performance.min_labels asks for 2,000" in (
        verdict.headline
    )


def relabelled(trained, path, values):
    table = pq.read_table(trained.window("2024-03"))
    place = table.column_names.index(trained.spec.columns.target)
    pq.write_table(table.set_column(place, trained.spec.columns.target, values), path)
    return path


def test_labels_that_have_not_arrived_are_not_judged(trained, tmp_path):
    data = relabelled(trained, tmp_path / "w", pa.nulls(1500, pa.int64()))

    verdict = check(trained, data)

    assert (verdict.status, verdict.answer) == ("warn", "underpowered")
    assert (verdict.facts["rows"], verdict.facts["labels"]) == (1500, 0)
    assert verdict.headline.startswith("0 of 1,500 of the labels that are due have arrived")
    whole = finding(verdict, "roc_auc")
    assert whole.message.startswith("0 labels to judge by")


def test_one_class_alone_is_not_judged(trained, tmp_path):
    data = relabelled(trained, tmp_path / "w", pa.array(np.zeros(1500, dtype=np.int64)))

    whole = finding(check(trained, data), "roc_auc")

    assert (whole.severity, whole.answer) == ("info", "underpowered")
    assert "roc_auc is not defined on the 1,500 labels" in whole.message


def test_a_class_that_a_binary_champion_does_not_know_is_left_out_with_a_warning(trained, tmp_path):
    values = np.array(pq.read_table(trained.window("2024-03")).column("returned").to_pylist())
    values[:10] = 5
    data = relabelled(trained, tmp_path / "w", pa.array(values))

    verdict = check(trained, data)

    assert verdict.status == "warn"
    assert "10 labels are none of the champion's classes, such as '5'" in verdict.headline
    assert verdict.facts["judged"] == 1490


def test_a_class_that_a_multiclass_champion_does_not_know_is_a_mistake(multiclass, tmp_path):
    fate = pq.read_table(multiclass.window("2024-03")).column("fate").to_pylist()
    data = relabelled(multiclass, tmp_path / "w", pa.array([*["lost"] * 750, *fate[750:]]))

    before, after = check(multiclass), check(multiclass, data)

    assert after.status == "drift"
    assert after.findings[0].value < 0.6 * before.findings[0].value


def test_rows_that_the_champion_was_fitted_on_do_not_count(trained):
    window = Window.parse("2024-01..2024-03")

    verdict = check(trained, window=window)

    assert verdict.facts["before_holdout"] == trained.record.fit_rows
    assert verdict.facts["judged"] == trained.record.holdout_rows
    assert verdict.findings[0].value == pytest.approx(trained.record.score)


def test_nor_do_rows_between_those_and_the_holdout(trained, tmp_path):
    late = retrained(trained, tmp_path, label__delay="3d")

    verdict = check(late, window=Window.parse("2024-01..2024-03"))

    assert verdict.facts["judged"] == late.record.holdout_rows
    assert verdict.findings[0].value == pytest.approx(late.record.score)


def test_another_metric_than_at_training_is_shown_and_not_judged(trained):
    verdict = check(trained, metric="accuracy")

    assert verdict.status == "ok"
    assert verdict.findings[0].threshold is None
    assert "trained by roc_auc, so there is nothing to hold it against" in verdict.headline


def never():
    raise AssertionError("the model was loaded although the log suffices")


def test_what_was_logged_is_what_is_judged_and_no_model_is_loaded(trained, other, tmp_path):
    rows = read_labelled(trained.window("2024-03"), trained.spec)
    # The release that was served is another model: its answers must count.
    log = write_log(trained, tmp_path / "log", rows, model=model_of(other))

    verdict = check(trained, log=log, model=never)

    positive = model_of(other).predict(rows.features()).probability[:, 1]
    assert verdict.findings[0].value == pytest.approx(roc_auc_score(rows.labels, positive))
    assert (verdict.facts["from_log"], verdict.facts["asked_now"]) == (1500, 0)


def test_the_logs_order_does_not_matter(trained, tmp_path):
    rows = read_labelled(trained.window("2024-03"), trained.spec)
    log = write_log(trained, tmp_path / "log", rows)
    table = pq.read_table(log)
    pq.write_table(table.take(np.random.default_rng(0).permutation(1500)), tmp_path / "mixed")

    assert check(trained, log=log, model=None) == check(trained, log=tmp_path / "mixed", model=None)


def test_answers_of_other_releases_are_not_the_champions(trained, other, tmp_path):
    rows = read_labelled(trained.window("2024-03"), trained.spec)
    log = write_log(trained, tmp_path / "log", rows, release="v0", model=model_of(other))

    verdict = check(trained, log=log, model=lambda: model_of(trained))

    assert (verdict.facts["from_log"], verdict.facts["asked_now"]) == (0, 1500)
    assert verdict.findings == check(trained).findings


def test_a_log_that_does_not_suffice_is_filled_up_by_the_model(trained, tmp_path):
    rows = read_labelled(trained.window("2024-03"), trained.spec)
    log = write_log(trained, tmp_path / "log", rows.where(np.arange(1500) % 5 == 0))

    verdict = check(trained, log=log)

    assert (verdict.facts["from_log"], verdict.facts["asked_now"]) == (300, 1200)
    assert verdict.findings[0].value == pytest.approx(check(trained).findings[0].value)


def test_without_a_model_only_logged_rows_are_judged(trained, tmp_path):
    rows = read_labelled(trained.window("2024-03"), trained.spec)
    log = write_log(trained, tmp_path / "log", rows.part(0, 300))

    verdict = check(trained, log=log, model=None, checks__performance__min_labels=200)

    assert verdict.facts["judged"] == 300
    assert check(trained, log=log, model=None).findings[0].value is None


def test_an_empty_log_is_no_log(trained, tmp_path):
    schema = log_schema(trained.spec.columns, pa.null())
    pq.write_table(schema.empty_table(), tmp_path / "log")

    assert check(trained, log=tmp_path / "log").facts["asked_now"] == 1500


@pytest.mark.parametrize("column", ["prediction", "probability"])
def test_answers_that_are_none_are_asked_again(trained, tmp_path, column):
    rows = read_labelled(trained.window("2024-03"), trained.spec)
    kind = pa.int64() if column == "prediction" else pa.list_(pa.float64())
    log = write_log(trained, tmp_path / "log", rows, **{column: pa.nulls(1500, kind)})

    assert check(trained, log=log).facts["asked_now"] == 1500


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_the_log_of_other_tasks(task, request, tmp_path):
    trained = request.getfixturevalue(task)
    rows = read_labelled(trained.window("2024-03"), trained.spec)
    log = write_log(trained, tmp_path / "log", rows)

    logged, asked = check(trained, log=log, model=None), check(trained)

    assert logged.facts["from_log"] == 1500
    assert logged.findings == asked.findings


def test_the_log_of_a_classifier_without_probabilities(trained, tmp_path):
    ridge = retrained(
        trained,
        tmp_path,
        estimator__class="sklearn.linear_model.RidgeClassifier",
        metric="accuracy",
    )
    rows = read_labelled(ridge.window("2024-03"), ridge.spec)
    log = write_log(ridge, tmp_path / "log", rows)

    verdict = check(ridge, log=log, model=None)

    assert verdict.facts["from_log"] == 1500
    assert verdict.findings == check(ridge).findings


def as_text(log):
    """The log's classes as texts, as it is read once a target has changed its type."""
    table = pq.read_table(log)
    place = table.column_names.index("prediction")
    texts = table.column(place).cast(pa.string())
    pq.write_table(table.set_column(place, "prediction", texts), log)
    return log


def test_classes_that_were_logged_as_text_are_still_the_champions_own(trained, tmp_path):
    ridge = retrained(
        trained,
        tmp_path,
        estimator__class="sklearn.linear_model.RidgeClassifier",
        metric="accuracy",
    )
    rows = read_labelled(ridge.window("2024-03"), ridge.spec)
    log = as_text(write_log(ridge, tmp_path / "log", rows))

    verdict = check(ridge, log=log, model=None)

    assert verdict.facts["from_log"] == 1500
    assert verdict.findings == check(ridge).findings


@pytest.mark.parametrize("classes", [[False, True], [0, 1], ["no", "yes"]])
@pytest.mark.parametrize("text", [True, False])
def test_logged_answers_are_of_the_champions_own_type(trained, tmp_path, classes, text):
    record = trained.record.model_copy(update={"classes": classes})
    rows = read_labelled(trained.window("2024-03"), trained.spec)
    known = pa.array([classes[index % 2] for index in range(1499)])
    # The last one is of none of the classes: it is no answer of this champion.
    odd = pa.array(["maybe"]) if text else pa.nulls(1, known.type)
    kept = known.cast(pa.string()) if text else known
    log = tmp_path / "log"
    write_log(trained, log, rows)
    table = pq.read_table(log)
    place = table.column_names.index("prediction")
    pq.write_table(
        table.set_column(place, "prediction", pa.chunked_array([kept, odd.cast(kept.type)])), log
    )

    found = champion_answers(rows, log, record, "v1", None, 500)

    assert found.logged == 1499
    answers = found.answers.prediction.tolist()
    assert answers == known.to_pylist()
    assert {type(answer) for answer in answers} == {type(classes[0])}


def test_slices_hold_together_and_the_whole_stands_alone(trained):
    verdict = check(trained)
    judged = [f for f in verdict.findings if f.column == "shop"]
    before = {part.value: part for part in trained.record.slices}
    judged = [f for f in judged if f.value is not None]
    assert len(judged) > 1

    for finding, then, comparisons in [
        (verdict.findings[0], trained.record, 1),
        *((finding, before[finding.examples[0]], len(judged)) for finding in judged),
    ]:
        low, high = difference_interval(
            finding.value,
            finding.interval,
            then.score,
            then.interval,
            stretch_to(trained.record.confidence, comparisons),
        )
        # The metric is greater when better: the loss is then - now, the difference as it is here.
        assert finding.minimum_effect == pytest.approx(then.score - finding.value - low)
        assert low < high


def test_the_intervals_are_those_of_days(trained):
    rows = read_labelled(trained.window("2024-03"), trained.spec)
    days = rows.times.astype("datetime64[D]").astype(int)
    answers = model_of(trained).predict(rows.features())

    verdict = check(trained)

    assert verdict.facts["blocks"] == 28
    shop = rows.slices()[0]
    for finding, positions in (
        (verdict.findings[0], np.arange(len(rows))),
        (next(f for f in verdict.findings if shop.value in f.examples), shop.positions),
    ):
        assert finding.interval == interval(
            METRICS["roc_auc"],
            rows.labels[positions],
            answers.rows(positions),
            trained.spec.checks.performance.resamples,
            trained.record.confidence,
            trained.spec.training.seed,
            days[positions],
        )


def test_rows_of_one_time_are_not_judged(trained, tmp_path):
    table = pq.read_table(trained.window("2024-03"))
    place = table.column_names.index("placed")
    times = pa.array([table.column("placed")[0].as_py()] * 1500, table.schema.field("placed").type)
    pq.write_table(table.set_column(place, "placed", times), tmp_path / "w")

    verdict = check(trained, tmp_path / "w")

    assert verdict.status == "ok"
    assert "the 1,500 labels, because all are of one time: it is not judged" in verdict.headline


def test_slices_that_training_did_not_judge_are_named(trained):
    record = trained.record.model_copy(update={"slices": trained.record.slices[:1]})

    verdict = check(trained, record=record)

    silent = [f for f in verdict.findings if "slices not judged" in f.message]
    assert len(silent) == 1
    assert trained.record.slices[1].value in silent[0].message


def test_no_false_alarms_on_slices_of_a_world_that_does_not_change(trained):
    verdict = check(trained, window=Window.parse("2024-04"))

    assert [f.message for f in verdict.at_least("warn")] == []


def test_errors_one_by_one_find_what_a_generous_drop_allows(turned):
    verdict = check(turned, checks__performance__drop=0.9)

    found = finding(verdict, "concept drift")
    assert (verdict.status, found.severity, found.answer) == ("drift", "drift", "drift")
    assert "wrong answers became more from 2024-03-0" in verdict.headline


def test_a_stable_window_says_where_the_detector_stands(trained):
    verdict = check(trained)

    assert finding(verdict, "concept drift").severity == "info"
    assert verdict.facts["concept"]["new_labels"] == 1500
    assert verdict.facts["label_coverage"] == 1.0
    low, high = verdict.facts["estimate_interval"]
    assert low < verdict.facts["score"] < high


def test_the_estimate_is_blind_to_what_the_labels_show(turned):
    """Documented, and the reason that an estimate is never a verdict."""
    verdict = check(turned)

    assert verdict.facts["score"] < verdict.facts["training_score"] - 0.2
    assert verdict.facts["estimate"] == pytest.approx(verdict.facts["training_score"], abs=0.05)
    estimated = finding(verdict, "estimated roc_auc")
    assert (estimated.severity, estimated.answer) == ("info", None)


def test_windows_in_a_row_share_the_detectors_state(trained, tmp_path):
    memory = ConceptMemory(Store(tmp_path), "orders")

    def look(text):
        spec, window = trained.spec, Window.parse(text)
        source, model = trained.window(text), model_of(trained)
        return check_performance(
            spec, source, None, trained.record, window, "v1", model, memory
        ).facts["concept"]

    first, second = look("2024-03"), look("2024-04")

    assert (first["labels"], second["labels"]) == (1500, 3000)
    assert second["continues"] == "2024-03-01..2024-04-01"
    assert look("2024-04") == second


def spoiled(trained, path, column, values):
    table = pq.read_table(trained.window("2024-03"))
    place = table.column_names.index(column)
    pq.write_table(table.set_column(place, column, values), path)
    return path


@pytest.mark.parametrize(
    "values",
    [
        pa.nulls(1500),
        pa.nulls(1500, pa.int64()),
        pa.array([1] * 1500),
        pa.array([7] * 1500),
        pa.array(["maybe"] * 1500),
        pa.array([True, False] * 750),
        pa.array([1] + [None] * 1499, pa.int64()),
    ],
    ids=["null", "none", "one class", "foreign", "foreign type", "booleans", "a single label"],
)
def test_no_class_labels_are_too_bad_to_judge(trained, tmp_path, values):
    verdict = check(trained, spoiled(trained, tmp_path / "w", "returned", values), **FEW)

    assert verdict.facts["rows"] == 1500
    assert {f.statistic for f in verdict.findings} >= {"roc_auc", "concept drift", "label coverage"}


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1e300, None])
def test_no_numbers_are_too_bad_to_judge(regression, tmp_path, value):
    given = pq.read_table(regression.window("2024-03")).column("refund").to_pylist()
    half = pa.array([*[value] * 750, *given[750:]], pa.float64())
    every = pa.array([value] * 1500, pa.float64())

    for place, values in enumerate((half, every)):
        path = spoiled(regression, tmp_path / str(place), "refund", values)
        verdict = check(regression, path, **FEW)
        assert finding(verdict, "concept drift").answer is not None
        assert finding(verdict, "estimated mae").value is not None


@pytest.mark.parametrize("task", ["trained", "multiclass", "regression"])
def test_an_empty_window_is_no_error(task, request, tmp_path):
    world = request.getfixturevalue(task)
    table = pq.read_table(world.window("2024-03"))
    pq.write_table(table.slice(0, 0), tmp_path / "w")

    verdict = check(world, tmp_path / "w", **FEW)

    assert (verdict.status, verdict.answer) == ("ok", "underpowered")


@pytest.mark.parametrize("column", ["price", "weight", "shop"])
def test_a_feature_without_values_is_no_error(trained, tmp_path, column):
    kind = pa.string() if column == "shop" else pa.float64()

    verdict = check(trained, spoiled(trained, tmp_path / "w", column, pa.nulls(1500, kind)), **FEW)

    assert verdict.facts["judged"] == 1500


@pytest.mark.parametrize("value", [np.nan, np.inf, None])
def test_logged_answers_that_are_no_numbers_are_no_answers(trained, regression, tmp_path, value):
    rows = read_labelled(trained.window("2024-03"), trained.spec)
    given = model_of(trained).predict(rows.features()).probability.tolist()
    broken = pa.array([*[[value, 0.5]] * 900, *given[900:]], pa.list_(pa.float64()))
    log = write_log(trained, tmp_path / "log", rows, probability=broken)

    verdict = check(trained, log=log, model=None, **FEW)

    assert verdict.facts["from_log"] == verdict.facts["judged"] == 600
    assert finding(verdict, "roc_auc").answer != "drift"
    numbers = read_labelled(regression.window("2024-03"), regression.spec)
    said = pa.array([value] * 1500, pa.float64())
    log = write_log(regression, tmp_path / "numbers", numbers, prediction=said)
    assert check(regression, log=log, **FEW).facts["asked_now"] == 1500
