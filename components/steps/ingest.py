"""Read a window from the source or from the prediction log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.core.errors import UsageError
from components.spec.context import Context


def ingest_step(context: Context, purpose: str, destination: str) -> dict[str, Any]:
    """Write the window's rows to one Parquet file.

    Args:
        context: the step's surroundings.
        purpose: `training` or `monitoring` for the source, `predictions` for the prediction log.
        destination: the file to write.

    Returns:
        What was read and what was left out, for the artifact's metadata.

    Raises:
        UsageError: for another purpose.
        DataError: when the source cannot be read, or has no rows in the window.
    """
    if purpose not in ("training", "monitoring", "predictions"):
        raise UsageError(f"purpose {purpose!r} is not training, monitoring or predictions")
    with context.step(f"ingest_{purpose}") as say:
        if purpose == "predictions":
            from components.data.predictions import read_predictions

            log = read_predictions(context.store, context.spec, context.window, Path(destination))
            say("ok", f"{log.rows:,} predictions logged")
            return log.model_dump(mode="json")
        from components.data.ingest import ingest_window

        report = ingest_window(context.spec, context.window, context.as_of, Path(destination))
        say("ok", f"{report.rows:,} rows, {report.labels:,} with a label")
        return report.model_dump(mode="json")
