from components.model.card import model_card
from components.model.evaluate import evaluate_candidate
from tests.model.conftest import changed


def test_the_card_says_what_was_measured(trained, other):
    evaluation = evaluate_candidate(trained.spec, trained.data, trained.folder, other.folder)

    card = model_card(trained.spec, trained.record, evaluation, {"run": "run-1", "reason": "drift"})

    record = trained.record
    assert card.startswith("# orders\n")
    assert f"roc_auc {record.score:.3f}, 95 % interval" in card
    assert " over 20 blocks of time, on the 600 latest labelled rows" in card
    assert "| price | " in card
    assert record.model_sha256 in card
    assert record.fingerprint in card
    assert record.fit_window in card
    assert "## Against the champion\n\nThe gate accepted it:" in card
    assert "| shop | north | " in card
    assert "| run | run-1 |" in card


def test_a_card_without_an_evaluation_does_not_speak_of_one(regression):
    card = model_card(regression.spec, regression.record)

    assert "The gate" not in card
    assert "classes" not in card.split("\n\n")[1]
    assert "## Where it comes from" not in card


def test_values_cannot_break_out_of_their_cells(trained):
    evil = "a|b\n# heading [x](http://y) `code` <img src=x>"
    part = trained.record.slices[0].model_copy(update={"value": evil})
    record = trained.record.model_copy(update={"slices": [part], "remarks": [evil]})

    card = model_card(trained.spec, record, None, {"reason": evil})

    assert "\n# heading" not in card
    assert "<img" not in card.replace("\\<img", "")
    assert "a\\|b" in card
    assert len({line.count(" | ") for line in card.splitlines() if "a\\|b" in line}) > 0


def test_slices_that_were_not_measured_are_a_limit(trained):
    part = trained.record.slices[0].model_copy(update={"score": None, "interval": None})
    record = trained.record.model_copy(update={"slices": [part]})

    card = model_card(trained.spec, record)

    assert f"How good it is there was not measured: shop={part.value}." in card


def test_what_happens_to_unseen_categories_is_said(trained):
    refusing = changed(trained.spec, serving__unseen="refuse")

    assert "never saw is refused" in model_card(refusing, trained.record)
    assert "like a missing or rare one" in model_card(trained.spec, trained.record)
