import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core.errors import ModelError, ReleaseError
from components.model.evaluate import evaluate_candidate
from components.model.files import MODEL, TRAINING
from components.model.records import Evaluation
from tests.model.conftest import changed, make_trained, retrained


def evaluate(challenger, champion=None, window="2024-01..2024-03", **changes):
    spec = changed(challenger.spec, **changes)
    data = challenger.window(window)
    return evaluate_candidate(spec, data, challenger.folder, champion and champion.folder)


def test_the_first_candidate_has_to_beat_the_constant_answer(trained):
    found = evaluate(trained)

    assert found.verdict == "accept"
    assert (found.against, found.champion) == ("baseline", None)
    assert found.champion_score == 0.5
    assert found.challenger_score == pytest.approx(trained.record.score)
    assert found.reasons[0].startswith("roc_auc 0.8")
    assert "a constant answer's" not in " ".join(found.reasons), "it is the comparison itself"
    assert "against the baseline's 0.500" in found.reasons[0]
    assert found.rows == trained.record.holdout_rows


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_other_tasks_beat_theirs(task, request):
    found = evaluate(request.getfixturevalue(task))

    assert found.verdict == "accept"
    assert found.interval[0] > 0
    assert set(found.challenger_metrics) == set(found.champion_metrics)


def test_a_model_that_has_learned_nothing_is_rejected(trained, tmp_path):
    nothing = retrained(
        trained,
        tmp_path,
        estimator__class="sklearn.dummy.DummyClassifier",
        estimator__parameters={"strategy": "stratified"},
    )

    found = evaluate(nothing)

    assert found.verdict == "reject"
    assert "not above the margin 0 beyond chance" in found.reasons[0]


def test_a_better_challenger_is_accepted_and_the_other_way_round_rejected(trained, other):
    there, back = evaluate(trained, other), evaluate(other, trained)

    assert (there.verdict, back.verdict) == ("accept", "reject")
    assert there.against == "champion"
    assert (there.champion, there.challenger) == (back.challenger, back.champion)
    assert there.difference == pytest.approx(-back.difference)
    assert there.interval == pytest.approx((-back.interval[1], -back.interval[0]))
    assert "below the margin 0" in " ".join(back.reasons)


def test_better_than_a_champion_that_fails_is_not_good_enough(tmp_path):
    # The rule turns round in March: both answer the wrong way round, the tree a little less.
    before = make_trained(tmp_path / "world", turned=(3,))
    tree = retrained(before, tmp_path)

    found = evaluate(tree, before, "2024-03")

    assert found.interval[0] > 0
    assert found.challenger_score < 0.5
    assert found.verdict == "reject"
    assert "against a constant answer's 0.500" in found.reasons[0]
    assert found.reasons[0].endswith("not better beyond chance")


def test_the_number_of_blocks_is_noted(trained, other):
    assert evaluate(trained, other, "2024-03").blocks == 28
    assert evaluate(trained).blocks == trained.record.blocks == 14


def test_the_champion_itself_is_no_challenger(trained, tmp_path):
    again = shutil.copytree(trained.folder, tmp_path / "again")

    found = evaluate_candidate(trained.spec, trained.data, trained.folder, again)

    assert found.verdict == "reject"
    assert found.reasons[0].startswith("identical: the challenger is the champion itself")
    assert found.champion_score is found.challenger_score is found.interval is None


def test_the_same_rows_trained_twice_are_the_champion_itself(trained, tmp_path):
    twin = retrained(trained, tmp_path, training__seed=0)

    assert evaluate(twin, trained).reasons[0].startswith("identical")


def test_only_rows_after_both_fit_windows_count(trained, tmp_path):
    later = retrained(trained, tmp_path, window="2024-02..2024-04")

    found = evaluate(later, trained, window="2024-01..2024-05")

    assert found.window == f"{later.record.holdout_window.partition('..')[0]}..2024-05-01"
    assert found.rows == later.record.holdout_rows + 1500
    back = evaluate(trained, later, window="2024-01..2024-05")
    assert (back.rows, back.window) == (found.rows, found.window)


