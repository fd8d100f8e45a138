"""What a window's schema may be joined to, and how."""

from pathlib import Path

import pytest

from components.core.errors import DataError, UsageError
from components.core.verdict import Finding, Verdict
from components.data.report import ColumnReport, IngestReport
from components.schema.accept import (
    AcceptedChange,
    AcceptedChanges,
    Observation,
    join,
    propose,
)
from components.schema.column_schema import ColumnSchema
from components.schema.footer_anomalies import key_findings
from components.schema.schema import Schema, split_types

NUMBER = ColumnSchema(
    kind="number", source_types=["double"], rows=1000, missing=0, minimum=1, maximum=9, whole=True
)
TEXT = ColumnSchema(
    kind="category", source_types=["string"], rows=1000, missing=10, categories=["x", "y"]
)


def schema(window="2024-01", **columns):
    return Schema(window=window, rows=1000, rows_read=1000, columns=columns, keys={"id": "int64"})


def flagged(*findings):
    made = [
        Finding(column=column, statistic=statistic, severity=severity, message=f"{column} is odd")
        for column, statistic, severity in findings
    ]
    return Verdict.of("schema", "2024-02", "v1", made)


def seen(verdict, purpose="monitoring", at="2024-03-01T00:00:00.000001+00:00", **columns):
    """What a check saw and said."""
    observed = schema("2024-02", **columns)
    return Observation(window="2024-02", purpose=purpose, at=at, verdict=verdict, observed=observed)


def test_a_schema_of_the_first_format_is_still_read():
    text = (Path(__file__).parent / "data" / "schema-1.json").read_text()
    old = Schema.model_validate_json(text)
    price, weight, shop = (old.columns[name] for name in ("price", "weight", "shop"))
    assert (price.source_types, price.present, price.most_common) == (["double"], 3000, 1)
    assert (weight.missing, weight.present) == (147, 2853)
    assert (shop.categories, shop.complete, shop.rare) == (["east", "north", "south"], True, (0, 0))
    assert Schema.model_validate_json(old.model_dump_json()) == old


def test_numbers_are_joined_to_a_range_that_holds_both():
    joined = join(
        NUMBER,
        NUMBER.model_copy(
            update={"minimum": -3.0, "whole": False, "missing": 400, "source_types": ["int64"]}
        ),
    )
    assert (joined.minimum, joined.maximum, joined.whole) == (-3, 9, False)
    assert joined.source_types == ["double", "int64"]
    assert (joined.rows, joined.missing) == (1000, 0), "the reference's own counts stay"
    assert joined.emptiest.missing == 400


def test_another_kind_is_not_joined():
    assert join(NUMBER, TEXT) == NUMBER


def test_more_new_categories_than_a_profile_names_make_a_text_of_it():
    joined = join(TEXT, TEXT.model_copy(update={"complete": False, "doubtful": 990}))
    assert not joined.complete
    assert joined.doubtful == joined.present


def test_a_champion_that_has_seen_the_window_is_not_widened():
    change = AcceptedChange(window="2024-02", at="now", reason="new", columns={"c": TEXT})
    changes = AcceptedChanges(changes=[change])
    other = TEXT.model_copy(update={"categories": ["z"]})
    assert changes.widen(schema("2024-01", c=other)).columns["c"].categories == ["x", "y", "z"]
    for window in ("2024-02", "2024-01..2024-03", "2024-03"):
        assert changes.widen(schema(window, c=other)).columns["c"].categories == ["z"]


def test_a_column_that_the_champion_lacks_is_left_out():
    change = AcceptedChange(
        window="2024-02", at="now", reason="new", columns={"d": TEXT}, extra_columns=["note"]
    )
    widened = AcceptedChanges(changes=[change]).widen(schema(c=TEXT))
    assert (list(widened.columns), widened.extra_columns) == (["c"], ["note"])


def test_the_flagged_columns_are_proposed_or_those_that_are_named():
    verdict = flagged(
        ("a", "range", "drift"), ("c", "new categories", "info"), ("", "duplicates", "warn"),
        ("id", "type", "warn"), ("note", "new column", "info"),
    )  # fmt: skip
    checks, before = [seen(verdict, a=NUMBER, c=TEXT)], schema(a=NUMBER, c=TEXT)
    assert propose(checks, before, [], "why", "now").names == ["a", "id"]
    named = propose(checks, before, ["c", "note"], "why", "now")
    assert (list(named.columns), named.extra_columns) == (["c"], ["note"])
    with pytest.raises(UsageError, match="has no column 'b'; choose from a, c, id, note"):
        propose(checks, before, ["b"], "why", "now")


def test_each_column_is_taken_from_the_newest_check_that_flagged_it():
    older, newer = "2024-03-01T00:00:00.000000+00:00", "2024-03-02T00:00:00.000000+00:00"
    west, south = (TEXT.model_copy(update={"categories": [name]}) for name in ("west", "south"))
    monitoring = seen(
        flagged(("a", "range", "drift"), ("c", "new categories", "drift")), at=newer, a=NUMBER,
        c=south, d=TEXT,
    )  # fmt: skip
    training = seen(
        flagged(("d", "new categories", "warn"), ("c", "new categories", "drift")), "training",
        older, a=NUMBER, c=west, d=west,
    )  # fmt: skip
    before = schema(a=NUMBER, c=TEXT, d=TEXT)
    for checks in ([monitoring, training], [training, monitoring]):
        change = propose(checks, before, [], "why", "now")
        assert change.columns == {"a": NUMBER, "c": south, "d": west}
    assert propose([monitoring, training], before, ["d"], "why", "now").columns == {"d": west}


