import json

import numpy as np
import pytest

from components.core.errors import ReleaseError
from components.data.feature_rows import FeatureRows
from components.serving.domain import NOTHING, Strange, read_domain
from components.serving.refusal import RequestError

COLUMN = {"source_types": ["double"], "rows": 100, "missing": 0}
SCHEMA = {
    "columns": {
        "load": {**COLUMN, "kind": "number", "minimum": 0.5, "maximum": 10, "missing": 3},
        "age": {**COLUMN, "kind": "number", "minimum": -40, "maximum": 60},
        "site": {**COLUMN, "kind": "category", "categories": ["7", "north"], "unparsable": 1},
        "shift": {**COLUMN, "kind": "category", "categories": ["day", "night"]},
    }
}


@pytest.fixture
def domain(make_spec):
    def get(schema=SCHEMA, **serving):
        return read_domain(json.dumps(schema), make_spec(**serving), "v1")

    return get


def rows(load=1.0, age=0.0, site="north", shift="day"):
    return FeatureRows(np.array([[1.0, 0.0], [load, age]]), [["7", site], ["night", shift]])


def test_what_training_saw_is_nothing_strange(domain):
    assert domain().look(rows()) is NOTHING
    assert domain().look(rows(load=np.nan, site=None)) is NOTHING
    assert domain().plain(rows().numeric)
    assert not domain().plain(rows(load=np.nan).numeric)


def test_what_training_never_saw_is_counted_by_column(domain):
    # One width of the range on each side is the schema check's default.
    strange = domain().look(rows(load=20, age=-141, site="moon", shift="dusk"))

    assert strange == Strange({"site": 1, "shift": 1}, {"load": 1, "age": 1})
    assert domain().look(rows(load=19, age=-140)) is NOTHING


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"load": 20}, "row 1: load is 20, outside of the range -9 to 19.5 that follows from"),
        ({"site": "moon"}, "row 1: site is 'moon', a category that training never saw"),
    ],
)
def test_what_training_never_saw_is_refused_where_the_spec_says_so(change, said, domain):
    with pytest.raises(RequestError, match=said) as refused:
        domain(unseen="refuse").look(rows(**change))
    assert refused.value.status == 422


@pytest.mark.parametrize("unseen", ["answer", "refuse"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"age": np.nan}, "row 1: age is null, and in training it never was; send a number"),
        ({"shift": None}, "row 1: shift is null, and in training it never was; send a text"),
    ],
)
def test_a_null_where_training_had_none_is_refused(change, said, unseen, domain):
    with pytest.raises(RequestError, match=said):
        domain(unseen=unseen).look(rows(**change))


def test_a_window_that_somebody_accepted_counts_as_seen(domain):
    schema = json.loads(json.dumps(SCHEMA))
    age = schema["columns"]["age"]
    age["accepted"] = [{**age, "missing": 5}]

    assert domain(schema).look(rows(age=np.nan)) is NOTHING


def test_a_number_that_may_have_been_rounded_is_never_plain(domain):
    schema = json.loads(json.dumps(SCHEMA))
    schema["columns"]["age"] |= {"minimum": -1e300, "maximum": 1e300}

    assert not domain(schema).plain(rows(age=2.0**53).numeric)
    assert domain(schema).look(rows(age=2.0**53)) is NOTHING


def test_categories_without_end_are_neither_counted_nor_refused(domain):
    schema = json.loads(json.dumps(SCHEMA))
    schema["columns"]["site"] |= {"categories": [], "complete": False}

    assert domain(schema).look(rows(site="moon")) is NOTHING
    with pytest.raises(ReleaseError, match="cannot refuse unseen values of site"):
        domain(schema, unseen="refuse")


@pytest.mark.parametrize("text", ["{}", "[]", '{"columns": {}}', '{"columns": {"load": 1}}', "x"])
def test_a_schema_of_another_form_is_refused(text, make_spec):
    with pytest.raises(ReleaseError, match=r"release v1: schema\.json is not of a form"):
        read_domain(text, make_spec(), "v1")
