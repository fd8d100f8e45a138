#!/usr/bin/env bash
# Run while the image is built, in /build: installs the project itself into /opt/driftline/src.
set -euo pipefail

/opt/tools/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir wheels .
/opt/tools/bin/uv pip install --quiet --no-cache --python /opt/driftline/bin/python \
    --target /opt/driftline/src --no-deps --no-index wheels/*.whl
/opt/driftline/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/driftline/src
# Every module can be imported: what slim.py took away was not needed.
cd /
DO_NOT_TRACK=1 /opt/driftline/bin/python /build/import_all.py /opt/driftline/src
