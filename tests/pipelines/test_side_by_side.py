import contextlib
import io
import logging
import os
from pathlib import Path

import pytest
from kfp import dsl, local

from pipelines.side_by_side import side_by_side


@dsl.component(base_image="python", install_kfp_package=False)
def meet(mine: str, theirs: str) -> str:
    """Open a pipe that somebody else has to open at the same time."""
    import os
    import signal

    signal.alarm(60)  # alone it would wait for ever
    if mine < theirs:
        os.close(os.open(mine, os.O_WRONLY))
        os.close(os.open(theirs, os.O_RDONLY))
    else:
        os.close(os.open(theirs, os.O_RDONLY))
        os.close(os.open(mine, os.O_WRONLY))
    return mine


@dsl.component(base_image="python", install_kfp_package=False)
def fail() -> str:
    raise ValueError("on purpose")


@dsl.component(base_image="python", install_kfp_package=False)
def leave(path: str, after: str = "") -> str:
    with open(path, "a") as file:
        file.write(f"{after}\n")
    return path


@dsl.component(base_image="python", install_kfp_package=False)
def tell(path: str, status: dsl.PipelineTaskFinalStatus) -> str:
    with open(path, "a") as file:
        file.write(f"told {status.state}\n")
    return path


@dsl.pipeline(name="meeting")
def meeting(a: str, b: str, trace: str) -> None:
    with dsl.ExitHandler(tell(path=trace)):
        first, second = meet(mine=a, theirs=b), meet(mine=b, theirs=a)
        leave(path=trace, after=first.output).after(second)


@dsl.pipeline(name="failing")
def failing(trace: str) -> None:
    with dsl.ExitHandler(tell(path=trace)):
        broken = fail()
        leave(path=trace, after="independent")
        leave(path=trace, after="never").after(broken)


def run(pipeline, folder, **parameters):
    events, out = [], io.StringIO()
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(folder / "root"))
    with (
        contextlib.redirect_stdout(out),
        side_by_side(lambda task, state: events.append((task, state))),
    ):
        pipeline(**parameters)
    return events


def test_independent_tasks_run_at_the_same_time_and_dependent_ones_wait(tmp_path):
    pipes = [str(tmp_path / name) for name in "ab"]
    for pipe in pipes:
        os.mkfifo(pipe)
    trace = tmp_path / "trace"
    events = run(meeting, tmp_path, a=pipes[0], b=pipes[1], trace=str(trace))

    assert trace.read_text().splitlines() == [pipes[0], "told SUCCEEDED"]
    assert {state for _, state in events} == {"begin", "SUCCESS"}
    assert len(events) == 8


def test_a_failure_spares_what_does_not_depend_on_it_and_fails_the_run(tmp_path):
    trace = tmp_path / "trace"
    with pytest.raises(RuntimeError, match="fail"):
        run(failing, tmp_path, trace=str(trace))

    assert trace.read_text().splitlines() == ["independent", "told FAILED"]


def test_kfp_is_left_as_it_was(tmp_path):
    from kfp.local import logging_utils
    from kfp.local.orchestrator import enhanced_dag_orchestrator as orchestrator

    def state():
        return (
            orchestrator.run_enhanced_dag,
            orchestrator.execute_task,
            logging_utils.local_logger_context,
            logging_utils.indented_print,
            logging.getLogger().handlers[:],
            logging.getLogger().level,
            print,
        )

    before = state()
    with pytest.raises(RuntimeError):
        run(failing, tmp_path, trace=str(Path(tmp_path) / "trace"))

    assert state() == before
