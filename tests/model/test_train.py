import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from components.core.errors import DataError, ModelError
from components.core.window import Window
from components.drift.profile import Profile
from components.model.bootstrap import interval, time_blocks
from components.model.card import model_card
from components.model.files import (
    MODEL,
    ONNX,
    PROFILE,
    RECORDED,
    RUNTIME,
    SAMPLE,
    SCHEMA,
    SPEC,
    TRAINING,
    VARIATION,
)
from components.model.metrics import METRICS
from components.model.persist import load_model
from components.model.records import TrainingRecord
from components.model.rows import read_labelled
from components.model.train import train_candidate
from components.schema.schema import Schema
from components.spec.load import parse_spec
from tests.model.conftest import changed, make_trained, retrained

FILES = {
    MODEL,
    ONNX,
    PROFILE,
    RECORDED,
    RUNTIME,
    SAMPLE,
    SCHEMA,
    SPEC,
    TRAINING,
    VARIATION,
}
BOOSTER = {
    "estimator__class": "sklearn.ensemble.HistGradientBoostingClassifier",
    "estimator__parameters": {"max_iter": 10},
}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def shuffled(source, destination):
    """The same rows in another order, with the same report."""
    table = pq.read_table(source)
    order = np.random.default_rng(0).permutation(len(table))
    pq.write_table(table.take(order), destination, row_group_size=500)
    return destination


def test_the_folder_holds_everything_and_reads_back(trained):
    assert {path.name for path in trained.folder.iterdir()} == FILES
    assert parse_spec((trained.folder / SPEC).read_text()) == trained.spec
    record = TrainingRecord.model_validate_json((trained.folder / TRAINING).read_bytes())
    assert record == trained.record
    Schema.model_validate_json((trained.folder / SCHEMA).read_bytes())
    profile = Profile.model_validate_json((trained.folder / PROFILE).read_bytes())
    assert set(profile.columns) == {"price", "weight", "shop", "prediction", "label"}
    load_model(trained.folder / MODEL, record.model_sha256)


def test_the_split_is_by_time_and_adds_up(trained):
    record = trained.record
    fit, holdout = Window.parse(record.fit_window), Window.parse(record.holdout_window)

    assert record.window == "2024-01-01..2024-03-01"
    assert str(fit.start) < str(fit.end) == str(holdout.start) < str(holdout.end)
    assert (
        f"{record.fit_window.partition('..')[0]}..{record.holdout_window.partition('..')[2]}"
        == (record.window)
    )
    assert (record.rows, record.unlabelled_rows) == (3000, 0)
    assert record.fit_rows + record.holdout_rows == record.rows
    assert record.holdout_rows == 600
    times = read_labelled(trained.data, trained.spec).times
    assert np.sum(times < np.datetime64(fit.end.replace(tzinfo=None))) == record.fit_rows


def test_what_is_measured_is_the_holdouts(trained):
    record = trained.record
    holdout = read_labelled(trained.data, trained.spec).part(record.fit_rows)
    model = load_model(trained.folder / MODEL, record.model_sha256)
    positive = model.predict(holdout.features()).probability[:, 1]

    assert record.score == pytest.approx(roc_auc_score(holdout.labels, positive))
    assert record.metrics["roc_auc"] == record.score
    assert record.interval[0] < record.score < record.interval[1]
    assert sum(sum(row) for row in record.confusion) == record.holdout_rows
    assert record.labels == ["0", "1"]
    assert record.roc.fpr[-1] == 1
    assert sum(part.rows for part in record.slices) == record.holdout_rows
    assert sum(record.baseline) == pytest.approx(1)
    assert record.importances["price"] > record.importances["weight"]


def test_the_sample_shows_predictions_of_the_holdout_only(trained):
    table = pq.read_table(trained.folder / SAMPLE)
    record = trained.record

    assert table.column_names == ["price", "weight", "shop", "prediction"]
    assert table.num_rows == record.rows
    assert table.column("prediction").null_count == record.fit_rows


