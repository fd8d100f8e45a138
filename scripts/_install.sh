#!/usr/bin/env bash
# Makes .venv from requirements.lock; called by _env.sh with the Python to use.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/_env.sh"
# shellcheck source=_pins.sh
. "$driftline_root/scripts/_pins.sh"

if driftline_installed; then
    exit 0
fi
python="$1"
bin="$driftline_venv/bin"
trap 'printf "\ndriftline: interrupted; the next start installs anew\n" >&2; exit 130' INT TERM
progress=(--quiet)
if [ -t 2 ]; then
    progress=() # somebody looks on: uv shows what it fetches
fi
printf 'driftline: installing into %s (once, a minute or two) ...\n' "$driftline_venv" >&2
if [ -e "$driftline_venv" ] && [ ! -e "$driftline_venv/pyvenv.cfg" ] &&
    [ -n "$(ls -A "$driftline_venv" 2>/dev/null || echo file)" ]; then
    driftline_fail "$driftline_venv is there and is no virtual environment; move it, or set DRIFTLINE_VENV"
fi
rm -rf "$driftline_venv"
"$python" -m venv "$driftline_venv" ||
    driftline_fail "could not make a virtual environment; is the venv module installed (python3-venv)?"
# uv installs the same locked wheels as pip in a third of the time.
"$bin/python" -m pip install --quiet --disable-pip-version-check \
    --no-deps --require-hashes -r <(driftline_pins uv) ||
    driftline_fail "pip could not install uv from requirements.lock; is the package index reachable?"
"$bin/uv" pip install ${progress[@]+"${progress[@]}"} --python "$bin/python" \
    --compile-bytecode --no-deps --require-hashes -r "$driftline_root/requirements.lock" ||
    driftline_fail "installing requirements.lock failed; the lines above say why"
"$bin/uv" pip install --quiet --python "$bin/python" \
    --compile-bytecode --no-deps --no-build-isolation --editable "$driftline_root" ||
    driftline_fail "installing driftline itself failed; the lines above say why"
driftline_checksum >"$driftline_venv/.driftline-lock"
