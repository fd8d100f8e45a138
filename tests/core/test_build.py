import shutil
import subprocess

import pytest

from components.core.build import build_facts


@pytest.fixture
def copy(tmp_path):
    """A working copy with one commit."""
    if shutil.which("git") is None:
        pytest.skip("there is no git")

    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *arguments],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    git("init", "-q")
    (tmp_path / "code.py").write_text("1")
    git("add", ".")
    git("commit", "-qm", "one")
    return tmp_path, git("rev-parse", "HEAD")


def test_a_working_copy_tells_its_commit_and_whether_it_was_changed(copy):
    folder, commit = copy
    assert build_facts({}, folder) == {"commit": commit}
    (folder / "new.txt").write_text("not part of it")
    assert build_facts({}, folder) == {"commit": commit}
    (folder / "code.py").write_text("2")
    assert build_facts({}, folder) == {"commit": f"{commit}, with changes that are not committed"}


def test_the_image_tells_what_it_was_built_from(copy):
    told = {"DRIFTLINE_BUILD_IMAGE": "driftline:1", "DRIFTLINE_BUILD_COMMIT": "abc"}
    assert build_facts(told, copy[0]) == {"image": "driftline:1", "commit": "abc"}


def test_nothing_is_guessed(copy, tmp_path_factory):
    folder, _ = copy
    (folder / "inside").mkdir()
    assert build_facts({}, folder / "inside") == {}, "another repository's commit is not ours"
    broken = tmp_path_factory.mktemp("broken")
    (broken / ".git").write_text("gitdir: nowhere")
    assert build_facts({}, broken) == {}
