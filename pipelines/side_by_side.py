"""Let `kfp.local` run tasks side by side that do not depend on one another.

kfp.local 2.17 goes through a pipeline's tasks one after another. It asks for each task by one
function, so a task can be begun before it is asked for: as soon as all that it depends on has
ended. What is asked for, in which order, and what follows from a failure stay KFP's own.

The functions replaced here are internal to KFP, and 2.17 is pinned. Where a later KFP has them no
more, `side_by_side` says so at once, rather than run anything differently.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from pipelines.replacing import replaced

Progress = Callable[[str, str], None]
Outcome = tuple[Any, Any]


@contextlib.contextmanager
def side_by_side(progress: Progress, workers: int = 0) -> Iterator[None]:
    """Within the block, pipelines run by `kfp.local` run independent tasks at the same time.

    Args:
        progress: told `(task, "begin")` and `(task, "SUCCESS" | "FAILURE")`, from any thread.
        workers: how many tasks at most; four, or as many as there are processors, by default.

    Raises:
        AttributeError: when this version of KFP is built differently.
    """
    from kfp.local import logging_utils, placeholder_utils
    from kfp.local.orchestrator import enhanced_dag_orchestrator as orchestrator

    pool = ThreadPoolExecutor(workers or max(4, os.cpu_count() or 1))
    ahead = _Ahead(orchestrator.run_enhanced_dag, orchestrator.execute_task, progress, pool)
    with (
        replaced(orchestrator, "run_enhanced_dag", ahead.run_graph),
        replaced(orchestrator, "execute_task", ahead.execute),
        # These two replace the root logger's handlers and print() for the time of a task and
        # put back what they found: of two tasks at a time, the wrong thing.
        replaced(logging_utils, "local_logger_context", contextlib.nullcontext),
        replaced(logging_utils, "indented_print", contextlib.nullcontext),
        replaced(
            placeholder_utils,
            "resolve_individual_placeholder",
            _unscheduled(placeholder_utils.resolve_individual_placeholder),
        ),
        _logging_to_stdout(),
        pool,  # the last in is the first out: what tasks still say goes where it should
    ):
        yield


class _Ahead:
    """Begins the tasks of a graph as early as they can run."""

    def __init__(
        self,
        run_graph: Callable[..., Outcome],
        execute: Callable[..., Outcome],
        progress: Progress,
        pool: ThreadPoolExecutor,
    ) -> None:
        self._run_graph = run_graph
        self._execute = execute
        self._progress = progress
        self._pool = pool
        self._here = threading.local()

    def run_graph(self, **arguments: Any) -> Outcome:
        """Stands for `run_enhanced_dag`: remembers the graph that this thread works on."""
        outer = getattr(self._here, "graph", None)
        self._here.graph = _Graph(arguments["dag_component_spec"].dag.tasks)
        try:
            return self._run_graph(**arguments)
        finally:
            self._here.graph = outer

    def execute(self, **arguments: Any) -> Outcome:
        """Stands for `execute_task`: begins what is ready, then waits for the task asked for."""
        graph: _Graph | None = getattr(self._here, "graph", None)
        name, components = arguments["task_name"], arguments["components"]
        if graph is None or not _is_step(arguments["task_spec"], components):
            return self._execute(**arguments)
        for ready, spec in [(name, arguments["task_spec"]), *graph.ready()]:
            if ready not in graph.begun and _is_step(spec, components):
                call = {**arguments, "task_name": ready, "task_spec": spec}
                graph.begun[ready] = self._pool.submit(self._step, call)
        outputs, status = graph.begun[name].result()
        if str(status.name) == "SUCCESS":
            graph.ended.add(name)
        return outputs, status

    def _step(self, arguments: dict[str, Any]) -> Outcome:
        name = arguments["task_name"]
        self._progress(name, "begin")
        outputs, status = self._execute(**arguments)
        self._progress(name, str(status.name))
        return outputs, status


class _Graph:
    """The tasks of one graph: which have begun, and which have ended well."""

    def __init__(self, tasks: Any) -> None:
        self._tasks = tasks
        self.begun: dict[str, Future[Outcome]] = {}
        self.ended: set[str] = set()

    def ready(self) -> list[tuple[str, Any]]:
        """Plain tasks that depend on nothing that has not ended; exit tasks wait for everything."""
        return [
            (name, spec)
            for name, spec in self._tasks.items()
            if set(spec.dependent_tasks) <= self.ended
            and not spec.trigger_policy.condition
            and not spec.trigger_policy.strategy
            and not spec.WhichOneof("iterator")
        ]


def _unscheduled(resolve: Callable[..., str]) -> Callable[..., str]:
    """Let a local run have no scheduled time; kfp.local 2.17 fails over the placeholder for it."""
    from kfp import dsl

    def resolved(element: str, *arguments: Any, **named: Any) -> str:
        told = element.replace(dsl.PIPELINE_JOB_SCHEDULE_TIME_UTC_PLACEHOLDER, "")
        return resolve(told, *arguments, **named)

    return resolved


def _is_step(spec: Any, components: Any) -> bool:
    component = components[spec.component_ref.name]
    return bool(component.WhichOneof("implementation") == "executor_label")


@contextlib.contextmanager
def _logging_to_stdout() -> Iterator[None]:
    logger = logging.getLogger()
    level, handlers = logger.level, logger.handlers[:]
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.handlers[:] = handlers
        logger.setLevel(level)
