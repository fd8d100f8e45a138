"""Replay a window's rows as requests to the real model server, so that it logs predictions."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from components.core.storage import Store
from components.core.window import Window
from components.release.package import Release
from components.spec.model import Spec

BATCH = 2000


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
    from components.data.frame import read_rows
    from components.data.ingest import ingest_window
    from components.serving.outgoing import to_rows
    from components.serving.running import RunningServer

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "rows.parquet"
        ingest_window(spec, window, datetime.now(UTC), path)
        table = read_rows(path).sort_by(spec.columns.time)
    prefixes = spec.estimator.allowed_prefixes
    running = RunningServer(release.folder, log_store=store, allowed_prefixes=prefixes)
    with running as server, server.client() as client:
        for start in range(0, table.num_rows, BATCH):
            client.predict(to_rows(table.slice(start, BATCH), spec.columns))
            progress(min(start + BATCH, table.num_rows), table.num_rows)
    return int(table.num_rows)
