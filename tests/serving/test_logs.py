import io
import json
import logging
import sys

from components.serving.logs import set_up_logs


def set_up(monkeypatch):
    """What is written to a log whose first stderr is closed by now."""
    with io.StringIO() as first:
        monkeypatch.setattr(sys, "stderr", first)
        set_up_logs("json")
    now = io.StringIO()
    monkeypatch.setattr(sys, "stderr", now)
    return now


def test_it_writes_to_what_stderr_is_when_something_is_said(monkeypatch):
    stderr = set_up(monkeypatch)

    logging.getLogger("components.serving.log").info("ended", extra={"requests": 3})

    line = json.loads(stderr.getvalue())
    assert (line["level"], line["message"], line["requests"]) == ("info", "ended", 3)


def test_of_a_library_only_warnings_are_shown(monkeypatch):
    stderr = set_up(monkeypatch)

    logging.getLogger("aiobotocore.credentials").info("Found credentials")
    logging.getLogger("aiobotocore.credentials").warning("no credentials")

    assert [json.loads(line)["level"] for line in stderr.getvalue().splitlines()] == ["warning"]
