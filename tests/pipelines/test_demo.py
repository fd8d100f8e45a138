"""The demonstration on real flights, as scripts/demo.sh plays it, for two months."""

import os
import signal
import subprocess
import sys

import pytest
from filelock import FileLock

from components.core.storage import Store
from components.release.local import LocalTarget


def demo(store, *arguments):
    return [sys.executable, "-m", "pipelines", "demo", "--store", str(store), *arguments]


def play(store, *arguments):
    done = subprocess.run(demo(store, *arguments), capture_output=True, text=True)
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Two months, interrupted once after the first deployment."""
    store = tmp_path_factory.mktemp("demo") / "store"
    with subprocess.Popen(
        demo(store, "--months", "2"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("2013-04"):
                os.killpg(process.pid, signal.SIGINT)  # what Ctrl-C does: the whole group
                break
        rest, errors = process.communicate()
    interrupted = subprocess.CompletedProcess(
        process.args, process.returncode, "".join(lines) + rest, errors
    )
    return store, interrupted, play(store, "--months", "2")


def test_an_interruption_is_one_line(played):
    _, interrupted, _ = played

    assert interrupted.returncode == 130
    assert interrupted.stderr.strip() == "driftline: interrupted; the same command carries on"


def test_the_next_start_carries_on(played):
    _, interrupted, carried_on = played

    assert carried_on.returncode == 0, carried_on.stderr
    assert carried_on.stderr == "", "off a terminal nothing but the table is said"
    april = [line for line in interrupted.stdout.splitlines() if line.startswith("2013-04")]
    assert april[0] in carried_on.stdout.splitlines(), "April is shown as it was decided"


def test_the_table_tells_what_happened(played):
    store, _, done = played
    months = [line for line in done.stdout.splitlines() if line.startswith("2013-0")]

    assert [line.split()[0] for line in months] == ["2013-04", "2013-05"]
    assert all(" 0." in line for line in months), "the champion's metric with its interval"
    assert LocalTarget(Store(str(store)), "flights").current().version in months[-1]
    assert "drift.html" in done.stdout
    assert "Try next" in done.stdout


def test_playing_again_repeats_nothing(played):
    store, _, done = played
    before = LocalTarget(Store(str(store)), "flights").history()
    again = play(store, "--months", "2")

    assert again.stdout == done.stdout
    assert LocalTarget(Store(str(store)), "flights").history() == before


def test_two_at_once_are_kept_apart(tmp_path):
    with FileLock(tmp_path / ".demo.lock"):
        second = play(tmp_path)

    assert second.returncode == 1
    assert "another demonstration plays" in second.stderr