def test_the_holdouts_intervals_are_those_of_its_blocks_of_time(trained):
    record, spec = trained.record, trained.spec
    holdout = read_labelled(trained.data, spec).part(record.rows - record.holdout_rows)
    model = load_model(trained.folder / MODEL, record.model_sha256)
    answers, blocks = model.predict(holdout.features()), time_blocks(holdout.times)

    def expected(positions):
        return interval(
            METRICS["roc_auc"],
            holdout.labels[positions],
            answers.rows(positions),
            spec.gate.resamples,
            spec.gate.confidence,
            spec.training.seed,
            blocks[positions],
        )

    assert record.interval == expected(np.arange(len(holdout)))
    first = holdout.slices()[0]
    assert record.slices[0].value == first.value
    assert record.slices[0].interval == expected(first.positions)


def test_the_profile_of_the_answers_holds_every_holdout_row(trained):
    profile = Profile.model_validate_json((trained.folder / PROFILE).read_bytes())
    holdout = read_labelled(trained.data, trained.spec).part(
        trained.record.rows - trained.record.holdout_rows
    )
    model = load_model(trained.folder / MODEL, trained.record.model_sha256)
    positive = model.predict(holdout.features()).probability[:, 1]

    found = profile.columns["prediction"]

    assert sum(found.counts) == trained.record.holdout_rows
    assert (found.minimum, found.maximum) == (positive.min(), positive.max())
    cells = np.searchsorted(found.edges, positive, side="left")
    assert found.counts == np.bincount(cells, minlength=len(found.counts)).tolist()


def test_a_sample_is_a_sample(tmp_path, trained, monkeypatch):
    monkeypatch.setattr("components.model.reference._SAMPLE_ROWS", 100)
    train_candidate(trained.spec, trained.data, tmp_path / "candidate")

    assert pq.read_metadata(tmp_path / "candidate" / SAMPLE).num_rows == 100


def test_the_sample_is_of_all_rows_those_without_a_label_too(tmp_path, trained):
    table = pq.read_table(trained.data)
    never = np.array(table["price"].to_pylist()) > np.median(table["price"].to_pylist())
    labels = pa.array(table["returned"].to_pylist(), mask=never & (np.arange(3000) % 3 > 0))
    data = rewritten(trained.data, tmp_path / "w", returned=labels)
    record = train_candidate(trained.spec, data, tmp_path / "candidate")

    sample = pq.read_table(tmp_path / "candidate" / SAMPLE)
    assert record.unlabelled_rows > 900
    assert sample.column("price").to_pylist() == table.sort_by("placed")["price"].to_pylist()
    answered = pc.is_valid(sample.column("prediction"))
    assert pc.sum(answered).as_py() == record.holdout_rows
    holdout = read_labelled(data, trained.spec).part(record.rows - record.holdout_rows)
    assert sample.filter(answered)["price"].to_pylist() == holdout.table["price"].to_pylist()


def test_multiclass(multiclass):
    record = multiclass.record

    assert record.classes == ["back", "gift", "kept"]
    assert set(record.metrics) >= {"accuracy", "log_loss", "roc_auc"}
    assert len(record.confusion) == len(record.baseline) == 3
    assert record.roc is None
    profile = Profile.model_validate_json((multiclass.folder / PROFILE).read_bytes())
    assert profile.columns["prediction"].kind == profile.columns["label"].kind == "category"


def test_regression(regression):
    record = regression.record

    assert (record.classes, record.labels, record.confusion, record.roc) == ([], [], None, None)
    assert set(record.metrics) == {"mae", "rmse", "r2"}
    assert record.metrics["r2"] > 0.2
    profile = Profile.model_validate_json((regression.folder / PROFILE).read_bytes())
    assert profile.columns["prediction"].kind == profile.columns["label"].kind == "numeric"


def test_the_order_of_the_files_rows_does_not_matter(trained, tmp_path):
    other = shuffled(trained.data, tmp_path / "shuffled.parquet")

    train_candidate(trained.spec, other, tmp_path / "candidate")

    assert contents(tmp_path / "candidate") == contents(trained.folder)


