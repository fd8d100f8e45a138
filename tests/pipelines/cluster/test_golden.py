"""The compiled pipelines, whole, so that every difference shows in review.

Renew the files after a change that is meant: UPDATE_GOLDEN=1 pytest tests/pipelines/cluster
"""

import os
import re
from pathlib import Path

import pytest
import yaml
from google.protobuf.json_format import ParseDict
from kfp.kubernetes.kubernetes_executor_config_pb2 import KubernetesExecutorConfig

from components.core.errors import SpecError
from components.spec.load import load_spec, parse_spec
from pipelines.cluster.steps import check_secrets, needs_of
from pipelines.compile import PIPELINES, compiled, documents

GOLDEN = Path(__file__).parents[2] / "golden"
FLIGHTS = Path("pipelines/specs/flights.yaml")


@pytest.fixture(scope="module")
def texts():
    return {name: compiled(name, "driftline:golden") for name in PIPELINES}


@pytest.mark.parametrize("name", PIPELINES)
def test_compiled_pipelines_are_as_reviewed(texts, name):
    file = GOLDEN / f"{name}.yaml"
    found = re.sub(r"sdkVersion: kfp-2\.17\.\d+", "sdkVersion: kfp-2.17", texts[name])
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(found)
    assert found == file.read_text(), f"renew {file} with UPDATE_GOLDEN=1 if this is meant"


@pytest.mark.parametrize("name", PIPELINES)
def test_every_step_is_bounded_and_unprivileged(texts, name):
    ir, platform = documents(texts[name])
    configs = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    executors = ir["deploymentSpec"]["executors"]
    assert configs.keys() == executors.keys()
    for label, content in configs.items():
        config = ParseDict(content, KubernetesExecutorConfig())  # as strict as the server
        assert config.security_context.run_as_non_root
        assert config.security_context.run_as_user > 0
        assert config.active_deadline_seconds > 0
        assert [each.secret_name for each in config.secret_as_env] == ["driftline-store"]
        tokens = [each.secret_name for each in config.secret_as_volume]
        assert tokens == (["driftline-deployer"] if label == "exec-deploy" else [])
        assert len(executors[label]["container"]["resources"]) == 4


@pytest.mark.parametrize("name", PIPELINES)
def test_only_what_may_be_done_twice_is_repeated(texts, name):
    ir, _ = documents(texts[name])
    repeated, once = set(), set()
    for part in (ir["root"], *ir["components"].values()):
        for task in part.get("dag", {}).get("tasks", {}).values():
            if "executorLabel" in ir["components"][task["componentRef"]["name"]]:
                (repeated if "retryPolicy" in task else once).add(task["taskInfo"]["name"])
            else:
                assert "retryPolicy" not in task  # a group: all of its steps would run again
    assert once == {"deploy", "notify"} - ({"deploy"} if name == "profiling" else set())
    more = {"profile-part"} if name == "profiling" else {"train", "evaluate"}
    assert {"ingest", *more} <= repeated


def spec(cluster, **parts):
    base = yaml.safe_load(FLIGHTS.read_text())
    return parse_spec(yaml.safe_dump({**base, **parts, "cluster": cluster}))


def test_a_spec_changes_what_its_steps_ask_for():
    given = spec({"resources": {"train": {"memory": "8Gi"}}, "timeouts": {"train": "12h"}})
    train = needs_of("train", given)
    assert (train.memory, train.memory_limit, train.cpu) == ("8Gi", "8Gi", "500m")
    assert train.timeout_s == 12 * 3600
    assert needs_of("ingest", given) == needs_of("ingest")
    text = compiled("training", "driftline:golden", given)
    assert text.count("resourceMemoryRequest: 8Gi") == 1
    assert compiled("training", "driftline:golden", load_spec(FLIGHTS)) == compiled(
        "training", "driftline:golden"
    )


def test_a_long_guard_gives_the_rollout_time():
    guarded = spec({}, serving={"guard": {"period": "1d"}})
    assert needs_of("deploy", guarded).timeout_s > 3 * 86400


def test_secrets_go_only_to_the_steps_that_need_them():
    given = spec(
        {"secrets": {"SLACK": "alerts/slack", "PASSWORD": "db/password", "KEY": "db/key"}},
        alerts={"to": ["slack://${SLACK}"]},
    )
    check_secrets(given)
    assert needs_of("notify", given).secrets == {"SLACK": "alerts/slack"}
    assert set(needs_of("ingest", given).secrets) == {"PASSWORD", "KEY"}
    assert needs_of("train", given).secrets == {}
    _, platform = documents(compiled("training", "driftline:golden", given))
    ingest = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-ingest"]
    assert [each["secretName"] for each in ingest["secretAsEnv"]] == ["driftline-store", "db"]


@pytest.mark.parametrize(
    ("cluster", "says"),
    [
        ({"resources": {"trian": {}}}, "unknown key|not one of.*did you mean 'train'"),
        ({"resources": {"train": {"memory": "lots"}}}, "'lots' is no quantity; write CPUs as 500m"),
        ({"resources": {"train": {"cpu": "0"}}}, "is no quantity"),
        ({"secrets": {"A": "alerts"}}, "names no key of a secret; write it as secret/key"),
        ({"timeouts": {"train": "soon"}}, "soon"),
    ],
)
def test_a_wrong_cluster_part_is_refused(cluster, says):
    with pytest.raises(SpecError, match=says):
        spec(cluster)


def test_a_request_above_its_limit_is_refused():
    given = spec({"resources": {"train": {"cpu": "4", "cpu_limit": "2"}}})
    with pytest.raises(SpecError, match=r"cluster\.resources\.train: it asks for cpu 4.*raise"):
        needs_of("train", given)


def test_a_secret_that_nothing_gives_is_missed_before_the_run():
    with pytest.raises(SpecError, match=r"alerts\.to takes \$\{SLACK\}.*as SLACK: secret/key"):
        check_secrets(spec({}, alerts={"to": ["slack://${SLACK}"]}))
