"""Accepted changes in a store, on a folder and on S3."""

import threading

import pytest

from components.core.errors import DataError, StoreError
from components.core.storage import Store
from components.core.verdict import Finding, Verdict
from components.core.window import Window
from components.release.accepted import AcceptedSchemas, observed_name
from components.schema.column_schema import ColumnSchema
from components.schema.schema import Schema

MARCH = Window.parse("2024-03")


@pytest.fixture(params=["folder", "s3"])
def store(request, tmp_path):
    address = request.getfixturevalue("s3_address") if request.param == "s3" else tmp_path
    return Store(address)


def checked(store, window=MARCH, columns=("a", "c")):
    """A window whose check flagged some columns."""
    column = ColumnSchema(kind="category", source_types=["string"], rows=9, missing=0)
    schema = Schema(
        window=str(window), rows=9, rows_read=9, columns=dict.fromkeys((*columns, "b"), column)
    )
    findings = [
        Finding(column=name, statistic="new categories", severity="drift", message=name)
        for name in columns
    ]
    verdict = Verdict.of("schema", str(window), "v1", findings)
    folder = f"m/checks/{window.key}"
    store.write(observed_name("m", window, "monitoring"), schema.model_dump_json().encode())
    store.write(f"{folder}/schema_monitoring.json", verdict.model_dump_json().encode())


def test_accepting_twice_changes_nothing(store):
    checked(store)
    accepted = AcceptedSchemas(store, "m")
    assert accepted.accept(MARCH, [], "wanted").names == ["a", "c"]
    before = store.read("m/schema.json")
    assert accepted.accept(MARCH, ["c"], "once more").names == []
    assert store.read("m/schema.json") == before
    (change,) = accepted.read().changes
    assert (change.window, change.reason, change.names) == (str(MARCH), "wanted", ["a", "c"])


def test_two_at_once_both_stand(store):
    names = [f"c{number}" for number in range(4)]
    checked(store, columns=names)
    failed = []

    def accept(name):
        try:
            AcceptedSchemas(Store(store.address), "m").accept(MARCH, [name], name)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=accept, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    changes = AcceptedSchemas(store, "m").read().changes
    assert sorted(name for change in changes for name in change.names) == names


def test_a_window_that_was_not_checked_says_how_to(store):
    with pytest.raises(DataError, match="run 'driftline run monitoring --window 2024-03-01"):
        AcceptedSchemas(store, "m").accept(MARCH, [], "wanted")


def test_a_damaged_document_is_named(store):
    store.write("m/schema.json", b"{")
    with pytest.raises(StoreError, match=r"m/schema\.json is damaged"):
        AcceptedSchemas(store, "m").read()
