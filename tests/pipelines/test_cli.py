"""What the command line says when it is interrupted."""

import re

import pytest
from typer.testing import CliRunner

from pipelines.cli import app

RUN = ["run", "monitoring", "--window", "2013-04", "--store", "nowhere"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--name", "april"], r"interrupted; the same command with --name april carries on\n"),
        ([], r"interrupted; the same command with --name monitoring-\S+ carries on\n"),
    ],
)
def test_an_interrupted_run_carries_on_by_its_name(monkeypatch, more, expected):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.runs.run_here", interrupted)
    result = CliRunner().invoke(app, [*RUN, *more])
    assert result.exit_code == 130
    assert re.fullmatch(f"driftline: {expected}", result.stderr)


def test_another_command_that_is_interrupted_carries_on_as_it_was(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.demo.play", interrupted)
    result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 130
    assert result.stderr == "driftline: interrupted; the same command carries on\n"
