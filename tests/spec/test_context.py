from datetime import UTC, datetime
from pathlib import Path

from components.spec.context import open_context
from components.spec.load import dump_spec, load_spec

FLIGHTS = dump_spec(load_spec(Path(__file__).parents[2] / "pipelines" / "specs" / "flights.yaml"))


def test_a_training_run_without_a_start_takes_the_specs_history(tmp_path):
    context = open_context(FLIGHTS, str(tmp_path), "r", "1", "auto", "2013-07-01")

    assert str(context.window) == "2013-04-02..2013-07-01"


def test_the_runs_name_goes_before_kubeflows_job_id(tmp_path):
    named = open_context(FLIGHTS, str(tmp_path), "mine", "42", "2013-01", "2013-02")
    unnamed = open_context(FLIGHTS, str(tmp_path), "auto", "42", "2013-01", "2013-02")

    assert (named.run, unnamed.run) == ("mine", "42")


def test_labels_are_known_as_of_now_unless_a_time_is_given(tmp_path):
    given = open_context(FLIGHTS, str(tmp_path), "r", "1", "2013-01", "2013-02", "2013-02-01")
    present = open_context(FLIGHTS, str(tmp_path), "r", "1", "2013-01", "2013-02")

    assert given.as_of == datetime(2013, 2, 1, tzinfo=UTC)
    assert present.as_of.year >= 2026
