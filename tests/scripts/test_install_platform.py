import shlex

import pytest

PROFILE = "kubeflow-user-example-com"
READY = "dashboard\tkubeflow\t-\t1\t1\tready\n"
WAITING = "centraldashboard\tkubeflow\t-\t1\t0\twaiting\n"


@pytest.fixture
def platform(machine, tmp_path):
    """A context without Kubeflow Pipelines, and a checkout of the release."""
    (tmp_path / "checkout" / "common" / "istio").mkdir(parents=True)
    machine.on("kubectl", "*'get deployments,statefulsets,daemonsets'*", READY)
    machine.on("kubectl", "*'get deployment ml-pipeline'*", code=1)
    machine.on("kubectl", "kustomize*", "kind: List\n")
    return machine


def install(machine, *arguments, fetch=False):
    checkout = () if fetch else ("--manifests", machine.folder / "checkout")
    return machine.run("install_platform.sh", "--context", "lab", *checkout, *arguments)


def built(machine):
    """The kustomizations in the order in which they were built, without the checkout's folder."""
    calls = [call.split()[-1] for call in machine.called("kubectl kustomize")]
    return [path.partition("checkout/")[2] for path in calls]


def test_each_stage_waits_for_the_one_before(platform):
    done = install(platform)

    assert done.returncode == 0, done.stderr
    order = built(platform)
    assert order[0] == "common/cert-manager/base"
    mesh = ("istio/istio-crds/base", "kubeflow-namespace/base", "istio/istio-install/overlays/")
    places = [next(i for i, path in enumerate(order) if part in path) for part in mesh]
    assert places == sorted(places)
    assert order[-1] == "common/user-namespace/base"
    calls = platform.calls
    crds = next(i for i, call in enumerate(calls) if "crd/gateways.networking.istio.io" in call)
    assert crds < next(i for i, call in enumerate(calls) if "istio-install" in call)
    assert "scripts/open_ui.sh --platform" in done.stderr
    assert "change it" in done.stderr


def test_only_the_dashboard_goes_without_certificates_and_a_profile(platform):
    install(platform, "--ui-only")

    assert not [path for path in built(platform) if "cert-manager" in path or "user-name" in path]
    assert "applications/centraldashboard/overlays/oauth2-proxy" in built(platform)


def test_what_is_named_comes_before_the_profile(platform):
    done = install(platform, "--with", "pipelines,katib")

    assert done.returncode == 0, done.stderr
    assert built(platform)[-4:] == [
        "applications/pipeline/upstream/third-party/metacontroller/base",
        "applications/pipeline/overlays",
        "applications/katib/upstream/installs/katib-with-kubeflow",
        "common/user-namespace/base",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--with", "kserve"], "not 'kserve'"),
        (["--with", "katib", "--ui-only"], "choose one"),
        (["--timeout", "soon"], "whole number"),
        (["--all"], "there is no option '--all'"),
    ],
)
def test_wrong_usage_is_refused_before_anything_is_called(platform, arguments, said):
    done = install(platform, *arguments)

    assert done.returncode == 2
    assert said in done.stderr
    assert platform.calls == []


def test_beside_standalone_pipelines_it_touches_nothing(platform):
    platform.on("kubectl", "*'get deployment ml-pipeline'*", "deployment.apps/ml-pipeline")
    platform.on("kubectl", "*'get deployment kubeflow-pipelines-profile'*", code=1)
    done = install(platform)

    assert done.returncode == 1
    assert "give the platform a cluster of its own" in done.stderr
    assert not [call for call in platform.calls if " apply " in call]


def test_a_webhook_that_answers_late_is_asked_again(platform, tmp_path):
    late = shlex.quote(str(tmp_path / "late"))
    platform.on(
        "kubectl",
        "*apply*",
        do=f'[ -e {late} ] && exit 0; touch {late}; echo "Error: no endpoints" >&2; exit 1',
    )
    done = install(platform)

    assert done.returncode == 0, done.stderr
    assert "Error: no endpoints" in done.stderr


def test_a_stage_that_does_not_become_ready_ends_with_its_pods_and_the_remedy(platform):
    platform.on("kubectl", "*'daemonsets -n kubeflow'*", WAITING)
    platform.on(
        "kubectl",
        "*'get pods -n kubeflow'*",
        "pod\tcentraldashboard-1\tUnschedulable\t0/1 nodes: Insufficient memory\n",
    )
    done = install(platform, "--timeout", "1")

    assert done.returncode == 1
    assert "centraldashboard-1" in done.stderr
    assert "remedy: memory is short" in done.stderr
    assert "common/user-namespace/base" not in built(platform)


def test_the_release_is_fetched_once_by_its_commit_and_only_whole(platform):
    platform.on("git", "*fetch*", err="could not resolve host", code=1)
    done = install(platform, fetch=True)
    assert done.returncode == 1
    assert "--manifests DIR" in done.stderr

    platform.on("git", "*fetch*")
    for _ in range(2):
        done = install(platform, fetch=True)
        assert done.returncode == 0, done.stderr
    fetches = [call for call in platform.called("git") if " fetch " in call]
    assert len(fetches) == 2
    assert fetches[1].endswith("d68ebc7fab366ab40ddd1541d2ec22febb31bc83")
