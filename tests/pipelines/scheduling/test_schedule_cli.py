import json

import pytest
import yaml
from typer.testing import CliRunner

from components.spec.load import dump_spec
from pipelines.cli import app
from tests.pipelines.scheduling.conftest import YAML, spec_with


@pytest.fixture
def driftline(kfp, tmp_path, monkeypatch):
    """Run a command against the fake; its exit code and what it said."""
    # Compiling the whole pipeline takes seconds, and is tested elsewhere.
    monkeypatch.setattr("pipelines.scheduling.applying.compiled", lambda *_given: YAML)
    monkeypatch.setenv("DRIFTLINE_KFP_HOST", kfp.url)
    spec = tmp_path / "spec.yaml"
    document = json.loads(dump_spec(spec_with()))
    document["source"]["path"] = "s3://data/orders"
    spec.write_text(yaml.safe_dump(document))
    monkeypatch.setenv("DRIFTLINE_SPEC", str(spec))

    def run(*arguments):
        done = CliRunner().invoke(app, ["schedule", *arguments])
        return done.exit_code, done.stdout, done.stderr

    return run


def test_a_schedule_from_its_making_to_its_end(driftline, kfp):
    flags = ("monitoring", "--cron", "0 0 6 2 * *", "--each", "month", "--image", "driftline:1")
    code, out, _ = driftline("apply", *flags)
    assert code == 0
    assert out.splitlines()[0] == "orders-monitoring: created, enabled"
    assert len(out.splitlines()) == 4  # the next three times
    assert driftline("apply", *flags)[1].startswith("orders-monitoring: unchanged")

    assert driftline("pause", "monitoring")[1] == "orders-monitoring is paused\n"
    (shown,) = json.loads(driftline("list", "--json")[1])
    assert (shown["state"], shown["cron"], shown["window"]) == ("paused", "0 0 6 2 * *", "month")
    assert shown["last"] is None
    assert len(shown["next"]) == 3
    assert "orders-monitoring" in driftline("list")[1]
    assert driftline("resume", "monitoring")[0] == 0

    assert driftline("delete", "monitoring")[1] == "orders-monitoring is deleted\n"
    assert "has no schedule" in driftline("list")[1]
    code, _, error = driftline("delete", "monitoring")
    assert (code, "there is no schedule 'orders-monitoring'" in error) == (2, True)
    assert kfp.recurring == {}


def test_a_time_zone_is_brought_to_the_servers_clock(driftline, kfp):
    flags = ("--cron", "0 30 6 * * *", "--time-zone", "America/New_York", "--image", "driftline:1")
    out = driftline("apply", "monitoring", *flags)[1]

    assert "on the server: 0 30 11 * * * UTC" in out
    (made,) = kfp.recurring.values()
    assert made["trigger"]["cron_schedule"]["cron"] == "0 30 11 * * *"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("apply", "monitoring", "--cron", "0 6 * * *"), "write '0 0 6 * * *'"),
        (("apply", "monitoring", "--cron", "0 0 6 * * 1"), "too seldom for windows of day"),
        (("apply", "monitoring"), "give --cron"),
        (("apply",), "has no schedule; name a pipeline and give --cron"),
        (("apply", "--cron", "0 0 6 * * *"), "--cron needs a pipeline"),
        (("apply", "profiling", "--cron", "0 0 6 * * *"), "choose monitoring or training"),
        (("apply", "training", "--cron", "0 0 6 * * *", "--time-zone", "Mars"), "no time zone"),
        (("backfill", "monitoring", "--window", "2013-04", "--target", "moon"), "local or cluster"),
        (("backfill", "monitoring", "--window", "april"), "'april' is not a window"),
    ],
)
def test_wrong_usage_is_said_in_a_sentence(driftline, kfp, arguments, words):
    code, _, error = driftline(*arguments, *(() if "backfill" in arguments else ("--image", "d:1")))

    assert code == 2
    assert words in error
    assert kfp.recurring == {}


def test_a_backfill_lists_its_windows_before_it_runs_them(driftline, tmp_path):
    flags = ("--window", "2013-04..2013-09", "--each", "month", "--store", str(tmp_path / "store"))
    code, out, _ = driftline("backfill", "monitoring", *flags, "--dry-run", "--json")

    assert code == 0
    assert json.loads(out)["windows"][0] == "2013-04-01..2013-05-01"
    assert len(json.loads(out)["windows"]) == 5
    assert not (tmp_path / "store").exists()
