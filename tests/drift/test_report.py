import numpy as np
import pyarrow as pa
import pytest

from components.core.errors import DataError
from components.core.verdict import Finding, Verdict
from components.drift.check import check_drift, profile_window
from components.drift.page import EMPTY_PAGE, open_page
from components.drift.report import write_report


@pytest.fixture
def draw_report(write, spec, window, reference, rows, tmp_path):
    def page(columns, sample=None, logged=None):
        count = 3000
        prediction = np.where(np.arange(count) % 2, 0.3, np.nan)
        sample = sample or rows(count, seed=7, prediction=pa.array(prediction, from_pandas=True))
        paths = write(sample, "sample.parquet"), write(columns)
        log = write(logged, "log.parquet") if logged else None
        profile = profile_window(paths[1], log, spec, reference)
        verdict = check_drift(profile, reference, spec, window, "v<1>")
        write_report(*paths, log, verdict, spec, tmp_path / "out" / "report.html")
        return verdict, (tmp_path / "out" / "report.html").read_text(encoding="utf-8")

    return page


def test_the_page_opens_with_our_verdict_and_has_evidentlys_plots(draw_report, rows, log):
    names = np.array([f"</script><script>{i}()</script>" for i in range(60)])
    made = rows(6000, seed=1, a=np.full(6000, 9.0), c=names[np.arange(6000) % 60])
    verdict, page = draw_report(made, logged=log(made))
    head, opening = page.split('<section class="driftline drift">')
    opening = opening.split("</section>", 1)[0]
    assert verdict.status == "drift"
    assert head.rstrip().endswith("<body>")
    assert "is constant now" in opening
    assert "against the reference of v&lt;1&gt;" in opening
    assert "reference_distribution" in page
    # What the data holds does not run: neither in our part nor in Evidently's.
    assert "&lt;/script&gt;&lt;script&gt;" in opening
    assert "<script>1()" not in page
    # Nothing is fetched from elsewhere.
    assert '<script src="' not in page
    assert '<link rel="stylesheet"' not in page


def test_columns_that_cannot_be_drawn_are_left_out_and_listed(draw_report, rows):
    made = rows(seed=1, a=pa.nulls(4000, pa.float64()), b=None, c=["one"] * 4000)
    _, page = draw_report(made, sample=rows(3000, c=["one"] * 3000))
    opening = page.split("</section>", 1)[0]
    assert "a (without values in the window)" in opening
    assert "b (not in the window)" in opening
    assert "c (constant, and the same on both sides)" in opening
    assert "prediction (not in the reference sample)" in opening


def test_a_missing_sample_is_named(tmp_path, spec, rows, write):
    verdict = Verdict.of("drift", "w", "v", [])
    with pytest.raises(DataError, match=r"gone\.parquet"):
        write_report(
            tmp_path / "gone.parquet", write(rows(5)), None, verdict, spec, tmp_path / "r.html"
        )


def test_what_comes_from_the_data_is_escaped():
    finding = Finding(column="<i>", statistic="psi", severity="drift", message="<script>x</script>")
    page = open_page(EMPTY_PAGE, Verdict.of("drift", "w", "v", [finding]), {"<u>": "<s>"}, 10)
    for raw in ("<i>", "<script>", "<u>", "<s>"):
        assert raw not in page.split("</style>", 1)[1]
