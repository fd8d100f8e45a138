#!/usr/bin/env bash
# Trains on real flights, deploys, and watches month after month. Arguments go to `driftline demo`.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/_env.sh"

if [ "${1:-}" = "--help" ]; then
    cat <<'HELP'
Usage: scripts/demo.sh [--months N] [--store DIR] [--fresh]
Makes .venv on first use, then trains on January to March 2013, deploys, and plays April onwards
through the monitoring pipeline. Ctrl-C is safe: the next start carries on.
Example: scripts/demo.sh --months 6
HELP
    exit 0
fi

driftline_environment
cd "$driftline_root"
exec "$driftline_venv/bin/driftline" demo "$@"
