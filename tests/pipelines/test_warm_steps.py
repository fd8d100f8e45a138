"""Steps that are forked from a warm process do what steps do that KFP starts."""

import contextlib
import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from kfp import dsl, local
from kfp.local import subprocess_task_handler

from pipelines.compile import load_pipeline
from pipelines.side_by_side import side_by_side
from pipelines.warm_steps import MODULES, request_of, warm_steps

# What a test needs is little: the whole list is imported by every run of the other tests.
FEW = ("kfp.dsl.executor", "numpy")


@dsl.component(base_image="python", install_kfp_package=False)
def look(path: str) -> str:
    """Write down what a step sees of its surroundings."""
    import json
    import os
    import signal
    import sys

    import numpy as np

    seen = {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "group": os.getpgrp(),
        "folder": os.getcwd(),
        "path": sys.path[1],  # before it KFP puts the folder of the program
        "name": sys.modules["__main__"].__spec__.name,
        "runtime": os.environ["_KFP_RUNTIME"],
        "note": os.environ.get("NOTE"),
        "signals": [str(signal.getsignal(each)) for each in (signal.SIGINT, signal.SIGCHLD)],
        "files": len(os.listdir("/proc/self/fd")),
        "drawn": float(np.random.random()),
    }
    with open(path, "w") as file:
        json.dump(seen, file)
    sys.stdout.write("seen\n")
    return path


@dsl.component(base_image="python", install_kfp_package=False)
def end(how: str) -> str:
    import os
    import signal
    import sys

    if how == "raises":
        raise ValueError("on purpose")
    if how == "exits":
        sys.exit(3)
    os.kill(os.getpid(), signal.SIGKILL)
    return how


@dsl.component(base_image="python", install_kfp_package=False)
def wait(pipe: str) -> str:
    """Say who waits, then wait to be ended; say so when it comes by Ctrl-C."""
    import os
    import signal

    with open(pipe, "w") as file:
        try:
            file.write(f"{os.getpid()} {os.getppid()}\n")
            file.flush()
            signal.pause()
        except KeyboardInterrupt:
            file.write("tidied up\n")
            raise
    return pipe


@dsl.pipeline(name="looking")
def looking(path: str) -> None:
    look(path=path)


@dsl.pipeline(name="noted")
def noted(path: str) -> None:
    look(path=path).set_env_variable("NOTE", "of its own")


@dsl.pipeline(name="ending")
def ending(how: str) -> None:
    end(how=how)


@dsl.pipeline(name="waiting")
def waiting(pipe: str) -> None:
    wait(pipe=pipe)


def run(pipeline, folder, **parameters):
    """Run a pipeline; returns its log, and whether it succeeded."""
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(folder / "root"))
    with contextlib.redirect_stdout(io.StringIO()) as out, side_by_side(lambda *_: None):
        try:
            pipeline(**parameters)
        except RuntimeError:
            return out.getvalue(), False
    return out.getvalue(), True


def seen_by(pipeline, folder):
    path = folder / f"{pipeline.name}.json"
    log, done = run(pipeline, folder, path=str(path))
    assert done, log
    assert "seen\n" in log
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def warm():
    with warm_steps(FEW):
        yield


def test_a_forked_step_sees_what_a_started_one_sees(warm, tmp_path, monkeypatch):
    monkeypatch.setenv("NOTE", "of the run")
    monkeypatch.chdir(tmp_path)
    forked = [seen_by(looking, tmp_path) for _ in range(2)]
    with monkeypatch.context() as cold:
        original = subprocess_task_handler.run_local_subprocess.__self__.cold
        cold.setattr(subprocess_task_handler, "run_local_subprocess", original)
        started = seen_by(looking, tmp_path)

    for key in ("pid", "drawn"):
        assert len({forked[0][key], forked[1][key], started[key]}) == 3, key
    assert forked[0]["parent"] == forked[1]["parent"] not in (os.getpid(), started["parent"])
    for key in ("group", "folder", "path", "name", "runtime", "note", "signals", "files"):
        assert forked[0][key] == started[key], key


def test_a_task_with_variables_of_its_own_is_started_by_kfp(warm, tmp_path):
    assert seen_by(noted, tmp_path)["note"] == "of its own"
    assert seen_by(noted, tmp_path)["parent"] != seen_by(looking, tmp_path)["parent"]


@pytest.mark.parametrize(
    ("how", "expected"), [("raises", "ValueError: on purpose"), ("exits", ""), ("dies", "")]
)
def test_a_step_that_ends_badly_fails_the_run_and_no_other_step(warm, tmp_path, how, expected):
    log, done = run(ending, tmp_path, how=how)

    assert not done
    assert expected in log
    assert "not forked" not in log
    assert seen_by(looking, tmp_path)


def test_the_steps_of_the_project_can_be_forked_and_what_they_import_is_there():
    """Were KFP's command another one, or a module gone, every run would silently be slow."""

    for name in ("training", "monitoring"):
        executors = load_pipeline(name).pipeline_spec.deployment_spec["executors"]
        for executor in executors.values():
            container = executor["container"]
            command = [*container["command"], *container["args"]]
            here = subprocess_task_handler.replace_python_executable(command, sys.executable)
            assert request_of(here)
            assert not dict(container).get("env")
    assert all(importlib.util.find_spec(module) for module in MODULES)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_ended_leaves_no_step_behind(tmp_path, how):
    os.mkfifo(pipe := tmp_path / "pipe")
    program = (
        "import pathlib, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # who tests may ignore it\n"
        "from tests.pipelines import test_warm_steps as here\n"
        "with here.warm_steps(here.FEW):\n"
        "    here.run(here.waiting, pathlib.Path(sys.argv[1]), pipe=sys.argv[2])\n"
    )
    with (
        subprocess.Popen(
            [sys.executable, "-c", program, tmp_path, pipe],
            cwd=Path(__file__).parents[2],
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process,
        pipe.open() as said,
    ):
        said.readline()
        if how == signal.SIGINT:
            os.killpg(process.pid, how)  # what Ctrl-C does: the whole group
        else:
            process.send_signal(how)
        assert said.read() == "tidied up\n"
