import numpy as np
import pyarrow.parquet as pq
import pytest

from components.model.coverage import label_coverage
from components.model.rows import read_labelled
from tests.model.conftest import changed


@pytest.fixture
def march(trained):
    return trained.window("2024-03"), read_labelled(trained.window("2024-03"), trained.spec).times


def test_all_labels_are_there(trained, march):
    found, facts = label_coverage(trained.spec, *march, 1500)

    assert (found.severity, found.value, found.count) == ("info", 1.0, 1500)
    assert facts == {"labels_due": 1500, "labels_not_due": 0, "label_coverage": 1.0}


def test_few_labels_are_a_warning(trained, march):
    found, _ = label_coverage(trained.spec, *march, 900)

    assert (found.severity, found.value, found.threshold) == ("warn", 0.6, 0.8)
    assert "900 of 1,500 of the labels that are due have arrived (60.0 %)" in found.message
    assert "asks for 80 %" in found.message


def test_the_spec_says_how_many_are_enough(trained, march):
    spec = changed(trained.spec, checks__performance__coverage=0.5)

    assert label_coverage(spec, *march, 900)[0].severity == "info"


def test_labels_that_are_not_due_are_not_missed(trained, march, tmp_path):
    _, times = march
    # Ingested at noon of the 15th, with labels two days late.
    spec = changed(trained.spec, label__delay="2d")
    due = int(np.sum(times <= np.datetime64("2024-03-13T12:00", "us")))
    report = pq.read_schema(march[0]).metadata[b"driftline"]
    table = pq.read_table(march[0]).replace_schema_metadata(
        {b"driftline": report.replace(b'"as_of":"2030-01-01"', b'"as_of":"2024-03-15T12:00:00Z"')}
    )
    pq.write_table(table, tmp_path / "w")

    found, facts = label_coverage(spec, tmp_path / "w", times, due)

    assert (found.value, found.severity) == (1.0, "info")
    assert facts["labels_not_due"] == 1500 - due > 0
    assert f"{1500 - due} are not due yet" in found.message


def test_a_file_that_does_not_say_when_counts_all_labels_as_due(trained, march, tmp_path):
    pq.write_table(pq.read_table(march[0]).replace_schema_metadata(None), tmp_path / "w")

    assert label_coverage(trained.spec, tmp_path / "w", march[1], 0)[0].severity == "warn"


def test_an_empty_window_has_no_coverage(trained, march):
    found, facts = label_coverage(trained.spec, march[0], march[1][:0], 0)

    assert (found.severity, found.value, facts["label_coverage"]) == ("info", None, None)
