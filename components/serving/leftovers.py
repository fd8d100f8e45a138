"""What a killed writer of the prediction log left behind, removed by the next one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from components.core.storage import Store
from components.data.prediction_log import latest_versions, log_prefix

# Whatever is younger may be at work still.
_AGE = timedelta(hours=1)


def remove_leftovers(store: Store, model: str) -> list[str]:
    """Remove files that were never finished, and replaced versions of parts of the last two days.

    None of it disturbs a reader. Replaced versions of other days, which a server that logs rows of
    the past may leave, stay until `driftline releases gc`.

    Args:
        store: where the log is.
        model: the model's name.

    Returns:
        The names of what was removed.

    Raises:
        StoreError: when the store cannot be read.
    """
    now = datetime.now(UTC)
    found = store.leftovers()
    for day in (now - timedelta(days=1), now):
        files = store.files(f"{log_prefix(model)}/date={day.date()}")
        latest = set(latest_versions(file.name for file in files))
        found += [f for f in files if f.name.endswith(".parquet") and f.name not in latest]
    old = [file.name for file in found if file.modified < now - _AGE]
    for name in old:
        store.delete(name)
    return old
