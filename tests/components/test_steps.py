"""Each step as Kubeflow calls it: its own function, with artifacts on disk."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from kfp import dsl

from components.check_drift import check_drift
from components.check_performance import check_performance
from components.check_profile_drift import check_profile_drift
from components.check_profile_schema import check_profile_schema
from components.check_schema import check_schema
from components.check_skew import check_skew
from components.core.errors import BlockedError, ReleaseError, ServingError, StoreError
from components.core.storage import Store
from components.core.window import Window
from components.decide import decide
from components.deploy import deploy
from components.evaluate import evaluate
from components.find_repeats import find_repeats
from components.ingest import ingest
from components.merge_profiles import merge_profiles
from components.notify import notify
from components.plan_parts import plan_parts
from components.profile_part import profile_part
from components.release.local import LocalTarget
from components.train import train
from components.validate_serving import validate_serving
from pipelines.traffic import replay_traffic
from tests.worlds import make_world


class Run:
    """Calls steps by their functions, with the parameters that a pipeline would pass."""

    def __init__(self, world, name, start, end):
        self.common = {
            "spec": world.text,
            "store": world.store,
            "run": name,
            "job": "1",
            "scheduled": "",
            "start": start,
            "end": end,
        }
        self.folder = world.folder / "artifacts" / name

    def new(self, kind, name):
        (self.folder / name).mkdir(parents=True, exist_ok=True)
        return kind(uri=str(self.folder / name / "file"))

    def ingest(self, purpose):
        data = self.new(dsl.Dataset, purpose)
        ingest.python_func(**self.common, as_of="now", purpose=purpose, data=data)
        return data

    def schema(self, purpose, data):
        verdict = self.new(dsl.Artifact, f"schema-{purpose}")
        status = check_schema.python_func(
            **self.common, purpose=purpose, data=data, verdict=verdict
        )
        return status, verdict

    def train(self, data):
        outputs = {
            "candidate": self.new(dsl.Model, "candidate"),
            "metrics": self.new(dsl.Metrics, "metrics"),
            "classification": self.new(dsl.ClassificationMetrics, "classification"),
        }
        train.python_func(**self.common, data=data, **outputs)
        return outputs

    def evaluate(self, data, candidate):
        evaluation = self.new(dsl.Artifact, "evaluation")
        answer = evaluate.python_func(
            **self.common,
            data=data,
            candidate=candidate,
            evaluation=evaluation,
            metrics=self.new(dsl.Metrics, "compared"),
        )
        return answer, evaluation

    def validate(self, data, candidate):
        proof = self.new(dsl.Artifact, "proof")
        validate_serving.python_func(**self.common, data=data, candidate=candidate, proof=proof)
        return proof

    def deploy(self, **proofs):
        card = self.new(dsl.Markdown, "card")
        return deploy.python_func(**self.common, card=card, **proofs), card

    def check(self, step, name, data, served, **outputs):
        verdict = self.new(dsl.Artifact, name)
        status = step.python_func(
            **self.common, data=data, predictions=served, verdict=verdict, **outputs
        )
        return status, verdict


def document(artifact):
    return json.loads(Path(artifact.path).read_text())


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"), turned=(4,))


def go_through_training(world):
    """The training steps one after another, and what each left."""
    run = Run(world, "first", "2024-01-01", "2024-03-01")
    data = run.ingest("training")
    status, _ = run.schema("training", data)
    outputs = run.train(data)
    answer, evaluation = run.evaluate(data, outputs["candidate"])
    proof = run.validate(data, outputs["candidate"])
    version, card = run.deploy(
        data=data, candidate=outputs["candidate"], evaluation=evaluation, proof=proof
    )
    return {
        "run": run,
        "data": data,
        "schema": status,
        "answer": answer,
        "evaluation": evaluation,
        "proof": proof,
        "version": version,
        "card": card,
        **outputs,
    }


def go_through_april(world):
    """The checks of April, after the champion has answered its orders."""
    champion = LocalTarget(Store(world.store), "orders").require_champion()
    window = Window.parse("2024-04")
    replay_traffic(world.spec, Store(world.store), champion, window, lambda sent, rows: None)
    run = Run(world, "april", "2024-04-01", "2024-05-01")
    data, served = run.ingest("monitoring"), run.ingest("predictions")
    html = run.new(dsl.HTML, "report")
    metric = run.new(dsl.Metrics, "metric")
    verdicts = {
        "schema": run.schema("monitoring", data),
        "drift": run.check(check_drift, "drift", data, served, report=html),
        "skew": run.check(check_skew, "skew", data, served),
        "performance": run.check(check_performance, "performance", data, served, metrics=metric),
    }
    return {"run": run, "html": html, "metric": metric, "verdicts": verdicts}


@pytest.fixture(scope="module")
def trained(world):
    return go_through_training(world)


@pytest.fixture(scope="module")
def monitored(world, trained):
    return go_through_april(world)


def test_ingest_tells_what_it_read(trained):
    metadata = trained["data"].metadata

    assert metadata["rows"] == 3000
    assert metadata["window"] == "2024-01-01..2024-03-01"
    assert metadata["fingerprint"]


def test_train_leaves_metrics_for_the_user_interface(trained):
    assert 0.7 < trained["metrics"].metadata["roc_auc"] < 1
    assert "confusionMatrix" in trained["classification"].metadata
    assert "confidenceMetrics" in trained["classification"].metadata
    json.dumps(trained["classification"].metadata, allow_nan=False)


def test_the_first_candidate_is_compared_with_a_constant_answer(trained):
    assert trained["answer"] == "accept"
    assert document(trained["evaluation"])["against"] == "baseline"


def test_deploy_packages_what_was_proven(world, trained):
    champion = LocalTarget(Store(world.store), "orders").require_champion()

    assert champion.version == trained["version"]
    assert {"evaluation.json", "serving.json", "card.md"} <= set(champion.manifest.files)
    assert champion.manifest.files["model.skops"] == document(trained["proof"])["model_sha256"]
    assert "orders" in Path(trained["card"].path).read_text()


def test_a_deploy_step_that_is_tried_again_changes_nothing(world, trained):
    before = LocalTarget(Store(world.store), "orders").history()
    proofs = {name: trained[name] for name in ("data", "candidate", "evaluation", "proof")}
    version, _ = trained["run"].deploy(**proofs)

    assert version == trained["version"]
    assert LocalTarget(Store(world.store), "orders").history() == before


def test_a_candidate_that_was_compared_with_another_champion_is_compared_again(world, trained):
    forger = Run(world, "forger", "2024-01-01", "2024-03-01")
    other = forger.new(dsl.Artifact, "other-champion")
    Path(other.path).write_text(
        json.dumps({**document(trained["evaluation"]), "champion": "f" * 64})
    )
    version, card = forger.deploy(
        data=trained["data"],
        candidate=trained["candidate"],
        evaluation=other,
        proof=trained["proof"],
    )

    assert version == trained["version"]
    assert "the challenger is the champion itself" in Path(card.path).read_text()


@pytest.mark.parametrize(
    ("which", "change", "expected"),
    [
        ("evaluation", {"verdict": "reject"}, "the gate rejected this candidate"),
        ("evaluation", {"challenger": "0" * 64}, "the gate judged model 00000000"),
        ("proof", {"passed": False}, "the serving proof of this candidate failed"),
        ("proof", {"model_sha256": "0" * 64}, "the serving proof judged model 00000000"),
    ],
)
def test_nothing_is_deployed_without_a_proof_that_speaks_of_it(
    world, trained, which, change, expected
):
    forger = Run(world, "forger", "2024-01-01", "2024-03-01")
    forged = forger.new(dsl.Artifact, f"forged-{which}")
    Path(forged.path).write_text(json.dumps({**document(trained[which]), **change}))
    proofs = {name: trained[name] for name in ("data", "candidate", "evaluation", "proof")}

    with pytest.raises(ReleaseError, match=expected):
        forger.deploy(**{**proofs, which: forged})


def test_the_same_training_again_is_not_a_challenger(world, trained):
    run = Run(world, "again", "2024-01-01", "2024-03-01")
    data = run.ingest("training")
    answer, evaluation = run.evaluate(data, run.train(data)["candidate"])

    assert answer == "reject"
    assert "identical" in document(evaluation)["reasons"][0]


def test_a_blocked_window_stops_training_and_only_warns_monitoring(tmp_path):
    import pyarrow.parquet as pq

    world = make_world(tmp_path)
    for path in world.source.iterdir():
        pq.write_table(pq.read_table(path).drop_columns("price"), path)
    run = Run(world, "blocked", "2024-01-01", "2024-03-01")
    data = run.ingest("training")

    assert run.schema("monitoring", data)[0] == "blocked"
    with pytest.raises(BlockedError, match="price"):
        run.schema("training", data)


def test_a_candidate_that_the_server_cannot_answer_with_is_stopped(world, trained, tmp_path):
    import shutil

    broken = dsl.Model(uri=str(tmp_path / "candidate"))
    shutil.copytree(trained["candidate"].path, broken.path)
    (Path(broken.path) / "model.skops").write_bytes(b"not a model")
    with pytest.raises(ServingError, match="must not be deployed"):
        Run(world, "broken", "2024-01-01", "2024-03-01").validate(trained["data"], broken)


def test_the_checks_tell_concept_drift_from_data_drift(monitored):
    statuses = {name: status for name, (status, _) in monitored["verdicts"].items()}

    assert statuses["schema"] in ("ok", "warn")
    assert statuses["drift"] in ("ok", "drift"), "only the label may have moved"
    assert statuses["skew"] == "ok"
    assert statuses["performance"] == "drift"


def test_a_profile_made_part_by_part_gives_the_verdicts_of_monitoring(world, monitored):
    run = Run(world, "parts", "2024-04-01", "2024-05-01")
    served, profile = run.ingest("predictions"), run.new(dsl.Artifact, "profile")
    lanes = plan_parts.python_func(**run.common, as_of="now", shards="3", parallelism="2")
    assert lanes == ["s0,s2", "s1"]
    profile_part.python_func(**run.common, lane=lanes[1], turn="first")
    merge = {"predictions": served, "profile": profile}
    with pytest.raises(StoreError, match="2 shards of 3 were not counted, the first of them 0"):
        merge_profiles.python_func(**run.common, **merge)
    for lane in [*lanes, lanes[0]]:  # a lane that is tried again counts nothing twice
        profile_part.python_func(**run.common, lane=lane, turn="first")
    assert find_repeats.python_func(**run.common, parallelism="auto") == ["nothing"]
    profile_part.python_func(**run.common, lane="nothing", turn="again")
    assert merge_profiles.python_func(**run.common, **merge) == 1500
    schema, drift = (run.new(dsl.Artifact, f"{name}-profiled") for name in ("schema", "drift"))
    page = run.new(dsl.HTML, "page")
    check_profile_schema.python_func(**run.common, profile=profile, verdict=schema)
    check_profile_drift.python_func(**run.common, profile=profile, verdict=drift, report=page)

    for name, found in (("schema", schema), ("drift", drift)):
        expected = Path(monitored["verdicts"][name][1].path).read_bytes()
        assert Path(found.path).read_bytes() == expected
    assert "no rows that could be plotted" in Path(page.path).read_text()
    assert merge_profiles.python_func(**run.common, **merge) == 1500
    assert find_repeats.python_func(**run.common, parallelism="auto") == ["nothing"]
    kept = Store(world.store).names("orders/profiles/2024-04-01_2024-05-01")
    assert {name.rsplit("/", 1)[1] for name in kept} == {
        "parts.json",  # the run's
        "plan.json",
        "reference.json",
        "profile.json",
        "merged.json",
    }
    told = notify.python_func(
        **run.common,
        status=dsl.PipelineTaskFinalStatus(
            state="SUCCEEDED",
            pipeline_job_resource_name="run",
            pipeline_task_name="profiling",
            error_code=None,
            error_message=None,
        ),
    )
    assert "run monitoring for" in told


def test_the_report_opens_with_our_verdict(monitored):
    html = Path(monitored["html"].path).read_text()

    assert monitored["verdicts"]["drift"][1].metadata["headline"] in html


def test_verdicts_stay_in_the_store(world, monitored):
    kept = Store(world.store).names("orders/checks/2024-04-01_2024-05-01")

    assert {name.rsplit("/", 1)[1] for name in kept} >= {
        "schema_monitoring.json",
        "drift.json",
        "drift.html",
        "skew.json",
        "performance.json",
    }
    champion = LocalTarget(Store(world.store), "orders").require_champion()
    states = [name for name in kept if "/concept" in name]
    assert [name.rsplit("/", 1)[1] for name in states] == [f"concept--{champion.version}.json"]


def test_decide_gives_its_reasons_and_decides_once(world, monitored):
    verdicts = {name: verdict for name, (_, verdict) in monitored["verdicts"].items()}
    answers = []
    for name in ("april", "somebody-else"):
        run = Run(world, name, "2024-04-01", "2024-05-01")
        decision = run.new(dsl.Artifact, "decision")
        answers.append(decide.python_func(**run.common, **verdicts, decision=decision))

    assert answers == ["retrain", "none"]
    assert "decided already by run april" in document(decision)["reasons"][0]


@pytest.mark.parametrize(
    ("state", "error", "expected"),
    [("SUCCEEDED", "", "deployed"), ("FAILED", "out of memory", "failed")],
)
def test_notify_says_how_the_run_ended(world, trained, state, error, expected, capsys):
    name = "first" if expected == "deployed" else "unknown"
    run = Run(world, name, "2024-01-01", "2024-03-01")
    status = dsl.PipelineTaskFinalStatus(
        state=state,
        pipeline_job_resource_name="p",
        pipeline_task_name="t",
        error_code=None,
        error_message=error,
    )
    line = notify.python_func(**run.common, status=status)

    assert line in capsys.readouterr().out
    assert (expected if expected == "deployed" else error) in line


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_other_tasks_go_the_whole_way(tmp_path, task):
    world = make_world(tmp_path, task=task)
    trained = go_through_training(world)
    april = go_through_april(world)

    assert trained["answer"] == "accept"
    assert trained["metrics"].metadata[world.spec.metric] > 0
    assert {name: status for name, (status, _) in april["verdicts"].items()}["skew"] == "ok"
    assert world.spec.metric in april["metric"].metadata


def test_the_whole_way_with_a_store_on_s3(tmp_path, s3_address):
    world = replace(make_world(tmp_path, turned=(4,)), address=s3_address)
    trained = go_through_training(world)
    april = go_through_april(world)

    assert LocalTarget(Store(s3_address), "orders").current().version == trained["version"]
    assert april["verdicts"]["skew"][0] == "ok"
    assert april["verdicts"]["performance"][0] == "drift"


def test_an_estimator_of_ones_own_goes_the_whole_way_where_the_spec_trusts_it(
    tmp_path, monkeypatch
):
    (tmp_path / "shopmodels.py").write_text(
        "from sklearn.linear_model import LogisticRegression\n"
        "class Cautious(LogisticRegression):\n"
        "    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # for the server's own process
    estimator = {"class": "shopmodels.Cautious", "allowed_prefixes": ["sklearn.", "shopmodels."]}
    world = make_world(tmp_path / "world", estimator=estimator)

    assert go_through_training(world)["answer"] == "accept"
    assert go_through_april(world)["verdicts"]["skew"][0] == "ok"
    champion = LocalTarget(Store(world.store), "orders").require_champion()
    with pytest.raises(ReleaseError, match=r"shopmodels\.Cautious"):
        champion.model()
