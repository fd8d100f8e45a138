import threading

import pytest

from components.core.errors import ClusterError, ConflictError, RolloutError
from components.release.kubernetes.names import MANAGER, REPLICAS_MANAGER
from tests.cluster.conftest import Clients

NAME = "driftline-pumps"
MISSING = "registry.invalid/driftline-missing:1"


def wait_until(condition):
    for _ in range(600):
        if condition():
            return
        threading.Event().wait(0.1)
    raise AssertionError("it did not happen within a minute")


def pods(client, place):
    found = client.CoreV1Api().list_namespaced_pod(place.namespace).items
    return {
        pod.metadata.name: pod.metadata.annotations["driftline.dev/release"]
        for pod in found
        if pod.metadata.deletion_timestamp is None
    }


def deployment(client, place):
    return client.AppsV1Api().read_namespaced_deployment(NAME, place.namespace)


def test_deploy_fail_roll_back(client, place):
    first = place.deploy("v1", None)
    assert place.target().current() == first
    assert sorted(pods(client, place).values()) == ["v1", "v1"]

    place.deploy("v2", "v1")
    assert sorted(pods(client, place).values()) == ["v2", "v2"]
    serving = set(pods(client, place))

    with pytest.raises(
        RolloutError, match=r"deploy of v3 failed: pod .*ImagePull.*v2 serves again"
    ):
        place.deploy("v3", "v2", target=place.target(image=MISSING))
    assert serving <= set(pods(client, place))  # the very same pods, all the time
    assert [entry.version for entry in place.target().history()] == ["v1", "v2"]
    assert place.target().current().version == "v2"

    back = place.rollback()
    assert (back.version, back.action) == ("v1", "rollback")
    assert sorted(pods(client, place).values()) == ["v1", "v1"]
    status = place.target().status()
    assert (status.champion, status.settled, status.note) == ("v1", True, "")


def test_clients_notice_nothing(client, place, real_pods):
    place.deploy("v1", None)
    with Clients(client.ApiClient(), place.namespace) as clients:
        place.deploy("v2", "v1", target=place.target(guard={"period": "5s", "min_requests": 20}))
        with pytest.raises(RolloutError):
            place.deploy("v3", "v2", target=place.target(image=MISSING))
        place.rollback()
        wait_until(lambda: set(pods(client, place).values()) == {"v1"})

    assert clients.failures == []
    assert set(clients.answers) == {"v1", "v2"}
    assert any(line.startswith("the release passed the guard") for line in place.said)


def test_a_release_that_was_swapped_in_the_store_is_never_served(client, place, real_pods):
    place.deploy("v1", None)
    target = place.target()
    reading, name = target.releases.open, "pumps/releases/v2/model.skops"
    before = place.store.read(name)

    def swap(version, *arguments):
        found = reading(version, *arguments)
        place.store.write(name, before[:-1] + b"!")
        return found

    target.releases.open = swap
    try:
        with pytest.raises(RolloutError, match=r"container fetch: .*model\.skops was changed"):
            place.deploy("v2", "v1", target=target)
    finally:
        place.store.write(name, before)
    assert set(pods(client, place).values()) == {"v1"}


def test_too_little_memory_is_told(place, real_pods):
    place.deploy("v1", None)
    small = {"memory": "16Mi", "memory_limit": "24Mi"}

    with pytest.raises(RolloutError, match=r"OOMKilled.*raise serving\.kubernetes\.resources"):
        place.deploy("v2", "v1", target=place.target(resources=small))


def test_a_pod_that_finds_no_node_is_told(place, real_pods):
    place.deploy("v1", None)
    large = {"cpu": "1000", "cpu_limit": "1000"}

    with pytest.raises(RolloutError, match=r"finds no node: .*Insufficient cpu"):
        place.deploy("v2", "v1", target=place.target(resources=large, progress="20s"))


def test_a_missing_secret_is_told(place, real_pods):
    place.deploy("v1", None)

    with pytest.raises(RolloutError, match=r'CreateContainerConfigError: secret "none" not found'):
        place.deploy("v2", "v1", target=place.target(store_secret="none"))  # noqa: S106


def test_a_first_release_that_fails_leaves_nothing(client, place):
    with pytest.raises(RolloutError, match="it was taken away again"):
        place.deploy("v1", None, target=place.target(image=MISSING))

    assert place.target().current() is None
    assert client.AppsV1Api().list_namespaced_deployment(place.namespace).items == []


