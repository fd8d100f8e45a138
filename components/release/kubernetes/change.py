"""One rollout from its first request to its last: proven and settled, or undone with its reason."""

from __future__ import annotations

from datetime import timedelta

from components.core.errors import ClusterError, ConflictError, DriftlineError, RolloutError
from components.core.words import count_of
from components.release.kubernetes.history import Revision
from components.release.kubernetes.manifests import canary_replicas
from components.release.kubernetes.names import Underway, identity
from components.release.kubernetes.plan import Plan, taken_by
from components.release.kubernetes.pods import progress_s
from components.release.kubernetes.refusals import TakenError
from components.release.kubernetes.rollout import Rollout
from components.release.kubernetes.seen import Seen, Serving, SupersededError
from components.release.kubernetes.watching import Watcher
from components.release.kubernetes.workload import Workload
from components.release.target import Deployment, Progress

_LEASE_S = 120.0


class Change:
    """Carries out a plan; what goes wrong is undone before it is raised.

    Whoever is at work keeps a mark on what is deployed, and renews it: a mark that is out of date
    tells everybody else that the one who wrote it is gone.

    Args:
        workload: what is changed.
        plan: what it becomes.
        say: told what happens.
    """

    def __init__(self, workload: Workload, plan: Plan, say: Progress) -> None:
        self._workload = workload
        self._cluster = workload.cluster
        self._time = workload.cluster.time
        self._plan = plan
        self._serving = plan.serving
        self._say = say
        self._force = workload.spec.serving.kubernetes.force
        self._progress_s = float(progress_s(workload.spec))
        self._champion = plan.seen.champion
        champion = self._champion.entry.version if self._champion else ""
        self._watcher = Watcher(
            workload, plan.guard, champion, plan.serving.entry.version, say, self._pause
        )
        self._now = plan.serving
        self._until = 0.0

    def make(self) -> None:
        """Roll out, watch, and settle.

        Raises:
            RolloutError: when it failed or did worse; what served before serves again.
            ConflictError: when somebody else deployed in between; that stays as it is.
            ClusterError: when the cluster refuses it; nothing changed.
        """
        canary = self._canary_replicas()
        try:
            self._prepare()
            self._claim(self._serving if not canary else self._champions())
        except SupersededError as error:
            raise self._conflict(error.seen) from None
        try:
            if canary:
                self._try_canary(canary)
            self._roll_out()
            self._watcher.judge("the release")
            self._put(self._serving, None)
        except SupersededError as error:
            if not error.seen.shows(
                self._serving.entry, None
            ):  # another process of this run did it
                raise self._conflict(error.seen) from None
        except DriftlineError as error:
            raise self._undone(error) from error
        except BaseException:  # Ctrl-C, or the end of the pod: there may be only seconds
            self._undo_at_once()
            raise

    def _prepare(self) -> None:
        """Whatever can be refused is refused before anything changes."""
        self._refuse_leaving()
        self._refuse_stopped()
        self._workload.try_out(self._serving, self._plan.seen, force=self._force)
        self._watcher.count_champion()

    def _refuse_leaving(self) -> None:
        live = self._plan.seen.live
        if live is not None and "deletionTimestamp" in live["metadata"]:
            raise ClusterError(
                f"{live['kind']} {self._workload.names.main} is being deleted; wait until it is "
                "gone, then deploy again"
            )

    def _refuse_stopped(self) -> None:
        running = self._plan.seen.deployment
        if running is None or running["spec"].get("replicas") != 0:
            return
        name = self._workload.deployment
        raise ClusterError(
            f"deployment {name} is scaled to 0: somebody stopped it, and so it stays; start it "
            f"with 'kubectl scale deployment {name} -n {self._cluster.namespace} --replicas="
            f"{self._workload.spec.serving.kubernetes.replicas}', then deploy again"
        )

    def _canary_replicas(self) -> int:
        deployment = self._plan.seen.deployment
        if not self._plan.canary or self._champion is None or deployment is None:
            return 0
        return canary_replicas(self._plan.canary, deployment["spec"].get("replicas", 1))

    def _claim(self, serving: Serving) -> None:
        self._put(serving, self._mark(), self._plan.seen)
        self._say(
            f"{self._serving.entry.version} is rolled out to {self._workload.names.main} in "
            f"namespace {self._cluster.namespace}"
        )

    def _try_canary(self, replicas: int) -> None:
        entry = self._serving.entry
        self._say(f"{entry.version} serves as {count_of(replicas, 'canary replica')} first")
        self._cluster.apply(self._workload.canary(self._serving, replicas), force=self._force)
        self._wait(self._workload.names.canary, entry)
        self._watcher.judge("the canary")
        self._put(self._serving, self._mark())

    def _roll_out(self) -> None:
        for manifest in self._workload.beside():
            self._cluster.apply(manifest, force=self._force)
        self._wait(self._workload.deployment, self._serving.entry)
        self._workload.remove_canary()
        for manifest in self._workload.after():
            self._cluster.apply(manifest, force=self._force)

    def _wait(self, deployment: str, entry: Deployment, *, patient: bool = False) -> None:
        Rollout(
            self._workload,
            deployment,
            entry,
            self._progress_s,
            self._say,
            self._keep,
            patient=patient,
        ).wait()

    def _pause(self, seconds: float) -> None:
        self._time.pause(seconds)
        self._keep()

    def _keep(self) -> None:
        """Go on only while the mark is ours, and say in time that we are still at work."""
        underway = self._workload.underway()
        if underway is None or identity(underway) != identity(self._plan.claim):
            raise SupersededError(self._workload.read())
        if self._until - self._time.clock() < _LEASE_S / 2:
            self._put(self._now, self._mark())

    def _mark(self, lease_s: float = _LEASE_S) -> Underway:
        self._until = self._time.clock() + lease_s
        until = self._time.now() + timedelta(seconds=lease_s)
        return self._plan.claim.model_copy(
            update={"until": until.isoformat(timespec="microseconds")}
        )

    def _put(
        self,
        serving: Serving,
        underway: Underway | None,
        seen: Seen | None = None,
        *,
        force: bool | None = None,
    ) -> None:
        seen = seen or self._ours()
        force = self._force if force is None else force
        self._workload.put(serving, underway, seen, force=force)
        self._now = serving

    def _ours(self) -> Seen:
        seen = self._workload.read()
        mark = seen.underway
        if mark is None or identity(mark) != identity(self._plan.claim):
            raise SupersededError(seen)
        return seen

    def _champions(self) -> Serving:
        assert self._champion is not None  # noqa: S101 # there is a canary only beside a champion
        return self._workload.again(self._champion)

    def _undone(self, error: DriftlineError) -> DriftlineError:
        """The error to raise, once what served before serves again."""
        entry = self._serving.entry
        why = f"{entry.action} of {entry.version} failed: {error}"
        self._say(why)
        try:
            back = self._undo()
        except SupersededError as superseded:
            return self._conflict(superseded.seen)
        except DriftlineError as second:
            return RolloutError(
                f"{why}; and what served before could not be put back: {second}; look at it with "
                "'driftline releases status', and try 'driftline releases rollback'"
            )
        return RolloutError(f"{why}; {back}")

    def _undo(self) -> str:
        """Put the champion back and wait for it; returns what serves now, as a sentence."""
        if self._champion is None:
            self._workload.remove(self._ours())
            return "nothing was deployed before, so it was taken away again"
        version = self._champion.entry.version
        self._put_back(self._champion)
        self._say(f"{version} is put back")
        self._workload.remove_canary()
        self._wait(self._workload.deployment, self._champion.entry, patient=True)
        self._put(self._workload.again(self._champion), None)
        return f"{version} serves again"

    def _put_back(self, champion: Revision) -> None:
        """This is no time to ask whose fields they are, but a time to say it."""
        serving = self._workload.again(champion)
        try:
            self._put(serving, self._mark())
        except TakenError as error:
            self._say(f"{error}; they are taken all the same")
            self._put(serving, self._mark(), force=True)

    def _undo_at_once(self) -> None:
        """Only ask for the way back; the next deployment sees it through."""
        version = self._serving.entry.version
        try:
            if self._champion is None:
                self._workload.remove(self._ours())
            else:
                self._put(self._workload.again(self._champion), self._mark(0.0), force=True)
                self._workload.remove_canary()
        except DriftlineError as error:
            self._say(f"{version} was interrupted; the next deployment undoes it: {error}")
        else:
            self._say(f"{version} was interrupted, and is being undone")

    def _conflict(self, seen: Seen) -> ConflictError:
        entry = self._serving.entry
        return ConflictError(f"{entry.action} of {entry.version} was given up: {taken_by(seen)}")
