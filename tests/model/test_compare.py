import numpy as np
import pyarrow as pa
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor

from components.core.errors import DataError, ModelError
from components.model.bootstrap import paired_interval, stretch_to, stretched
from components.model.compare import Comparison, constant_model
from components.model.files import MODEL
from components.model.metrics import METRICS
from components.model.persist import load_model
from components.model.rows import Rows, read_labelled
from tests.model.conftest import changed


def model_of(trained):
    return load_model(trained.folder / MODEL, trained.record.model_sha256)


def fresh(trained, spec=None):
    return read_labelled(trained.window("2024-03"), spec or trained.spec)


def test_a_model_is_never_compared_with_itself(trained):
    model = model_of(trained)

    with pytest.raises(ModelError, match=r"would be compared with itself"):
        Comparison(fresh(trained), model, model)


def test_not_as_another_object_of_the_same_file_either(trained):
    with pytest.raises(ModelError, match=r"would be compared with itself"):
        Comparison(fresh(trained), model_of(trained), model_of(trained))


def test_the_difference_is_that_of_the_scores(trained, other):
    pair = Comparison(fresh(trained), model_of(other), model_of(trained))

    outcome = pair.outcome()

    assert outcome.difference == pytest.approx(outcome.challenger - outcome.champion)
    assert outcome.interval[0] < outcome.difference < outcome.interval[1]
    champion, challenger = pair.metrics()
    assert (champion["roc_auc"], challenger["roc_auc"]) == (outcome.champion, outcome.challenger)


def test_an_errors_difference_is_turned_round(trained, other):
    spec = changed(trained.spec, metric="log_loss")

    outcome = Comparison(fresh(trained, spec), model_of(other), model_of(trained)).outcome()

    assert outcome.challenger < outcome.champion
    assert outcome.difference > 0


def test_every_slice_is_judged_or_says_why_not(trained, other):
    rows = fresh(trained)
    sizes = sorted((len(part.positions) for part in rows.slices()), reverse=True)
    spec = changed(trained.spec, gate__min_slice_rows=sizes[1])
    pair = Comparison(fresh(trained, spec), model_of(other), model_of(trained))

    found = pair.slices(rows.slices())

    assert [part.rows for part in found] == sizes
    assert [part.verdict for part in found] == ["fine", "fine", "not judged"]
    assert found[2].note == f"{sizes[2]} rows of {sizes[1]}"


@pytest.mark.parametrize(("margin", "verdict"), [(0.0, "worse"), (0.5, "fine")])
def test_a_slice_is_worse_only_beyond_the_margin(trained, other, margin, verdict):
    # The tree of depth two is worse than the logistic regression everywhere.
    spec = changed(trained.spec, gate__slice_margin=margin)
    rows = fresh(trained, spec)

    found = Comparison(rows, model_of(trained), model_of(other)).slices(rows.slices())[0]

    assert found.verdict == verdict
    assert found.difference < 0


def worst(trained, other, **changes):
    rows = fresh(trained, changed(trained.spec, **changes))
    return Comparison(rows, model_of(trained), model_of(other)).slices(rows.slices())[0]


def test_a_slice_is_worse_only_when_the_whole_interval_is_beyond_the_margin(trained, other):
    low, high = worst(trained, other).interval
    assert low < high < 0

    between = worst(trained, other, gate__slice_margin=-(low + high) / 2)
    beyond = worst(trained, other, gate__slice_margin=-high / 2)

    assert (between.verdict, beyond.verdict) == ("fine", "worse")


def test_the_intervals_are_those_of_days_and_hold_for_all_judged_slices_together(trained, other):
    rows = fresh(trained)
    first, second, last = rows.slices()
    spec = changed(trained.spec, gate__min_slice_rows=len(second.positions))
    models = model_of(trained), model_of(other)
    pair = Comparison(fresh(trained, spec), *models)
    days = rows.times.astype("datetime64[D]").astype(int)
    champion, challenger = (model.predict(rows.features()) for model in models)

    def by_day(positions):
        return paired_interval(
            METRICS["roc_auc"],
            rows.labels[positions],
            champion.rows(positions),
            challenger.rows(positions),
            500,
            0.95,
            spec.training.seed,
            days[positions],
        )

    found = pair.slices([first, second, last])

    assert pair.blocks == 28
    assert pair.outcome().interval == pytest.approx(by_day(np.arange(len(rows))))
    for part, judged in zip((first, second), found, strict=False):
        bounds = stretched(judged.difference, by_day(part.positions), stretch_to(0.95, 2))
        assert judged.interval == pytest.approx(bounds)


def test_rows_of_one_time_are_not_judged(trained, other):
    rows = fresh(trained)
    place = rows.table.column_names.index("placed")
    times = pa.array([rows.table["placed"][0].as_py()] * len(rows), rows.table["placed"].type)
    rows = Rows(rows.spec, rows.table.set_column(place, "placed", times), 0)
    pair = Comparison(rows, model_of(trained), model_of(other))

    assert pair.outcome() is None
    assert pair.slices(rows.slices())[0].note == pair.why_none() == "all are of one time"


def test_a_slice_of_one_class_is_not_judged(trained, other):
    rows = fresh(trained)
    rows = rows.where(rows.labels == 1)

    found = Comparison(rows, model_of(trained), model_of(other)).slices(rows.slices())[0]

    assert (found.verdict, found.note) == ("not judged", "its labels do not vary")


def test_three_classes_together_are_not_binary(trained, other):
    model = model_of(other)
    model.classes[1] = 7

    with pytest.raises(DataError, match=r"3 classes together.*mend 'returned'"):
        Comparison(fresh(trained), model_of(trained), model)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_constant_model_answers_as_scikit_learns_dummy(task, request):
    trained = request.getfixturevalue("trained" if task == "binary" else task)
    rows = read_labelled(trained.data, trained.spec).part(0, trained.record.fit_rows)
    dummy = DummyRegressor() if task == "regression" else DummyClassifier()
    dummy.fit(np.zeros((len(rows), 1)), rows.labels)
    features = rows.features().head(7)

    answers = constant_model(trained.record, model_of(trained)).predict(features)

    assert np.allclose(
        answers.prediction.astype(float) if task != "multiclass" else 0,
        dummy.predict(np.zeros((7, 1))).astype(float) if task != "multiclass" else 0,
    )
    if task != "regression":
        assert answers.prediction.tolist() == dummy.predict(np.zeros((7, 1))).tolist()
        assert np.allclose(answers.probability, dummy.predict_proba(np.zeros((7, 1))))