def test_a_later_check_of_another_purpose_hides_no_refusal():
    training = seen(flagged(("a", "unparsable", "blocked")), "training", a=NUMBER, c=TEXT)
    monitoring = seen(
        flagged(("c", "new categories", "drift")), at="2024-03-02T00:00:00+00:00", a=NUMBER, c=TEXT
    )
    before = schema(a=NUMBER, c=TEXT)
    with pytest.raises(DataError) as raised:
        propose([monitoring, training], before, [], "why", "now")
    assert str(raised.value) == (
        "a cannot be accepted: a is odd; mend the source, so that its values can be read; the "
        "training check of 2024-03-01T00:00:00 says so: run it again where that was mended; "
        "accept the others with --column c"
    )
    assert propose([monitoring, training], before, ["c"], "why", "now").names == ["c"]


@pytest.mark.parametrize(
    ("before", "wrong"),
    [
        (schema(a=TEXT, c=TEXT), "it is a number in the spec and was a category for the champion"),
        (schema(c=TEXT), "the champion's schema has no such column"),
    ],
)
def test_a_column_that_the_champion_knows_as_no_such_is_refused(before, wrong):
    checks = [
        seen(flagged(("a", "missing values", "drift"), ("c", "range", "warn")), a=NUMBER, c=TEXT)
    ]
    for columns in ([], ["a"]):
        with pytest.raises(DataError, match=f"a cannot be accepted: {wrong}; train again"):
            propose(checks, before, columns, "why", "now")
    assert propose(checks, before, ["c"], "why", "now").names == ["c"]


def test_a_key_whose_type_the_champion_does_not_know_is_refused():
    before = schema(a=NUMBER).model_copy(update={"keys": {}})
    with pytest.raises(DataError, match="id cannot be accepted: the champion's schema does not"):
        propose([seen(flagged(), a=NUMBER)], before, ["id"], "why", "now")


@pytest.mark.parametrize(
    ("statistic", "remedy"),
    [
        ("missing column", "restore the column"),
        ("unparsable", "mend the source"),
        ("classes", "change the task"),
        ("swapped columns", "swap them back"),
        ("missing values", "take the column out of the spec"),
    ],
)
def test_what_has_nothing_to_join_is_refused_with_a_remedy(statistic, remedy):
    verdict = flagged(("a", statistic, "blocked"), ("c", "new categories", "drift"))
    checks = [seen(verdict, a=NUMBER.model_copy(update={"missing": 1000}), c=TEXT)]
    before = schema(a=NUMBER, c=TEXT)
    with pytest.raises(DataError, match=f"{remedy}.*accept the others with --column c"):
        propose(checks, before, [], "why", "now")
    assert propose(checks, before, ["c"], "why", "now").names == ["c"]


def test_what_was_accepted_for_the_same_window_is_not_new():
    change = AcceptedChange(
        window="2024-02", at="now", reason="why", columns={"c": TEXT}, keys={"id": "string"},
        extra_columns=["note"],
    )  # fmt: skip
    assert change.without([change.model_copy(update={"at": "then"})]).names == []
    assert change.without([]).names == ["c", "id", "note"]
    other = change.model_copy(update={"window": "2024-03"})
    assert change.without([other]) == change


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("int64, string", ["int64", "string"]),
        ("string, timestamp[us, tz=UTC]", ["string", "timestamp[us, tz=UTC]"]),
        ("decimal128(10, 2)", ["decimal128(10, 2)"]),
        (
            "dictionary<values=string, indices=int32, ordered=0>, string",
            ["dictionary<values=string, indices=int32, ordered=0>", "string"],
        ),
        ("struct<a: list<item: int64>, b: timestamp[us, tz=UTC]>", None),
    ],
)
def test_types_are_split_outside_of_brackets_alone(text, types):
    assert split_types(text) == (types or [text])
    old = schema().model_dump(mode="json") | {"keys": {"id": text}}
    read = Schema.model_validate(old)
    assert read.keys == {"id": types or [text]}, "a document that has them as one text"
    assert Schema.model_validate_json(read.model_dump_json()) == read


def test_the_types_of_a_key_are_joined_one_by_one():
    change = AcceptedChange(
        window="2024-02", at="now", reason="new", keys={"id": ["int64", "timestamp[us, tz=UTC]"]}
    )
    before = schema().model_copy(update={"keys": {"id": ["string"]}})
    widened = AcceptedChanges(changes=[change, change]).widen(before)
    assert widened.keys == {"id": ["int64", "string", "timestamp[us, tz=UTC]"]}


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ("int64", ""),
        ("string", ""),
        ("int64, string", ""),
        ("timestamp[us, tz=UTC], string", ""),
        ("text", ""),
        ("int32, string", "info id changed its type: int64 or string or timestamp[us, tz=UTC] -> "),
        ("bool", "warn id changed its type: int64 or string or timestamp[us, tz=UTC] -> bool; "),
    ],
)
def test_a_key_of_one_of_the_known_types_is_no_news(now, said):
    before = schema().model_copy(
        update={"keys": {"id": ["int64", "string", "timestamp[us, tz=UTC]"]}}
    )
    report = IngestReport.model_construct(columns={"id": ColumnReport(source_type=now)})
    found = [f"{f.severity} {f.message}" for f in key_findings(report, before)]
    assert len(found) == bool(said)
    assert all(each.startswith(said) for each in found)
