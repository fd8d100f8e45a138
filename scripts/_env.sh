# Sourced by the other scripts: makes .venv from requirements.lock on first use.
# Afterwards it only compares the lock's checksum, which takes milliseconds.

driftline_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
driftline_venv="${DRIFTLINE_VENV:-$driftline_root/.venv}"

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

# The lines of requirements.lock that pin one package with its hashes.
driftline_pin() {
    awk -v name="$1==" '/^[^ ]/ { inside = index($0, name) == 1 } inside' "$driftline_root/requirements.lock"
}

driftline_install() {
    local python
    python="$(driftline_python)"
    printf 'driftline: installing into %s (once, a minute or two) ...\n' "$driftline_venv" >&2
    rm -rf "$driftline_venv"
    "$python" -m venv "$driftline_venv" ||
        driftline_fail "could not make a virtual environment; is the venv module installed (python3-venv)?"
    # uv installs the same locked wheels as pip in a third of the time.
    "$driftline_venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --no-deps --require-hashes -r <(driftline_pin uv) ||
        driftline_fail "pip could not install uv from requirements.lock; is the package index reachable?"
    "$driftline_venv/bin/uv" pip install --quiet --python "$driftline_venv/bin/python" \
        --compile-bytecode --no-deps --require-hashes -r "$driftline_root/requirements.lock" ||
        driftline_fail "installing requirements.lock failed; the lines above say why"
    "$driftline_venv/bin/uv" pip install --quiet --python "$driftline_venv/bin/python" \
        --compile-bytecode --no-deps --no-build-isolation --editable "$driftline_root" ||
        driftline_fail "installing driftline itself failed; the lines above say why"
}

driftline_checksum() {
    cat "$driftline_root/requirements.lock" "$driftline_root/pyproject.toml" | cksum
}

driftline_environment() {
    local stamp="$driftline_venv/.driftline-lock"
    if [ ! -x "$driftline_venv/bin/driftline" ] ||
        [ "$(cat "$stamp" 2>/dev/null)" != "$(driftline_checksum)" ]; then
        driftline_install
        driftline_checksum >"$stamp"
    fi
    export DO_NOT_TRACK=1
}
