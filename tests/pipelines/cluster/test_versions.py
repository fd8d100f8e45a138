"""A version is uploaded where its content is new, and found where it is not."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from components.core.errors import ClusterError
from pipelines.cluster.address import KfpAddress
from pipelines.cluster.connect import connect
from pipelines.cluster.versions import ensure_version

NAME = "driftline-training"


def content(image="driftline:1"):
    return (
        "# a comment\ncomponents: {}\ndeploymentSpec: {}\n"
        f"pipelineInfo: {{name: {NAME}, description: 'of {image}'}}\n"
        "root: {dag: {tasks: {}}}\nschemaVersion: 2.1.0\nsdkVersion: kfp-2.17.0\n"
    )


def test_new_content_is_uploaded_once(kfp, client):
    first = ensure_version(client, NAME, content())
    assert ensure_version(client, NAME, content()) == first
    pipeline, second = ensure_version(client, NAME, content("driftline:2"))
    assert pipeline == first[0]
    assert second != first[1]
    assert kfp.count("POST", "/pipelines") == 3  # the pipeline, and each version
    assert len(kfp.versions) == 2


def test_among_many_versions_the_right_one_is_found(kfp, client):
    made = [ensure_version(client, NAME, content(f"i:{number}")) for number in range(12)]
    assert [ensure_version(client, NAME, content(f"i:{number}")) for number in range(12)] == made


def test_two_at_once_make_one(kfp):
    clients = [connect(KfpAddress(host=kfp.url)) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda each: ensure_version(each, NAME, content()), clients))
    assert len(found) == 1
    assert (len(kfp.pipelines), len(kfp.versions)) == (1, 1)


@pytest.mark.parametrize("part", ["/pipelines", "/pipelines/upload_version"])
@pytest.mark.parametrize("kind", ["lost", "reset", 503, 500])
def test_a_server_that_restarts_is_asked_again(kfp, client, patience, part, kind):
    kfp.fault("POST", part, kind)
    ensure_version(client, NAME, content(), patience=patience)
    assert (len(kfp.pipelines), len(kfp.versions)) == (1, 1)


def test_a_server_that_stays_away_is_told(kfp, client, patience):
    kfp.fault("GET", "/pipelines", 503, times=99)
    with pytest.raises(ClusterError, match=r"injected 503.*logs deployment/ml-pipeline"):
        ensure_version(client, NAME, content(), patience=patience)


def test_a_refused_upload_is_told(kfp, client):
    with pytest.raises(ClusterError, match=r"while uploading.*400.*schema version"):
        ensure_version(client, NAME, content().replace("2.1.0", "2.0.0"))


def test_no_right_to_upload_is_told(kfp, client):
    kfp.fault("POST", "/pipelines", 403, body={"code": 7, "message": "User 'dora' may not"})
    with pytest.raises(ClusterError, match=r"does not allow creating the pipeline.*'dora' may not"):
        ensure_version(client, NAME, content())
