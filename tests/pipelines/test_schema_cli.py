"""The schema commands as a user runs them, after a month in which something changed."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from components.core.errors import BlockedError
from components.core.storage import Store
from components.release.local import LocalTarget
from components.spec.context import open_context
from components.steps.checks import schema_step
from components.steps.ingest import ingest_step
from components.steps.training import train_step
from pipelines.cli import app
from tests.worlds import make_world


def _context(world, start, end):
    return open_context(world.text, world.store, "test", "1", start, end)


def _deploy(world, months):
    """A champion, without the proofs that other tests are about."""
    context = _context(world, *months)
    ingest_step(context, "training", str(world.folder / "training.parquet"))
    candidate = world.folder / f"candidate-{months[1]}"
    train_step(context, str(world.folder / "training.parquet"), str(candidate))
    target = LocalTarget(Store(world.store), "orders")
    version = target.releases.publish(candidate).version
    before = target.current()
    target.deploy(version, expected=before.version if before else None, run="test", reason="test")


def _check(world, start, end):
    context = _context(world, start, end)
    data = world.folder / "window.parquet"
    ingest_step(context, "monitoring", str(data))
    return schema_step(context, "monitoring", str(data), str(world.folder / "verdict.json"))


def _change(world, month, **columns):
    path = world.source / f"{month}.parquet"
    table = pq.read_table(path)
    for name, make in columns.items():
        place = table.column_names.index(name)
        table = table.set_column(place, name, make(table.column(name)))
    pq.write_table(table, path)


def _every(count, value):
    """Of so many rows, one gets another value."""
    return lambda column: pc.if_else(
        pa.array(np.arange(len(column)) % count == 0), pa.scalar(value, column.type), column
    )


def _driftline(world, *arguments):
    spec = world.folder / "spec.yaml"
    spec.write_text(yaml.safe_dump(json.loads(world.text)))
    return CliRunner().invoke(
        app, [*arguments, "--spec", str(spec), "--store", world.store], catch_exceptions=False
    )


@pytest.fixture(params=["folder", "s3"])
def world(request, tmp_path):
    """March and April sell in a new shop and no longer weigh every order."""
    world = make_world(tmp_path)
    if request.param == "s3":
        world = replace(world, address=request.getfixturevalue("s3_address"))
    for month in (3, 4):
        _change(world, month, shop=_every(9, "west"), weight=_every(4, None))
    _deploy(world, ("2024-01-01", "2024-03-01"))
    return world


def test_a_wanted_change_is_shown_accepted_and_judged_by(world):
    march = _check(world, "2024-03-01", "2024-04-01")
    assert {f.column for f in march.at_least("drift")} == {"shop", "weight"}

    done = _driftline(world, "schema", "accept", "--window", "2024-03", "--reason", "a new shop")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "accepted from 2024-03-01..2024-04-01: weight, shop\n"
    assert _check(world, "2024-03-01", "2024-04-01").status == "ok"
    assert _check(world, "2024-04-01", "2024-05-01").status == "ok", "April is like March"
    again = _driftline(world, "schema", "accept", "--window", "2024-03", "--reason", "a new shop")
    assert again.exit_code == 0
    assert again.stdout.startswith("nothing to accept from 2024-03-01..2024-04-01")

    shown = _driftline(world, "schema", "show")
    (shop,) = [line for line in shown.stdout.splitlines() if line.startswith("shop ")]
    assert "east, north, south, west" in shop
    assert shop.endswith("2024-03-01..2024-04-01")
    assert "(a new shop)" in shown.stdout.splitlines()[-1]

    _change(world, 4, shop=_every(9, "elsewhere"))
    (finding,) = _check(world, "2024-04-01", "2024-05-01").at_least("warn")
    assert (finding.column, finding.examples) == ("shop", ["elsewhere"])


@pytest.mark.parametrize("world", ["folder"], indirect=True)
def test_the_schema_is_shown_to_people_and_machines(world):
    shown = _driftline(world, "schema", "show")
    document = json.loads(_driftline(world, "schema", "show", "--json").stdout)

    assert shown.exit_code == 0
    assert "trained on 3,000 rows of 2024-01-01..2024-03-01" in shown.stdout
    assert [row.split()[0] for row in shown.stdout.splitlines()[2:]] == [
        "column", "price", "weight", "shop", "returned",
    ]  # fmt: skip
    assert "0 %, up to 5.0 %" in shown.stdout
    assert document["columns"]["shop"]["categories"] == ["east", "north", "south"]
    low, high = document["columns"]["price"]["range"]
    tolerated = document["columns"]["price"]["tolerated_range"]
    assert tolerated[0] <= low < high < tolerated[1]
    assert document["accepted"] == []
    assert 0.03 < document["columns"]["weight"]["missing"] < 0.07


@pytest.mark.parametrize("world", ["folder"], indirect=True)
def test_one_column_is_accepted_and_the_next_champion_learns_the_rest(world):
    _check(world, "2024-03-01", "2024-04-01")
    done = _driftline(
        world, "schema", "accept", "--window", "2024-03", "--column", "weight", "--reason", "light",
        "--json",
    )  # fmt: skip
    document = json.loads(done.stdout)
    assert list(document["columns"]) == ["weight"]
    assert document["reason"] == "light"
    left = _check(world, "2024-03-01", "2024-04-01").at_least("warn")
    assert {finding.column for finding in left} == {"shop"}

    _deploy(world, ("2024-03-01", "2024-04-01"))
    shown = json.loads(_driftline(world, "schema", "show", "--json").stdout)
    assert shown["accepted"] == [], "this champion has learned the window itself"
    assert _check(world, "2024-04-01", "2024-05-01").at_least("drift") == []


@pytest.mark.parametrize("world", ["folder"], indirect=True)
def test_what_cannot_be_accepted_is_one_line(world):
    def line(*arguments):
        done = _driftline(world, "schema", "accept", "--reason", "why", *arguments)
        assert done.stderr.count("\n") == 1, done.stderr
        assert done.stdout == ""
        return done.exit_code, done.stderr

    code, said = line("--window", "2024-03")
    assert code == 1
    assert "was not checked yet" in said
    table = pq.read_table(world.source / "3.parquet").drop_columns("price")
    pq.write_table(table, world.source / "3.parquet")
    assert _check(world, "2024-03-01", "2024-04-01").status == "blocked"
    code, said = line("--window", "2024-03")
    assert code == 1
    assert "price cannot be accepted: price has no values in any of 1,500 rows" in said
    assert "--column shop" in said
    code, said = line("--window", "2024-03", "--column", "colour")
    assert code == 2
    assert "has no column 'colour'; choose from price, weight, shop, returned" in said
    code, said = line("--window", "2024-99")
    assert (code, "'2024-99' is not a time" in said) == (2, True)
    done = _driftline(world, "schema", "accept", "--window", "2024-03", "--reason", " ")
    assert (done.exit_code, "--reason is empty" in done.stderr) == (2, True)


def test_without_a_champion_there_is_no_schema_to_show(tmp_path):
    done = _driftline(make_world(tmp_path), "schema", "show")

    assert done.exit_code == 1
    assert "run 'driftline run training' first" in done.stderr


@pytest.mark.parametrize("command", ["show", "accept"])
def test_help_has_an_example(command):
    done = CliRunner().invoke(app, ["schema", command, "--help"])

    assert done.exit_code == 0
    assert f"Example: driftline schema {command}" in " ".join(done.stdout.split())


@pytest.mark.parametrize("world", ["folder"], indirect=True)
def test_a_window_before_the_champions_last_is_refused(world):
    _deploy(world, ("2024-02-01", "2024-04-01"))
    _change(world, 1, shop=_every(9, "harbour"))
    assert _check(world, "2024-01-01", "2024-02-01").status == "drift"
    for more in ([], ["--json"]):
        done = _driftline(world, "schema", "accept", "--window", "2024-01", "--reason", "x", *more)
        assert (done.exit_code, done.stdout) == (1, "")
        assert "the champion was trained up to 2024-04-01; its schema is not widened" in done.stderr
        assert done.stderr.count("\n") == 1
    assert json.loads(_driftline(world, "schema", "show", "--json").stdout)["accepted"] == []


@pytest.mark.parametrize("world", ["folder"], indirect=True)
def test_what_blocked_a_training_is_not_hidden_by_an_earlier_clean_check(world):
    _change(world, 3, shop=lambda column: pa.array(["east"] * len(column)))
    _check(world, "2024-03-01", "2024-04-01")
    _change(world, 3, weight=lambda column: pa.array(["heavy"] * len(column)))
    context, data = _context(world, "2024-03-01", "2024-04-01"), str(world.folder / "t.parquet")
    ingest_step(context, "training", data)
    with pytest.raises(BlockedError, match="weight"):
        schema_step(context, "training", data, str(world.folder / "verdict.json"))
    done = _driftline(world, "schema", "accept", "--window", "2024-03", "--reason", "x")
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "weight cannot be accepted" in done.stderr


@pytest.mark.parametrize("world", ["folder"], indirect=True)
@pytest.mark.parametrize("content", [b'{"check": "sch', b"{}"])
def test_a_damaged_check_is_one_line(world, content):
    _check(world, "2024-03-01", "2024-04-01")
    folder = "orders/checks/2024-03-01_2024-04-01"
    Store(world.store).write(f"{folder}/schema_monitoring_observed.json", content)
    done = _driftline(world, "schema", "accept", "--window", "2024-03", "--reason", "x")
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "is damaged; run the check again: 'driftline run monitoring --window" in done.stderr


@pytest.mark.parametrize("world", ["folder"], indirect=True)
def test_a_key_of_an_accepted_type_is_silent_from_then_on(world):
    def numbered(column):
        return pa.array(range(len(column)), pa.int64())

    def about(verdict):
        return [(f.severity, f.statistic) for f in verdict.findings if f.column == "order"]

    _change(world, 3, order=numbered)
    assert about(_check(world, "2024-03-01", "2024-04-01")) == [("warn", "type")]
    done = _driftline(
        world, "schema", "accept", "--window", "2024-03", "--column", "order", "--reason", "ids",
        "--json",
    )  # fmt: skip
    assert "int64" in json.loads(done.stdout)["keys"]["order"]
    assert about(_check(world, "2024-03-01", "2024-04-01")) == []
    assert about(_check(world, "2024-04-01", "2024-05-01")) == [], "as before"
    _change(world, 4, order=numbered)
    assert about(_check(world, "2024-04-01", "2024-05-01")) == []
