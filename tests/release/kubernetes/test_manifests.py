import copy

import kubernetes_validate
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.errors import SpecError
from components.release.kubernetes.manifests import (
    around,
    autoscaler,
    budget,
    canary_replicas,
    deployment,
    service,
)
from components.release.kubernetes.names import Names, entry_annotations, read_entry
from components.release.target import Deployment
from components.serving.options import make_parser as server_options
from components.spec.load import parse_spec
from tests.release.kubernetes.conftest import SPEC

ENTRY = Deployment(
    version="2013-04-01-1705d4f1",
    manifest_sha256="9f" * 32,
    action="deploy",
    at="2024-01-01T00:00:00.000000+00:00",
    run="run-1",
    reason="the champion got worse",
)
KUBERNETES = "1.36"


def spec(**kubernetes):
    parsed = parse_spec(SPEC)
    changed = parsed.serving.kubernetes.model_copy(update=kubernetes)
    serving = parsed.serving.model_copy(update={"kubernetes": changed})
    return parsed.model_copy(update={"serving": serving})


def manifest(canary=False, **kubernetes):
    return deployment(
        spec(**kubernetes),
        ENTRY,
        "driftline:1",
        "s3://bucket/driftline",
        {"challenger_roc_auc": 0.73},
        canary=canary,
    )


@pytest.mark.parametrize(
    "made",
    [
        manifest(),
        manifest(canary=True),
        manifest(token_secret="clients", store_secret=""),  # noqa: S106
        service(spec()),
        autoscaler(spec()),
        budget(spec()),
    ],
    ids=["deployment", "canary", "token", "service", "autoscaler", "budget"],
)
def test_manifests_are_of_kubernetes_own_schema(made):
    kubernetes_validate.validate(made, KUBERNETES, strict=True)


def test_a_key_that_is_not_of_the_schema_would_be_found():
    made = manifest()
    made["spec"]["template"]["spec"]["containers"][0]["imagee"] = "x"

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(made, KUBERNETES, strict=True)


def test_pods_are_restricted():
    """What the Pod Security Standard 'restricted' demands, and more."""
    pod = manifest()["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert {next(iter(volume.keys() - {"name"})) for volume in pod["volumes"]} <= {
        "emptyDir",
        "secret",
    }
    for container in pod["containers"] + pod["initContainers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"].keys() == {"cpu", "memory"}


def test_the_server_reads_the_release_and_cannot_change_it():
    pod = manifest()["spec"]["template"]["spec"]
    (fetch,), (server,) = pod["initContainers"], pod["containers"]
    mounts = {
        one["name"]: {mount["name"]: mount.get("readOnly") for mount in one["volumeMounts"]}
        for one in (fetch, server)
    }
    # Not False: the server leaves that out, and two managers would then disagree about it.
    assert mounts["fetch"]["release"] is None
    assert mounts["server"]["release"] is True
    for one in (fetch, server):
        assert ENTRY.manifest_sha256 in one["command"]


def test_the_pod_starts_what_there_is():
    """Both commands are ones that the modules themselves understand."""
    pod = manifest(token_secret="clients")["spec"]["template"]["spec"]  # noqa: S106
    python, module, name, *arguments = pod["containers"][0]["command"]
    assert (python, module, name) == ("python", "-m", "components.serving.server")
    options = server_options().parse_args(arguments)
    assert options.manifest_sha256 == ENTRY.manifest_sha256
    assert options.log_store == "s3://bucket/driftline"
    assert str(options.token_file) == "/var/run/driftline/token/token"

    from components.release.fetch import _parser as fetch_options

    *_, name = pod["initContainers"][0]["command"][:3]
    assert name == "components.release.fetch"
    fetched = fetch_options().parse_args(pod["initContainers"][0]["command"][3:])
    assert fetched.to == options.folder
    assert (fetched.model, fetched.version) == ("flights", ENTRY.version)


def test_the_end_of_a_pod_has_the_time_it_needs():
    pod = manifest()["spec"]["template"]["spec"]
    command = pod["containers"][0]["command"]
    drain = float(command[command.index("--drain") + 1])
    stop = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    patience = server_options().parse_args(["--folder", "x"]).log_patience
    assert pod["terminationGracePeriodSeconds"] > stop + drain + 10 + patience


def test_no_secret_is_asked_for_where_none_is_named():
    pod = manifest(store_secret="")["spec"]["template"]["spec"]
    assert "envFrom" not in pod["containers"][0]
    assert "--token-file" not in pod["containers"][0]["command"]


def test_replicas_are_left_to_whoever_owns_them():
    assert "replicas" not in manifest()["spec"]


def test_the_service_selects_both_the_stable_and_the_canary_pods():
    selector = service(spec())["spec"]["selector"]
    for canary in (False, True):
        made = manifest(canary=canary)
        labels = made["spec"]["template"]["metadata"]["labels"]
        assert selector.items() <= labels.items()
        assert made["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert manifest()["spec"]["selector"] != manifest(canary=True)["spec"]["selector"]


def test_a_template_goes_round_unchanged():
    made = manifest()
    template = copy.deepcopy(made["spec"]["template"])
    assert around(spec(), ENTRY, template, {"challenger_roc_auc": 0.73}) == made


@pytest.mark.parametrize("name", ["flights-", "flights-canary"])
def test_a_name_that_would_collide_is_refused(name):
    with pytest.raises(SpecError, match="must not end in"):
        Names(name)


text = st.text(st.characters(exclude_categories=("Cs",)), max_size=50)


@settings(max_examples=200)
@given(version=text, run=text, reason=text)
def test_an_entry_comes_back_from_its_annotations(version, run, reason):
    entry = Deployment(
        version=version, manifest_sha256="0", action="rollback", at="now", run=run, reason=reason
    )
    assert read_entry(entry_annotations(entry, {"x": 1.0})) == entry


@pytest.mark.parametrize("found", [None, {}, {"driftline.dev/release": "v1"}])
def test_pods_of_others_have_no_entry(found):
    assert read_entry(found) is None


@given(
    share=st.floats(min_value=0.001, max_value=0.99),
    replicas=st.integers(min_value=1, max_value=100),
)
def test_a_canary_is_never_none_and_about_its_share(share, replicas):
    count = canary_replicas(share, replicas)
    assert count >= 1
    assert abs(count - max(1, share * replicas / (1 - share))) <= 1
