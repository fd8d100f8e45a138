"""River's detectors on a stream of errors, with their own defaults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from river import drift

RIVER: dict[str, Callable[[], Any]] = {
    "ADWIN": drift.ADWIN,
    "Page-Hinkley": lambda: drift.PageHinkley(mode="up"),
    "DDM": drift.binary.DDM,
    "EDDM": drift.binary.EDDM,
    "HDDM_A": drift.binary.HDDMA,
    "HDDM_W": drift.binary.HDDMW,
    "FHDDM": drift.binary.FHDDM,
}
# KSWIN compares windows of 30 numbers: of errors these are mostly ties, and it alarms all the time.


def river_alarm(name: str, wrong: np.ndarray, reference: int) -> float:
    """How many labels after the reference a detector alarms first, infinite if never.

    Args:
        name: one of `RIVER`.
        wrong: (n,) whether the answers were wrong, the reference's first.
        reference: how many of them are the reference; alarms there do not count.
    """
    detector = RIVER[name]()
    # A detector that wants the errors' distances counts a 1 as an error, like all the others.
    normal = float(np.mean(wrong[:reference]))
    for place, error in enumerate(wrong.tolist()):
        detector.update(int(error))
        rose = name != "ADWIN" or detector.estimation > normal
        if detector.drift_detected and place >= reference and rose:
            return place + 1 - reference
    return np.inf
