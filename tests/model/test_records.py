import subprocess
import sys

import pytest

from components.model.records import Evaluation, TrainingRecord


@pytest.mark.parametrize("classes", [[False, True], [0, 1], ["no", "yes"], [0, 1, 2]])
def test_classes_keep_their_type_through_json(trained, classes):
    record = trained.record.model_copy(update={"classes": classes})

    again = TrainingRecord.model_validate_json(record.model_dump_json())

    assert [(type(c), c) for c in again.classes] == [(type(c), c) for c in classes]


def test_a_record_survives_json_to_the_last_digit(trained):
    assert TrainingRecord.model_validate_json(trained.record.model_dump_json()) == trained.record


def test_scores_are_named_by_who_has_them():
    evaluation = Evaluation(
        verdict="accept",
        reasons=["better"],
        against="champion",
        champion="a",
        challenger="b",
        window="",
        rows=10,
        metric="mae",
        champion_score=2.0,
        challenger_score=1.0,
        difference=1.0,
        interval=(0.5, 1.5),
        confidence=0.95,
    )

    assert evaluation.scores() == {
        "rows": 10,
        "challenger_mae": 1.0,
        "champion_mae": 2.0,
        "difference": 1.0,
        "difference_low": 0.5,
        "difference_high": 1.5,
    }


def test_reading_a_record_loads_nothing_heavy():
    code = "import sys, components.model.records; print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)

    assert not {"sklearn", "numpy", "pandas", "pyarrow"} & set(loaded.stdout.decode().split())


def test_an_older_record_still_reads(trained):
    document = trained.record.model_dump(exclude={"errors", "calibration", "blocks", "gap_rows"})

    older = TrainingRecord.model_validate(document)

    assert (older.errors, older.calibration) == (None, None)


@pytest.mark.parametrize("task", ["trained", "multiclass", "regression"])
def test_a_record_says_what_later_checks_need(task, request):
    record = request.getfixturevalue(task).record

    assert record.errors.labels == record.holdout_rows
    assert 0 < record.errors.wrong < record.errors.labels
    assert record.errors.dispersion >= 1
    assert (record.errors.bound is not None) == (record.task == "regression")
    assert len(record.calibration.model_dump_json()) < 20_000
