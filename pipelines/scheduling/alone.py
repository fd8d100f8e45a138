"""The process of one run: `python -m pipelines.scheduling.alone`, the request on standard input.

It holds the claim to the run itself, so that nobody runs it a second time while it lives, whatever
became of the process that started it.
"""

from __future__ import annotations

import json
import signal
import sys

from components.core.claim import claimed
from components.core.errors import ConflictError, DriftlineError
from components.core.signals import termination_raises
from components.core.storage import Store
from components.core.window import Window
from components.spec.load import dump_spec, parse_spec
from pipelines.runs import RunRequest, run_here

# Somebody else is at it: not a failure.
TAKEN = 75


def write(request: RunRequest) -> str:
    """A request as text."""
    return json.dumps(
        {
            "pipeline": request.pipeline,
            "spec": dump_spec(request.spec),
            "store": request.store,
            "window": str(request.window),
            "name": request.name,
            "as_of": request.as_of,
        }
    )


def read(text: str) -> RunRequest:
    """The request that a text stands for."""
    given = json.loads(text)
    given["spec"] = parse_spec(given["spec"])
    given["window"] = Window.parse(given["window"])
    return RunRequest(**given)


def main() -> int:
    """Run it; the exit code is 0 for done, 1 for a failure, 75 where another process does it.

    It is 130 where it was interrupted.
    """
    # Whoever starts this in the background may have let Ctrl-C be ignored, which is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    request = read(sys.stdin.read())
    name = f"{request.spec.model}/claims/{request.name}.json"
    try:
        with termination_raises(), claimed(Store(request.store), name, f"the run {request.name}"):
            run_here(request, lambda _task, _state: None)
    except ConflictError as error:
        sys.stderr.write(f"{error}\n")
        return TAKEN
    except DriftlineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
