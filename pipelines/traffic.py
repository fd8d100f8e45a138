"""Replay a window's rows as requests to the real model server, so that it logs predictions."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from components.core.storage import Store
from components.core.window import Window
from components.release.package import Release
from components.spec.model import Spec

if TYPE_CHECKING:
    import pyarrow as pa

# What a replay is for is its log, which is a file for every hour of the window, and nobody waits to
# start another server in this one's place.
_LOG_PATIENCE_S = 900


def replay_traffic(
    spec: Spec,
    store: Store,
    release: Release,
    window: Window,
    progress: Callable[[int, int], None],
) -> int:
    """Send every row of a window to a server with that release, in event-time order.

    Args:
        spec: the spec; its source is read.
        store: where the server logs its predictions.
        release: what to serve.
        window: the rows to send.
        progress: told `(rows sent, rows in all)`.

    Returns:
        The number of rows sent.

    Raises:
        DataError: when the source has no rows in the window.
        ServingError: when the server does not start or refuses rows.
    """
    from components.serving.batch import MAX_HOURS
    from components.serving.outgoing import to_rows
    from components.serving.running import RunningServer

    # No batch of that many rows can span more hours than one request may.
    batch = min(MAX_HOURS, spec.serving.max_rows)
    prefixes = spec.estimator.allowed_prefixes
    running = RunningServer(
        release.folder,
        log_store=store,
        allowed_prefixes=prefixes,
        manifest_sha256=release.manifest_sha256,
        arguments=("--log-patience", str(_LOG_PATIENCE_S)),
        stop_timeout_s=_LOG_PATIENCE_S + 40.0,
    )
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(_read, spec, window)  # while the server starts
        with running as server, server.client() as client:
            table = reading.result()
            for start in range(0, table.num_rows, batch):
                client.predict(to_rows(table.slice(start, batch), spec.columns))
                progress(min(start + batch, table.num_rows), table.num_rows)
    return int(table.num_rows)


def _read(spec: Spec, window: Window) -> pa.Table:
    """The window's rows in event-time order."""
    from components.data.frame import read_rows
    from components.data.ingest import ingest_window

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "rows.parquet"
        ingest_window(spec, window, datetime.now(UTC), path)
        return read_rows(path).sort_by(spec.columns.time)
