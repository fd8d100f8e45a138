"""What a window's schema may be joined to, and how."""

from pathlib import Path

import pytest

from components.core.errors import DataError, UsageError
from components.core.verdict import Finding, Verdict
from components.schema.accept import AcceptedChange, AcceptedChanges, join, propose
from components.schema.column_schema import ColumnSchema
from components.schema.schema import Schema

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
    observed = schema("2024-02", a=NUMBER, c=TEXT)
    assert propose(verdict, observed, [], "why", "now").names == ["a", "id"]
    named = propose(verdict, observed, ["c", "note"], "why", "now")
    assert (list(named.columns), named.extra_columns) == (["c"], ["note"])
    with pytest.raises(UsageError, match="has no column 'b'; choose from a, c, id, note"):
        propose(verdict, observed, ["b"], "why", "now")


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
    observed = schema("2024-02", a=NUMBER.model_copy(update={"missing": 1000}), c=TEXT)
    with pytest.raises(DataError, match=f"{remedy}.*accept the others with --column c"):
        propose(verdict, observed, [], "why", "now")
    assert propose(verdict, observed, ["c"], "why", "now").names == ["c"]


def test_what_was_accepted_for_the_same_window_is_not_new():
    change = AcceptedChange(
        window="2024-02", at="now", reason="why", columns={"c": TEXT}, keys={"id": "string"},
        extra_columns=["note"],
    )  # fmt: skip
    assert change.without([change.model_copy(update={"at": "then"})]).names == []
    assert change.without([]).names == ["c", "id", "note"]
    other = change.model_copy(update={"window": "2024-03"})
    assert change.without([other]) == change
