"""What Argo would make of a pipeline: nodes that begin and end, one step after another."""

import hashlib
from dataclasses import dataclass, field

_NO_END = "0001-01-01T00:00:00Z"


@dataclass
class Acts:
    """How the steps of the runs to come behave.

    `fails` are the steps that fail, `stuck` those whose pods never begin, as where the image
    cannot be pulled; `conditions` say which groups are entered, by the name that the pipeline
    gives them, all by default; `iterations` how often a loop goes round, once by default.
    """

    fails: set = field(default_factory=set)
    stuck: set = field(default_factory=set)
    conditions: dict = field(default_factory=dict)
    iterations: dict = field(default_factory=dict)


@dataclass
class Node:
    """A node of the workflow, as the persistence agent reports it."""

    id: str
    name: str
    began: str
    state: str = "RUNNING"
    ended: str = _NO_END
    children: list = field(default_factory=list)


class _StepFailedError(Exception):
    pass


class Workflow:
    """One run's workflow, which moves on by one step each time it is told to."""

    def __init__(self, spec, acts, now):
        self._spec = spec
        self._acts = acts
        self._now = now
        pipeline = spec["pipelineInfo"]["name"]
        self.name = f"{pipeline}-{hashlib.sha256(str(id(self)).encode()).hexdigest()[:5]}"
        self.nodes = []
        self.state = "PENDING"
        self._stopping = False
        self._steps = self._run()

    @property
    def ended(self):
        return self.state in ("SUCCEEDED", "FAILED")

    def stop(self):
        """As the API server does it: the workflow's deadline becomes zero."""
        self._stopping = True

    def advance(self):
        """The next step ends, or begins; a stopped workflow is stopping once, then has failed."""
        if self._stopping:
            self.state = "FAILED" if self.state == "CANCELING" else "CANCELING"
            if self.ended:
                for node in self.nodes:
                    if node.state == "RUNNING":
                        self._end(node, "FAILED")
            return
        next(self._steps, None)

    def tasks(self, run):
        """`run_details.task_details`: every node, drivers and groups among them, by its id.

        Argo is told to repeat what a node's loss ended, so each node comes twice: as what may be
        repeated, and as its first attempt, whose name ends in (0). One that was left out is alone.
        """
        found = {}
        for node in self.nodes:
            attempt = f"{self.name}-{_number(f'{node.id}(0)')}"
            found[node.id] = _detail(run, node.id, node, node.name, [attempt])
            if node.state:
                found[attempt] = _detail(run, attempt, node, f"{node.name}(0)", node.children)
        return [found[key] for key in sorted(found)]

    def _run(self):
        self.state = "RUNNING"
        whole = self._begin(self.name)
        self._end(self._begin("root-driver", whole), "SUCCEEDED")
        yield
        try:
            yield from self._dag(self._spec["root"]["dag"], self._begin("root", whole))
        except _StepFailedError:
            self.state = "FAILED"
        else:
            self.state = "SUCCEEDED"
        for node in self.nodes:
            if node.state == "RUNNING":
                self._end(node, self.state)

    def _dag(self, dag, parent):
        tasks = dag["tasks"]
        exits = {name: task for name, task in tasks.items() if _is_exit(task)}
        done, failed = set(), set()
        for name in _in_order({name: each for name, each in tasks.items() if name not in exits}):
            before = set(tasks[name].get("dependentTasks", []))
            if before & failed:  # omitted: in a state that the API does not know
                self._end(self._begin(name, parent), "")
                failed.add(name)
                continue
            try:
                yield from self._task(name, tasks[name], parent)
                done.add(name)
            except _StepFailedError:
                failed.add(name)
            for exit_name, exit_task in exits.items():
                if name in exit_task.get("dependentTasks", []):
                    yield from self._task(exit_name, exit_task, parent)
        self._end(parent, "FAILED" if failed else "SUCCEEDED")
        if failed:
            raise _StepFailedError

    def _task(self, name, task, parent):
        component = self._spec["components"][task["componentRef"]["name"]]
        shown = task.get("taskInfo", {}).get("name", name)
        self._end(self._begin(f"{name}-driver", parent), "SUCCEEDED")
        node = self._begin(name, parent)
        if "condition" in task.get("triggerPolicy", {}) and not self._acts.conditions.get(
            shown, True
        ):
            self._end(node, "SKIPPED")
            return
        times = self._acts.iterations.get(shown, 1) if "parameterIterator" in task else 1
        if "dag" not in component:
            yield from self._step(name, node)
            return
        for turn in range(times):
            inner = self._begin(f"{name}({turn})", node) if times > 1 else node
            yield from self._dag(component["dag"], inner)
        if node.state == "RUNNING":
            self._end(node, "SUCCEEDED")

    def _step(self, name, node):
        pod = self._begin("executor", node, "PENDING" if name in self._acts.stuck else "RUNNING")
        while name in self._acts.stuck:
            yield
        pod.state = "RUNNING"
        yield
        state = "FAILED" if name in self._acts.fails else "SUCCEEDED"
        self._end(pod, state)
        self._end(node, state)
        if state == "FAILED":
            raise _StepFailedError

    def _begin(self, name, parent=None, state="RUNNING"):
        path = f"{self.name}/{len(self.nodes)}/{name}"
        node = Node(f"{self.name}-{_number(path)}", name, self._now(), state)
        self.nodes.append(node)
        if parent is not None:
            parent.children.append(node.id)
        return node

    def _end(self, node, state):
        node.state, node.ended = state, self._now()


def _number(path):
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:4])


def _detail(run, key, node, name, children):
    return {
        "run_id": run,
        "task_id": hashlib.sha256(f"{run}{key}".encode()).hexdigest()[:36],
        "display_name": name,
        "create_time": node.began,
        "start_time": node.began,
        "end_time": node.ended,
        **({"state": node.state} if node.state else {}),
        "child_tasks": [{"pod_name": child} for child in children],
    }


def _is_exit(task):
    return task.get("triggerPolicy", {}).get("strategy") == "ALL_UPSTREAM_TASKS_COMPLETED"


def _in_order(tasks):
    """The tasks' names, each after those it depends on."""
    ordered, rest = [], dict(tasks)
    while rest:
        ready = [
            name
            for name, task in rest.items()
            if not set(task.get("dependentTasks", [])) & rest.keys()
        ]
        ordered.extend(ready)
        for name in ready:
            del rest[name]
    return ordered
