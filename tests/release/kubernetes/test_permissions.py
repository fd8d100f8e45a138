import kubernetes_validate
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.errors import DriftlineError, RolloutError, SpecError, UsageError
from components.release.kubernetes.kserve import InferenceServiceWorkload
from components.release.kubernetes.permissions import (
    Account,
    api_server_access,
    model_permissions,
)
from components.release.kubernetes.workload import Workload

DEPLOYER = Account("kubeflow", "driftline-deployer")


def rules(model, who="deploy"):
    """What the deployer of a model is granted, or who reads it."""
    found = model_permissions(model, "driftline-development", DEPLOYER)
    (role,) = [one for one in found if one["metadata"]["name"] == f"driftline-{who}-{model}"][:1]
    return role["rules"]


@pytest.mark.parametrize("workload", [Workload, InferenceServiceWorkload])
def test_a_deployer_needs_no_more_than_it_is_granted(world, workload):
    """Everything that the target ever asks is allowed; the fake refuses all else."""
    world.api.rules = rules("flights")
    world.cluster.kserve = True
    changes = {} if workload is InferenceServiceWorkload else {"canary": 0.5}
    world.pods["v3"].fails = "crash"

    def target():
        return world.target(workload, guard={"period": "2s", "min_requests": 1}, **changes)

    world.deploy("v1", None, target())
    world.deploy("v2", "v1", target())
    with pytest.raises(RolloutError, match="v2 serves again"):
        world.deploy("v3", "v2", target())
    target().rollback(run="by hand", reason="because")
    assert target().status().champion == "v1"
    assert target().current().version == "v1"


def test_a_first_release_that_fails_is_taken_away_again(world):
    world.api.rules = rules("flights")
    world.pods["v1"].fails = "crash"

    with pytest.raises(RolloutError, match="it was taken away again"):
        world.deploy("v1", None)


def test_a_deployer_cannot_touch_another_model(world):
    world.api.rules = rules("delay")

    with pytest.raises(DriftlineError, match=r"may not get deployments\.apps 'driftline-flights'"):
        world.deploy("v1", None)


@pytest.mark.parametrize("workload", [Workload, InferenceServiceWorkload])
def test_every_step_sees_the_champion_and_only_the_deployer_changes_it(world, workload):
    world.cluster.kserve = True
    world.deploy("v1", None, world.target(workload))
    world.api.rules = rules("flights", "read")

    assert world.target(workload).current().version == "v1"
    with pytest.raises(DriftlineError, match="may not patch"):
        world.deploy("v2", "v1", world.target(workload))


def test_an_account_is_told_how_it_is_granted(world):
    world.api.rules = []
    world.api.user = "system:serviceaccount:kubeflow:driftline-runner"

    with pytest.raises(DriftlineError, match=r"'scripts/apply_manifests\.sh --model MODEL' lets"):
        world.deploy("v1", None)


names = st.from_regex(r"[a-z][a-z0-9-]{0,49}", fullmatch=True)


@settings(max_examples=20)
@given(model=names)
def test_every_model_that_a_spec_may_name_has_a_role_of_its_own(model):
    """Its names are those of the target, and of no other model's objects."""
    try:
        role, binding, *_ = model_permissions(model, "driftline-production", DEPLOYER)
    except SpecError:
        assert model.endswith(("-", "-canary"))
        return
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    others, *_ = model_permissions(f"x{model}"[:50], "driftline-production", DEPLOYER)
    assert not named(role) & named(others)


def named(role):
    return {name for rule in role["rules"] for name in rule.get("resourceNames", [])}


@pytest.mark.parametrize("model", ["", "Flights", "9", "a b", "flights\n", "a" * 51, "a,b", "ä"])
def test_what_is_no_models_name_is_refused(model):
    with pytest.raises(UsageError, match="cannot be called so"):
        model_permissions(model, "driftline-development", DEPLOYER)


@pytest.mark.parametrize("text", ["", "driftline-deployer", "a:", ":b", "a:b:c", "A:b"])
def test_what_is_no_account_is_refused(text):
    with pytest.raises(UsageError, match="NAMESPACE:NAME"):
        Account.parse(text)


def test_the_api_servers_addresses_are_networks():
    made = api_server_access(["10.0.0.1", "fd00::1", "10.0.0.1", "10.1.0.0/28"], "ns")
    kubernetes_validate.validate(made, "1.36", strict=True)
    assert made["spec"]["ingress"][0]["from"] == [
        {"ipBlock": {"cidr": cidr}} for cidr in ("10.0.0.1/32", "10.1.0.0/28", "fd00::1/128")
    ]


@pytest.mark.parametrize("address", ["", "localhost", "10.0.0.1/8", "10.0.0"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(UsageError, match="API server's address"):
        api_server_access([address], "ns")
