import pytest

from components.alerting.message import compose
from components.core.journal import Entry


def entry(step, status, headline="why"):
    return Entry(run="r", step=step, window="w", status=status, headline=headline, at="t")


DECIDED = entry("decide", "retrain", "performance: roc_auc fell")


@pytest.mark.parametrize(
    ("state", "error", "entries", "kind", "text"),
    [
        ("SUCCEEDED", "", [entry("decide", "none")], "nothing", "nothing to do: why"),
        ("COMPLETE", "", [entry("decide", "alert")], "alert", "alert: why"),
        (
            "SUCCEEDED",
            "",
            [entry("train", "ok"), entry("deploy", "ok", "v2")],
            "deployed",
            "deployed v2",
        ),
        (
            "CACHED",
            "",
            [DECIDED, entry("evaluate", "accept"), entry("deploy", "ok", "v2")],
            "deployed",
            "deployed v2, retrained because performance: roc_auc fell",
        ),
        ("SUCCEEDED", "", [entry("evaluate", "reject")], "rejected", "challenger rejected: why"),
        ("FAILED", "boom", [entry("train", "failed")], "failed", "train failed: why"),
        ("FAILED", "boom", [entry("train", "running")], "failed", "train did not end: boom"),
        # A cluster says so of a branch that was not taken, and of a step that was killed.
        ("RUNNING", "", [], "failed", "the run ended as RUNNING"),
        ("RUNNING", "", [DECIDED], "failed", "the run ended as RUNNING"),
        ("RUNNING", "", [entry("check_drift", "ok")], "failed", "the run ended as RUNNING"),
        ("RUNNING", "", [entry("evaluate", "accept")], "failed", "the run ended as RUNNING"),
        ("RUNNING", "", [entry("deploy", "running")], "failed", "deploy did not end"),
        ("RUNNING", "", [entry("decide", "none")], "nothing", "nothing to do: why"),
        ("RUNNING", "", [entry("evaluate", "reject")], "rejected", "challenger rejected: why"),
        ("RUNNING", "", [entry("deploy", "ok", "v2")], "deployed", "deployed v2"),
        ("FAILED", "", [DECIDED, entry("ingest", "failed")], "failed", "ingest failed: why"),
        (
            "SUCCEEDED",
            "",
            [entry("train", "failed"), entry("deploy", "ok", "v2")],
            "deployed",
            "deployed v2",
        ),
    ],
)
def test_the_line_says_what_came_of_the_run(state, error, entries, kind, text):
    message = compose("flights", "2013-04", "r", state, error, entries)

    assert (message.kind, message.text) == (kind, text)
    assert "\n" not in message.line