def test_pods_that_are_not_admitted_fail_at_once(place):
    place.deploy("v1", None)

    with pytest.raises(RolloutError, match=r"no pod can be made \(FailedCreate\).*serviceaccount"):
        place.deploy("v2", "v1", target=place.target(service_account="nobody"))
    assert place.target().current().version == "v1"


def test_what_the_schema_does_not_know_is_refused_at_once(place):
    target = place.target(resources={"cpu": "much"})

    with pytest.raises(ClusterError, match=r"the cluster refuses deployments\.apps"):
        place.deploy("v1", None, target=target)


def test_the_number_of_replicas_survives_what_is_applied(client, place):
    place.deploy("v1", None)
    place.deploy("v2", "v1")
    assert deployment(client, place).spec.replicas == 2
    assert owners_of_replicas(client, place) <= {REPLICAS_MANAGER, "kube-controller-manager"}

    client.AppsV1Api().patch_namespaced_deployment_scale(
        NAME, place.namespace, {"spec": {"replicas": 3}}
    )
    place.deploy("v3", "v2")
    assert deployment(client, place).spec.replicas == 3
    assert MANAGER not in owners_of_replicas(client, place)


def owners_of_replicas(client, place):
    return {
        entry.manager
        for entry in deployment(client, place).metadata.managed_fields
        if "f:replicas" in entry.fields_v1.get("f:spec", {})
    }


def test_a_field_that_somebody_else_set_is_named(client, place):
    place.deploy("v1", None)
    client.AppsV1Api().patch_namespaced_deployment(
        NAME, place.namespace, {"spec": {"minReadySeconds": 1}}, field_manager="a-colleague"
    )

    with pytest.raises(ClusterError, match=r"\.spec\.minReadySeconds belongs to a-colleague"):
        place.deploy("v2", "v1")
    place.deploy("v2", "v1", target=place.target(force=True))
    assert deployment(client, place).spec.min_ready_seconds == 5


def test_of_two_at_once_one_wins_and_the_other_is_told(client, place):
    place.deploy("v1", None)
    results = {}

    def one(version):
        try:
            results[version] = place.deploy(version, "v1", run=f"run-{version}").version
        except ConflictError as error:
            results[version] = str(error)

    threads = [threading.Thread(target=one, args=(version,)) for version in ("v2", "v3")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    (winner,) = [version for version in results if results[version] == version]
    (loser,) = set(results) - {winner}
    assert winner in results[loser]
    assert set(pods(client, place).values()) == {winner}
    assert [entry.version for entry in place.target().history()] == ["v1", winner]


def test_a_canary_goes_first(client, place):
    place.deploy("v1", None)

    place.deploy("v2", "v1", target=place.target(canary=0.3))

    assert "v2 serves as 1 canary replica first" in place.said
    names = [
        found.metadata.name
        for found in client.AppsV1Api().list_namespaced_deployment(place.namespace).items
    ]
    assert names == [NAME]
    wait_until(lambda: set(pods(client, place).values()) == {"v2"})


def test_a_canary_that_fails_leaves_the_champion_alone(client, place):
    place.deploy("v1", None)
    before = set(pods(client, place))

    with pytest.raises(RolloutError, match="v1 serves again"):
        place.deploy("v2", "v1", target=place.target(canary=0.3, image=MISSING))

    wait_until(lambda: set(pods(client, place)) == before)
    assert [entry.version for entry in place.target().history()] == ["v1"]
    sets = client.AppsV1Api().list_namespaced_replica_set(place.namespace).items
    wait_until(lambda: len(sets) >= 1)


def test_undoing_with_kubectl_is_understood(client, place):
    place.deploy("v1", None)
    place.deploy("v2", "v1")
    apps = client.AppsV1Api()
    sets = apps.list_namespaced_replica_set(place.namespace).items
    (old,) = [one for one in sets if one.metadata.annotations["driftline.dev/release"] == "v1"]
    template = client.ApiClient().sanitize_for_serialization(old.spec.template)
    template["metadata"]["labels"].pop("pod-template-hash")
    patch = [{"op": "replace", "path": "/spec/template", "value": template}]
    apps.patch_namespaced_deployment(NAME, place.namespace, patch)

    wait_until(lambda: place.target().current().version == "v1")
    assert [entry.version for entry in place.target().history()] == ["v1"]
