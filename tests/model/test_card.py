from datetime import UTC, datetime

from components.drift.variation import ColumnVariation, Variation
from components.model.card import model_card
from components.model.card_page import card_page
from components.model.evaluate import evaluate_candidate
from components.schema.schema import Schema
from tests.model.conftest import changed


def test_the_card_says_what_was_measured(trained, other):
    evaluation = evaluate_candidate(trained.spec, trained.data, trained.folder, other.folder)

    card = model_card(trained.spec, trained.record, evaluation, {"run": "run-1", "reason": "drift"})

    record = trained.record
    assert card.startswith("# orders\n")
    assert f"roc_auc {record.score:.3f}, 95 % interval" in card
    assert " over 14 blocks of time, on the 600 latest labelled rows" in card
    assert "| price | " in card
    assert record.model_sha256 in card
    assert record.fingerprint in card
    assert record.fit_window in card
    assert "## Against the champion\n\nThe gate accepted it:" in card
    assert "| shop | north | " in card
    assert "| run | run-1 |" in card


def test_the_card_says_what_the_data_was_and_what_later_data_is_held_to(trained):
    release = trained.folder
    schema = Schema.model_validate_json((release / "schema.json").read_bytes())
    variation = Variation.model_validate_json((release / "variation.json").read_bytes())

    card = model_card(trained.spec, trained.record, schema=schema, variation=variation)

    price = schema.columns["price"]
    assert f"| price | double | 0 % | {price.minimum:.6g} to {price.maximum:.6g} |" in card
    assert "| shop | string | 0 % | east, north, south |" in card
    assert "a population stability index of 0.05 or more" in card
    assert "roc\\_auc worse by 0.02 or more" in card
    assert "No column varied so much by itself" in card


def test_learned_thresholds_are_listed_by_the_length_of_the_window(trained):
    days = [[100 if day % 7 > 4 else 900, 100, 100, 0] for day in range(70)]
    columns = {"price": ColumnVariation(edges=[0.0, 1.0], counts=days)}
    start = datetime(2024, 1, 1, tzinfo=UTC)
    variation = Variation(start=start, seconds=86400, columns=columns)

    card = model_card(trained.spec, trained.record, variation=variation)

    part = card.partition("## What monitoring holds it to")[2]
    line = next(line for line in part.splitlines() if line.startswith("| price | "))
    day, week, _ = [float(text) for text in line.strip("| ").split(" | ")[1:]]
    assert day > 0.05
    assert week < day
    ignoring = changed(trained.spec, checks__drift__ignore=["price"])
    assert "Only shown, never judged: price." in model_card(ignoring, trained.record)


def test_wide_data_is_not_listed_in_full(trained):
    schema = Schema.model_validate_json((trained.folder / "schema.json").read_bytes())
    columns = {f"c{place}": schema.columns["price"] for place in range(100)}
    wide = schema.model_copy(update={"columns": columns, "problems": {"no|id": 3}})

    card = model_card(trained.spec, trained.record, schema=wide)

    assert "| c39 | " in card
    assert "| c40 | " not in card
    assert "And 60 more columns, in `schema.json`." in card
    assert "no\\|id: 3" in card


def test_the_page_holds_the_card_and_nothing_that_runs_or_loads(trained):
    evil = '<script>alert(1)</script> <img src="http://evil.example/x"> [x](javascript:alert(1))'
    part = trained.record.slices[0].model_copy(update={"value": evil})
    record = trained.record.model_copy(update={"slices": [part]})

    page = card_page(model_card(trained.spec, record), "orders & <co>")

    assert "<title>orders &amp; &lt;co&gt;</title>" in page
    assert "<script" not in page
    assert "<img" not in page
    assert "<a " not in page
    assert "http" not in page.replace("http-equiv", "").replace("http://evil.example/x", "")
    assert page.count("<table>") == page.count("</table></div>") > 3
    assert f"<td>{record.fingerprint}</td>" in page


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
