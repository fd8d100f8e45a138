#!/usr/bin/env bash
# Runs the checks and the default test suite. Arguments go to pytest.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/_env.sh"

if [ "${1:-}" = "--help" ]; then
    cat <<'HELP'
Usage: scripts/test.sh [PYTEST ARGUMENTS]
Makes .venv on first use, then lints, type-checks, checks the import contracts and runs the tests.
Example: scripts/test.sh -k drift
HELP
    exit 0
fi

driftline_environment
cd "$driftline_root"
bin="$driftline_venv/bin"
if [ $# -eq 0 ]; then
    "$bin/ruff" check .
    "$bin/ruff" format --check .
    "$bin/mypy"
    "$bin/lint-imports"
fi
# In the order of the folders: by the number of tests the longest files would come last.
exec "$bin/python" -m pytest -n 2 --dist loadfile --no-loadscope-reorder "$@"
