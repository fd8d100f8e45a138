"""Deployments that somebody else's overtakes: the loser is compared with the winner first."""

import json
import shutil
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.core.errors import ConflictError, ReleaseError
from components.core.process import ProcessId
from components.model.files import MODEL
from components.release.deployment import DeploymentRecord, Underway
from components.release.package import load_release
from components.release.store import ReleaseStore
from components.release.targets import open_target
from components.serving.records import ServingProof
from components.spec.context import open_context
from components.steps import deploy as deploying
from components.steps.deploy import deploy_step
from components.steps.ingest import ingest_step
from components.steps.notify import notify_step
from components.steps.training import evaluate_step, train_step
from tests.worlds import make_world


@dataclass(frozen=True)
class Candidate:
    """What a run has in its hands when it is about to deploy."""

    context: object
    folder: Path

    def deploy(self, **changes):
        files = {
            "data": self.folder / "data.parquet",
            "candidate": self.folder / "candidate",
            "evaluation": self.folder / "evaluation.json",
            "proof": self.folder / "proof.json",
            "card": self.folder / "card.md",
        }
        return deploy_step(self.context, **{name: str(path) for name, path in files.items()})

    @property
    def target(self):
        return open_target(self.context.spec, self.context.store)

    @property
    def said(self):
        return self.context.journal.read("deploy")


def make_candidate(world, run, start, end):
    """Train and evaluate; the proof is written down without a server, which others test."""
    context = open_context(world.text, world.store, run, "1", start, end)
    folder = world.folder / "runs" / run
    folder.mkdir(parents=True)
    data, candidate = str(folder / "data.parquet"), str(folder / "candidate")
    ingest_step(context, "training", data)
    train_step(context, data, candidate)
    evaluate_step(context, data, candidate, str(folder / "evaluation.json"))
    release = load_release(Path(candidate))
    proof = ServingProof(
        passed=True,
        rows=1,
        rows_with_missing=0,
        endpoints=[],
        tolerance=0,
        differences=[],
        differences_in_all=0,
        release=release.version,
        model_sha256=release.manifest.files[MODEL],
        runtime_sha256=release.runtime_sha256,
        seconds_to_ready=0,
        seconds=0,
    )
    (folder / "proof.json").write_text(proof.model_dump_json())
    return Candidate(context, folder)


WINDOWS = {"fast": ("2024-01-01", "2024-03-01"), "slow": ("2024-02-01", "2024-04-01")}


@pytest.fixture(scope="module")
def proven(tmp_path_factory):
    """Two candidates that were both proven when there was no champion yet."""
    world = make_world(
        tmp_path_factory.mktemp("worlds") / "world", gate={"min_rows": 200, "slice_margin": 0.9}
    )
    for run, window in WINDOWS.items():
        make_candidate(world, run, *window)
    return world


def pair_in(proven, folder, margin):
    """The two, in a store of their own, before a gate with that margin."""
    document = json.loads(proven.text)
    document["gate"]["margin"] = margin
    text = json.dumps(document)
    shutil.copytree(proven.folder / "runs", folder / "runs")
    store = str(folder / "store")
    return [
        Candidate(open_context(text, store, run, "1", *window), folder / "runs" / run)
        for run, window in WINDOWS.items()
    ]


@pytest.fixture
def lenient(proven, tmp_path):
    return pair_in(proven, tmp_path, 0.5)


@pytest.fixture
def strict(proven, tmp_path):
    return pair_in(proven, tmp_path, 0.0)


def test_the_loser_is_compared_with_the_winner_and_follows_where_the_gate_accepts(lenient):
    fast, slow = lenient
    first, second = fast.deploy(), slow.deploy()

    assert [entry.version for entry in slow.target.history()] == [first, second]
    release = slow.target.champion()
    judged = json.loads(release.read("evaluation.json"))
    assert judged["against"] == "champion"
    assert judged["champion_version"] == first
    assert (slow.said.status, slow.said.headline) == ("ok", second)


