"""How many of the labels that a window could have by now it has."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from components.core.errors import DataError
from components.core.verdict import Finding
from components.core.window import parse_time
from components.data.report import read_report
from components.model.score import Array
from components.spec.model import Spec


def label_coverage(
    spec: Spec, data_path: Path, times: Array, labelled: int
) -> tuple[Finding, dict[str, Any]]:
    """The share of the labels that are due which have arrived.

    A label is due once its row's event time plus `label.delay` has passed. Missing ones may not be
    missing by chance, say because a complaint is answered later than a thank-you, and then
    everything that is measured on the others is biased: below `checks.performance.coverage` the
    finding is a warning.

    Args:
        spec: the label's delay and `checks.performance`.
        data_path: the window, as ingest wrote it: its report says when the labels were asked for.
        times: (n,) datetime64[us] in UTC of all rows.
        labelled: how many of the rows have a label that can be used.

    Returns:
        The finding, and the figures for the verdict's facts.
    """
    due = len(times)
    if asked := _asked(data_path):
        last = (asked - spec.label_delay).astimezone(UTC).replace(tzinfo=None)
        due = int(np.sum(times <= np.datetime64(last, "us")))
    due = max(due, labelled)
    waiting = len(times) - due
    share = labelled / due if due else None
    least = spec.checks.performance.coverage
    low = share is not None and share < least
    if share is None:
        message = f"no label is due yet, of {len(times):,} rows"
    else:
        missing = "of the labels that are due have arrived"
        message = f"{labelled:,} of {due:,} {missing} ({share:.1%})".replace("%", " %")
        message += f"; {waiting:,} are not due yet" if waiting else ""
    if low:
        message += (
            f"; checks.performance.coverage asks for {least:.0%}: what is measured on them may not "
            "hold for the others; look for what keeps labels back"
        ).replace("%", " %")
    finding = Finding(
        column=spec.columns.target,
        statistic="label coverage",
        severity="warn" if low else "info",
        message=message,
        value=share,
        threshold=least,
        count=due,
    )
    return finding, {"labels_due": due, "labels_not_due": waiting, "label_coverage": share}


def _asked(path: Path) -> datetime | None:
    """When the window's labels were asked for; None where the file does not say."""
    try:
        return parse_time(read_report(path).as_of)
    except DataError:
        return None
