"""Answered requests for the tests of the prediction log, without a server."""

from datetime import UTC, datetime, timedelta

import numpy as np

from components.data.feature_rows import FeatureRows
from components.serving.answered import Answered
from components.spec.model import Columns

START = datetime(2024, 3, 1, tzinfo=UTC)
COLUMNS = Columns(id="pump", time="seen", target="fails", numeric=["load"], categorical=["site"])


def answered(count, first=0, step_minutes=1, release="v1", probability=True, name="r"):
    """A request of so many rows, one a minute of event time."""
    values = np.arange(first, first + count)
    return Answered(
        row_ids=[f"{name}{value}" for value in values],
        event_times=[START + timedelta(minutes=step_minutes * int(value)) for value in values],
        served_at=datetime(2024, 5, 1, tzinfo=UTC),
        release=release,
        request_ids=["request"] * count,
        columns=COLUMNS,
        features=FeatureRows(
            np.array([[np.nan if value % 7 == 0 else float(value)] for value in values]),
            [[f"s{value % 3}" for value in values]],
        ),
        prediction=values % 2,
        probability=np.column_stack([values / 1e6, 1 - values / 1e6]) if probability else None,
    )
