"""A release under guard on a cluster: its pods' figures against the champion's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from components.core.errors import DriftlineError, RolloutError
from components.core.window import parse_duration
from components.release.counts import Counts
from components.release.guard import watch
from components.release.kubernetes.metrics import pod_metrics, pod_scrape
from components.release.kubernetes.workload import Workload
from components.release.recent import lately
from components.release.target import Progress
from components.spec.model import Guard


class Watcher:
    """Counts the champion before a rollout, and watches the release after it.

    Args:
        workload: whose pods are asked.
        guard: the limits; None, or a period of `0s`, for no guard.
        champion: the release that serves, or "" for none.
        challenger: the release that is watched.
        say: told what happens.
        pause: waits so many seconds.
    """

    def __init__(
        self,
        workload: Workload,
        guard: Guard | None,
        champion: str,
        challenger: str,
        say: Progress,
        pause: Callable[[float], object],
    ) -> None:
        self._scrape = pod_scrape(workload.cluster, workload.names.selector)
        self._fetch = partial(pod_metrics, workload.cluster, workload.names.selector)
        self._guard = guard if guard is not None and parse_duration(guard.period) else None
        self._champion = champion
        self._challenger = challenger
        self._say = say
        self._pause = pause
        self._clock = workload.cluster.time.clock
        self._before: Counts | None = None  # of the champion
        # What was counted of the challenger that is not to be judged; None if that is not known.
        self._since: Counts | None = Counts()

    def count_champion(self) -> None:
        """Take the champion's latest figures, while it serves alone.

        From here on the challenger is judged, while it is being rolled out too.

        One whose pods do not answer is not compared with: its successor may be what mends it.
        """
        if self._guard is None or not self._champion:
            return
        try:
            counted = self._scrape()
            self._since = counted.get(self._challenger, Counts())
            self._before = lately(self._fetch, self._champion, self._guard)
            self._before = self._before or counted.get(self._champion)
        except DriftlineError as error:
            self._since = None
            self._say(f"the champion's figures are not known, it is not compared with: {error}")

    def judge(self, what: str) -> None:
        """Watch for the guard period.

        Args:
            what: of the release is watched, in words.

        Raises:
            RolloutError: when it did worse, with the reasons.
        """
        if self._guard is None:
            return
        judgement = watch(
            self._scrape,
            champion=self._before,
            challenger=self._challenger,
            guard=self._guard,
            since=self._since,
            progress=self._say,
            pause=self._pause,
            clock=self._clock,
        )
        said = "; ".join(judgement.reasons)
        if judgement.verdict == "breached":
            raise RolloutError(f"{what} did worse under guard: {said}")
        self._since = self._counted()
        passed = judgement.verdict == "passed"
        self._say(f"{what} {'passed the guard' if passed else 'stays'}: {said}")

    def _counted(self) -> Counts | None:
        """What was counted of the challenger by now; None if nobody answers."""
        try:
            return self._scrape().get(self._challenger)
        except DriftlineError:
            return None
