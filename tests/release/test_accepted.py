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
COLUMN = ColumnSchema(kind="category", source_types=["string"], rows=9, missing=0)


def champion(window="2024-01..2024-03", columns=("a", "b", "c")):
    """The schema that is widened."""
    return Schema(window=window, rows=9, rows_read=9, columns=dict.fromkeys(columns, COLUMN))


@pytest.fixture(params=["folder", "s3"])
def store(request, tmp_path):
    address = request.getfixturevalue("s3_address") if request.param == "s3" else tmp_path
    return Store(address)


def checked(store, window=MARCH, columns=("a", "c"), purpose="monitoring"):
    """A window whose check flagged some columns."""
    findings = [
        Finding(column=name, statistic="new categories", severity="drift", message=name)
        for name in columns
    ]
    verdict = Verdict.of("schema", str(window), "v1", findings)
    observed = champion(str(window), (*columns, "b"))
    AcceptedSchemas(store, "m").keep(window, purpose, verdict, observed)


def test_accepting_twice_changes_nothing(store):
    checked(store)
    accepted = AcceptedSchemas(store, "m")
    assert accepted.accept(MARCH, [], "wanted", champion()).names == ["a", "c"]
    before = store.read("m/schema.json")
    assert accepted.accept(MARCH, ["c"], "once more", champion()).names == []
    assert store.read("m/schema.json") == before
    (change,) = accepted.read().changes
    assert (change.window, change.reason, change.names) == (str(MARCH), "wanted", ["a", "c"])


def test_two_at_once_both_stand(store):
    names = [f"c{number}" for number in range(4)]
    before = champion(columns=names)
    checked(store, columns=names)
    failed = []

    def accept(name):
        try:
            AcceptedSchemas(Store(store.address), "m").accept(MARCH, [name], name, before)
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
        AcceptedSchemas(store, "m").accept(MARCH, [], "wanted", champion())


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "\xff",
        '{"format": 0}',
        '{"format": "2"}',
        '{"changes": [{"window": "bad", "at": "x", "reason": "r"}]}',
        '{"changes": [{"window": "2024-03..2024-01", "at": "x", "reason": "r"}]}',
    ],
)
def test_a_damaged_document_is_named(tmp_path, content):
    store = Store(tmp_path)
    store.write("m/schema.json", content.encode("latin-1"))
    with pytest.raises(StoreError, match=r"m/schema\.json is damaged; .*accept the changes again$"):
        AcceptedSchemas(store, "m").read()


def test_a_later_driftlines_document_is_not_called_damaged(tmp_path):
    store = Store(tmp_path)
    later = b'{"format": 2, "changes": [], "more": {}}'
    store.write("m/schema.json", later)
    checked(store)
    accepted = AcceptedSchemas(store, "m")
    for ask in (accepted.read, lambda: accepted.accept(MARCH, [], "wanted", champion())):
        with pytest.raises(StoreError) as raised:
            ask()
        assert str(raised.value) == (
            f"{store.url('m/schema.json')} has format 2, and this driftline reads format 1; use "
            "the driftline that wrote it"
        )
    assert store.read("m/schema.json") == later


@pytest.mark.parametrize("trained", ["2024-01..2024-04", "2024-04", "2024-01..2025-01"])
def test_an_earlier_window_widens_no_champion_and_is_not_stored(store, trained):
    checked(store)
    with pytest.raises(DataError) as raised:
        AcceptedSchemas(store, "m").accept(MARCH, [], "wanted", champion(trained))
    end = str(Window.parse(trained)).split("..")[1]
    assert str(raised.value) == (
        f"the champion was trained up to {end}; its schema is not widened by an earlier window "
        "such as 2024-03-01..2024-04-01; choose one that ends later"
    )
    assert not store.exists("m/schema.json")


@pytest.mark.parametrize("purpose", ["monitoring", "training"])
@pytest.mark.parametrize("content", [b"{", b"{}", b'{"window": "2024-03"}'])
def test_a_damaged_observation_of_either_check_is_named(tmp_path, purpose, content):
    store = Store(tmp_path)
    checked(store)
    checked(store, purpose="training")
    store.write(observed_name("m", MARCH, purpose), content)
    with pytest.raises(StoreError) as raised:
        AcceptedSchemas(store, "m").accept(MARCH, [], "wanted", champion())
    assert str(raised.value) == (
        f"{store.url(observed_name('m', MARCH, purpose))} is damaged; run the check again: "
        f"'driftline run {purpose} --window {MARCH}'"
    )


def test_a_check_writes_its_verdict_and_its_schema_at_once(tmp_path):
    """An accept between two writes of a second check would pair an old verdict with new data."""
    store = Store(tmp_path)
    checked(store)
    written = []

    class Spy(Store):
        def write(self, name, data):
            written.append(name)
            super().write(name, data)

    checked(Spy(tmp_path), columns=("b",))
    assert written == [observed_name("m", MARCH, "monitoring")]
    assert AcceptedSchemas(store, "m").accept(MARCH, [], "why", champion()).names == ["b"]