def test_rows_whose_labels_came_while_the_model_was_fitted_are_not_fresh(trained, tmp_path):
    late = retrained(trained, tmp_path, label__delay="3d")

    found = evaluate(late)

    assert late.record.gap_rows > 100
    assert (found.rows, found.window) == (late.record.holdout_rows, late.record.holdout_window)


@pytest.mark.parametrize("window", ["2024-01", "2024-01..2024-03"])
def test_too_few_fresh_rows_are_rejected_in_words(trained, other, window):
    found = evaluate(trained, other, window, gate__min_rows=700)

    assert found.verdict == "reject"
    rows = 0 if window == "2024-01" else 600
    assert found.reasons == [
        f"only {rows} labelled rows that were not fitted on, and gate.min_rows asks for 700; "
        "take a longer window, or wait for the labels"
    ]
    assert found.rows == rows
    assert found.window == ("" if rows == 0 else trained.record.holdout_window)


def test_a_floor_that_is_missed_rejects(trained):
    found = evaluate(trained, gate__floor=0.999)

    assert found.verdict == "reject"
    assert "misses the floor 0.999" in found.reasons[0]


def test_a_slice_that_got_worse_rejects(trained, other):
    gate = {"gate__margin": 1.0, "gate__slice_margin": 0.0, "gate__min_slice_rows": 100}

    found = evaluate(other, trained, **gate)

    assert found.verdict == "reject"
    assert "worse" in {part.verdict for part in found.slices}
    assert found.reasons[0].startswith("worse than the champion where shop is ")


def test_a_champion_with_fewer_features_is_compared_all_the_same(trained, tmp_path):
    fewer = retrained(trained, tmp_path, columns__numeric=["weight"])

    found = evaluate(trained, fewer)

    assert found.verdict == "accept"
    assert found.difference > 0.1


def test_a_champion_that_needs_a_feature_that_is_gone_says_so(trained, tmp_path):
    fewer = retrained(trained, tmp_path, columns__numeric=["weight"])

    with pytest.raises(ModelError, match=r"needs the numeric column 'price'.*no longer lists"):
        evaluate(fewer, trained)


def test_after_a_turn_of_the_rule_the_retrained_model_wins(tmp_path):
    before = make_trained(tmp_path / "world", turned=(3, 4))
    after = retrained(before, tmp_path, window="2024-03..2024-05", training__seed=0)

    found = evaluate(after, before, "2024-03..2024-05")

    assert found.verdict == "accept"
    assert found.difference > 0.3


def test_labels_that_do_not_vary_cannot_decide(trained, tmp_path):
    table = pq.read_table(trained.data)
    place = table.column_names.index("returned")
    path = tmp_path / "w.parquet"
    pq.write_table(
        table.set_column(place, "returned", pa.array(np.ones(len(table), dtype=np.int64))), path
    )

    found = evaluate_candidate(trained.spec, path, trained.folder, None)

    assert found.verdict == "reject"
    assert "roc_auc is not defined on the 600 fresh rows" in found.reasons[0]


def test_an_evaluation_survives_json(trained, other):
    found = evaluate(trained, other)

    assert Evaluation.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize("name", [TRAINING, MODEL])
def test_a_folder_without_its_files_is_refused(trained, copy, name):
    folder = copy(trained)
    (folder / name).unlink()

    with pytest.raises(ReleaseError, match=rf"{name} cannot be read"):
        evaluate_candidate(trained.spec, trained.data, folder, None)


def test_a_record_of_another_form_is_refused(trained, copy):
    folder = copy(trained)
    (folder / TRAINING).write_text(json.dumps({"score": 1}))

    with pytest.raises(ReleaseError, match=r"training.json cannot be read as a training record"):
        evaluate_candidate(trained.spec, trained.data, folder, None)


def test_a_model_that_the_record_does_not_speak_of_is_refused(trained, other, copy):
    folder = copy(trained)
    shutil.copy(other.folder / MODEL, folder / MODEL)

    with pytest.raises(ReleaseError, match=r"changed or cut off"):
        evaluate_candidate(trained.spec, trained.data, folder, None)
