# shellcheck shell=bash
# Sourced by the other scripts: makes .venv from requirements.lock on first use.
# Afterwards it only compares a checksum, which takes milliseconds.

driftline_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
driftline_venv="${DRIFTLINE_VENV:-$driftline_root/.venv}"
export driftline_root driftline_venv

driftline_fail() {
    printf 'driftline: %s\n' "$*" >&2
    exit 1
}

driftline_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3 python; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    driftline_fail "no Python 3.11, 3.12 or 3.13 found; install one or set PYTHON to its path"
}

driftline_checksum() {
    cksum <"$driftline_root/requirements.lock"
}

driftline_installed() {
    [ -x "$driftline_venv/bin/driftline" ] &&
        [ "$(cat "$driftline_venv/.driftline-lock" 2>/dev/null)" = "$(driftline_checksum)" ]
}

driftline_environment() {
    local python
    export DO_NOT_TRACK=1
    if driftline_installed; then
        return
    fi
    python="$(driftline_python)"
    # Two scripts that start at once install once: the lock is held until the installer ends.
    "$python" -c '
import fcntl, os, sys
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
os.set_inheritable(lock.fileno(), True)
os.execvp(sys.argv[2], sys.argv[2:])
' "$driftline_venv.lock" bash "$driftline_root/scripts/_install.sh" "$python"
}