def test_the_loser_is_rejected_where_it_is_no_better(strict):
    fast, slow = strict
    first = fast.deploy()

    assert slow.deploy() == first
    assert slow.target.current().version == first
    assert slow.said.status == "reject"
    assert slow.said.headline.startswith(
        f"{first} was deployed by run fast meanwhile, and against that: "
    )
    assert "# Not deployed" in (slow.folder / "card.md").read_text()
    assert len(slow.target.releases.versions()) == 1
    line = notify_step(slow.context, "SUCCEEDED", "")
    assert f"challenger rejected: {first} was deployed by run fast meanwhile" in line


def test_whoever_is_overtaken_between_its_look_and_its_switch_is_judged_again(lenient, monkeypatch):
    fast, slow = lenient
    publish, overtaken = ReleaseStore.publish, []

    def overtake(self, folder):
        if not overtaken:
            overtaken.append(True)
            overtaken.append(fast.deploy())
        return publish(self, folder)

    monkeypatch.setattr(ReleaseStore, "publish", overtake)
    monkeypatch.setattr(deploying, "_POLL_S", 0.01)
    version = slow.deploy()

    assert [entry.version for entry in slow.target.history()] == [overtaken[1], version]
    judged = json.loads(slow.target.champion().read("evaluation.json"))
    assert judged["champion_version"] == overtaken[1]


def test_whoever_loses_every_time_gives_up(lenient, monkeypatch):
    fast, slow = lenient
    fast.deploy()

    def lose(*_, **__):
        raise ConflictError("somebody else was faster")

    monkeypatch.setattr("components.release.local.LocalTarget.deploy", lose)
    monkeypatch.setattr(deploying, "_POLL_S", 0.01)
    with pytest.raises(ConflictError, match="somebody else was faster"):
        slow.deploy()
    assert slow.said.status == "failed"


def test_another_rollout_is_waited_for(lenient, monkeypatch, eventually):
    fast, slow = lenient
    first = fast.deploy()
    record = DeploymentRecord(slow.context.store, "orders")
    entry = slow.target.current().model_copy(update={"at": "2024-01-01", "run": "other"})
    until = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    mark = Underway(entry=entry, owner=ProcessId.own(), until=until)
    record.change(lambda state: state.begun(mark))
    monkeypatch.setattr(deploying, "_POLL_S", 0.01)
    versions = []
    thread = threading.Thread(target=lambda: versions.append(slow.deploy()))
    thread.start()
    eventually(lambda: slow.said and "is being rolled out by run other" in slow.said.headline)
    record.change(lambda state: state.undone("it was no good"))
    thread.join(60)

    assert [each.version for each in slow.target.history()] == [first, *versions]


def test_what_a_run_has_deployed_is_not_deployed_again(lenient):
    fast, slow = lenient
    first = fast.deploy()
    second = slow.deploy()

    assert fast.deploy() == first
    assert slow.deploy() == second
    assert len(slow.target.history()) == 2


def test_what_the_gate_rejected_at_first_is_not_judged_again(lenient):
    fast, slow = lenient
    path = slow.folder / "evaluation.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "verdict": "reject"}))
    fast.deploy()
    with pytest.raises(ReleaseError, match="the gate rejected this candidate"):
        slow.deploy()


def test_the_lineage_says_where_it_comes_from(lenient, monkeypatch):
    fast, _ = lenient
    monkeypatch.setenv("DRIFTLINE_BUILD_IMAGE", "registry.example/driftline:7")
    monkeypatch.setenv("DRIFTLINE_BUILD_COMMIT", "4d2cf0f")
    fast.deploy()
    release = fast.target.champion()

    lineage = release.manifest.lineage
    assert lineage["image"] == "registry.example/driftline:7"
    assert lineage["commit"] == "4d2cf0f"
    assert lineage["spec sha256"] == release.manifest.files["spec.json"]
    assert "| commit | 4d2cf0f |" in release.text("card.md")