def test_another_process_with_one_thread_and_another_order_gives_the_same_bytes(trained, tmp_path):
    spec = changed(trained.spec, **BOOSTER)
    with threadpool_limits(2):
        train_candidate(spec, trained.data, tmp_path / "here")
    (tmp_path / "spec.json").write_bytes((tmp_path / "here" / SPEC).read_bytes())
    code = (
        "import sys; from pathlib import Path\n"
        "from components.model.train import train_candidate\n"
        "from components.spec.load import load_spec\n"
        "train_candidate(load_spec(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))\n"
    )
    data = shuffled(trained.data, tmp_path / "shuffled.parquet")
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "spec.json", data, tmp_path / "there"],
        env=os.environ | {"PYTHONHASHSEED": "12", "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def test_another_seed_or_another_row_gives_another_model(trained, tmp_path):
    forest = {
        "estimator__class": "sklearn.ensemble.RandomForestClassifier",
        "estimator__parameters": {"n_estimators": 3},
    }
    first = retrained(trained, tmp_path / "a", **forest).record
    seeded = retrained(trained, tmp_path / "b", **forest, training__seed=1).record
    fewer = retrained(trained, tmp_path / "c", window="2024-01", **forest).record

    assert len({first.model_sha256, seeded.model_sha256, fewer.model_sha256}) == 3
    assert fewer.fingerprint != first.fingerprint


def test_training_again_replaces_the_folder(trained, tmp_path):
    folder = tmp_path / "candidate"
    folder.mkdir()
    (folder / "old").write_text("old")

    train_candidate(trained.spec, trained.data, folder)

    assert {path.name for path in folder.iterdir()} == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["candidate"]


def test_a_failure_leaves_what_was_there(trained, tmp_path):
    folder = tmp_path / "candidate"
    folder.mkdir()
    (folder / "old").write_text("old")
    spec = changed(trained.spec, estimator__parameters={"C": -1.0})

    with pytest.raises(ModelError, match=r"estimator.parameters"):
        train_candidate(spec, trained.data, folder)

    assert contents(folder) == {"old": b"old"}
    assert [path.name for path in tmp_path.iterdir()] == ["candidate"]


def rewritten(source, destination, **columns):
    """The window with other columns, and the same report."""
    table = pq.read_table(source)
    for name, values in columns.items():
        place = table.column_names.index(name)
        table = table.set_column(place, name, values)
    pq.write_table(table, destination)
    return destination


def test_a_model_is_fitted_on_labels_that_were_known_when_the_holdout_began(trained, tmp_path):
    spec = changed(trained.spec, label__delay="3d")

    record = train_candidate(spec, trained.data, tmp_path / "late")

    before = trained.record
    fit, holdout = Window.parse(record.fit_window), Window.parse(record.holdout_window)
    assert record.holdout_window == before.holdout_window
    assert (record.rows, record.holdout_rows) == (before.rows, before.holdout_rows)
    assert holdout.start - fit.end == timedelta(days=3)
    times = read_labelled(trained.data, spec).times
    assert record.fit_rows == np.sum(times < np.datetime64(fit.end.replace(tzinfo=None)))
    assert record.gap_rows == before.fit_rows - record.fit_rows > 100
    # The rows of the gap change nothing, whatever their labels will be.
    labels = read_labelled(trained.data, spec).labels.copy()
    labels[record.fit_rows : record.fit_rows + record.gap_rows] = 1
    ids = read_labelled(trained.data, spec).ids.to_pylist()
    of_id = dict(zip(ids, labels.tolist(), strict=True))
    order = pq.read_table(trained.data).column("order").to_pylist()
    data = rewritten(trained.data, tmp_path / "w", returned=pa.array([of_id[i] for i in order]))
    assert train_candidate(spec, data, tmp_path / "other").model_sha256 == record.model_sha256
    assert f"| left out between | {record.gap_rows} rows |" in model_card(spec, record)


def test_a_label_delay_that_leaves_nothing_to_fit_on(trained, tmp_path):
    spec = changed(trained.spec, label__delay="60d")

    with pytest.raises(DataError, match=r"no label was known when the holdout began.*is 60d; take"):
        train_candidate(spec, trained.data, tmp_path / "candidate")


def test_too_few_labels(trained, tmp_path):
    spec = changed(trained.spec, training__min_rows=5000)

    with pytest.raises(DataError, match=r"2024-03-01 has 3,000 labelled.*asks for 5,000; take"):
        train_candidate(spec, trained.data, tmp_path / "candidate")


def test_no_labels_at_all(trained, tmp_path):
    data = rewritten(trained.data, tmp_path / "w", returned=pa.nulls(3000, pa.int64()))

    with pytest.raises(DataError, match=r"0 labelled rows \(3,000 rows have none\).*wait for"):
        train_candidate(trained.spec, data, tmp_path / "candidate")


def test_one_class_in_the_earlier_part(trained, tmp_path):
    late = np.arange(3000) >= 2700
    data = rewritten(trained.data, tmp_path / "w", returned=pa.array(late.astype(int)))

    with pytest.raises(DataError, match=r"only the class 0 in the rows to be fitted on"):
        train_candidate(trained.spec, data, tmp_path / "candidate")


def test_one_class_in_the_later_part(trained, tmp_path):
    early = (np.arange(3000) % 2) * (np.arange(3000) < 2000)
    data = rewritten(trained.data, tmp_path / "w", returned=pa.array(early))

    with pytest.raises(DataError, match=r"roc_auc is not defined on the holdout.*do not vary"):
        train_candidate(trained.spec, data, tmp_path / "candidate")


def test_a_third_class_in_the_later_part_is_not_binary(trained, tmp_path):
    values = np.arange(3000) % 2
    values[-1] = 2
    data = rewritten(trained.data, tmp_path / "w", returned=pa.array(values))

    with pytest.raises(DataError, match=r"3 classes, such as \[0, 1, 2\].*task: multiclass"):
        train_candidate(trained.spec, data, tmp_path / "candidate")


def test_a_class_of_the_later_part_alone_counts_as_a_mistake(multiclass, tmp_path):
    fate = pq.read_table(multiclass.data).column("fate").to_pylist()
    data = rewritten(multiclass.data, tmp_path / "w", fate=pa.array([*fate[:-9], *["lost"] * 9]))

    record = train_candidate(multiclass.spec, data, tmp_path / "candidate")

    assert record.classes == ["back", "gift", "kept"]
    assert record.labels == ["back", "gift", "kept", "lost"]
    assert sum(record.confusion[3]) == 9


def test_one_time_for_all_rows(trained, tmp_path):
    times = pq.read_table(trained.data).column("placed")
    one = pa.array([times[0].as_py()] * 3000, times.type)
    data = rewritten(trained.data, tmp_path / "w", placed=one)

    with pytest.raises(DataError, match=r"have one time, so there is no later part"):
        train_candidate(trained.spec, data, tmp_path / "candidate")


def test_a_metric_that_the_estimator_cannot_serve(trained, tmp_path):
    spec = changed(trained.spec, estimator__class="sklearn.linear_model.RidgeClassifier")

    with pytest.raises(ModelError, match=r"roc_auc needs probabilities.*or metric accuracy"):
        train_candidate(spec, trained.data, tmp_path / "candidate")


def test_without_probabilities_the_prediction_has_no_profile(trained, tmp_path):
    again = retrained(
        trained,
        tmp_path,
        estimator__class="sklearn.linear_model.RidgeClassifier",
        metric="accuracy",
    )

    profile = Profile.model_validate_json((again.folder / PROFILE).read_bytes())
    assert "prediction" not in profile.columns
    assert pq.read_table(again.folder / SAMPLE).column("prediction").null_count == 3000


def test_a_feature_may_not_be_called_as_driftlines_own_columns(trained, tmp_path):
    table = pq.read_table(trained.data).rename_columns({"weight": "label"})
    pq.write_table(table, tmp_path / "w")
    spec = changed(trained.spec, columns__numeric=["price", "label"])

    with pytest.raises(ModelError, match=r"cannot be called 'label'.*rename it in the source"):
        train_candidate(spec, tmp_path / "w", tmp_path / "candidate")


@pytest.mark.parametrize("kind", ["text", "bool"])
def test_texts_and_booleans_as_classes(trained, tmp_path, kind):
    values = np.array(pq.read_table(trained.data).column("returned").to_pylist())
    labels = pa.array(values == 1) if kind == "bool" else pa.array(np.where(values, "yes", "no"))
    data = rewritten(trained.data, tmp_path / "w", returned=labels)

    record = train_candidate(trained.spec, data, tmp_path / "candidate")

    assert record.classes == ([False, True] if kind == "bool" else ["no", "yes"])
    assert record.score == pytest.approx(trained.record.score)


def test_a_remark_of_the_estimator_is_kept(tmp_path):
    trained = make_trained(
        tmp_path / "world",
        estimator={
            "class": "sklearn.linear_model.LogisticRegression",
            "parameters": {"max_iter": 1},
        },
    )

    assert any("converge" in remark for remark in trained.record.remarks)
