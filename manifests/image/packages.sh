#!/usr/bin/env bash
# Run while the image is built, in /build: installs what requirements.lock pins for a run, each
# package by its hash, into /opt/driftline. What only tests and developers need stays out.
set -euo pipefail
# shellcheck source=_pins.sh
. scripts/_pins.sh

python3 -m venv /opt/tools
driftline_pins uv setuptools >tools.lock
/opt/tools/bin/pip install --quiet --no-cache-dir --no-deps --require-hashes -r tools.lock

# The lock holds everything; this is the part of it that the run's own requirements lead to.
/opt/tools/bin/uv pip compile --quiet --no-cache --no-header --no-annotate --no-emit-index-url \
    --extra remote --extra demo --constraint requirements.lock --output-file names.txt pyproject.toml
mapfile -t names < <(sed 's/[=[ ;].*//' names.txt)
driftline_pins "${names[@]}" >run.lock

python3 -m venv --without-pip /opt/driftline
/opt/tools/bin/uv pip install --quiet --no-cache --python /opt/driftline/bin/python \
    --no-deps --require-hashes -r run.lock
/opt/tools/bin/uv pip check --quiet --python /opt/driftline/bin/python

site="$(/opt/driftline/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
echo /opt/driftline/src >"$site/driftline.pth"
/opt/driftline/bin/python slim.py "$site"
# Compiled here, once: a read-only root could not keep it. By hash and unchecked, since builders
# change the times of files. Not what Evidently requires and a report does not load.
/opt/driftline/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
    -x '/(faker|statsmodels|plotly/validators)/' "$site"
