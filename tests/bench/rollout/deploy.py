"""A deployment in a process of its own, to be killed at any moment.

python -m tests.bench.rollout.deploy SPEC STORE VERSION EXPECTED
"""

import sys
from pathlib import Path

from components.core.storage import Store
from components.release.targets import open_target
from components.spec.load import parse_spec


def main() -> None:
    """Deploy a release; says what happens."""
    spec, store, version, expected = sys.argv[1:]
    target = open_target(parse_spec(Path(spec).read_text(encoding="utf-8")), Store(store))
    target.deploy(
        version,
        expected=expected or None,
        run="rollout",
        reason="the long proof",
        progress=lambda sentence: print(sentence, flush=True),
    )
    print("served", flush=True)


if __name__ == "__main__":
    main()
