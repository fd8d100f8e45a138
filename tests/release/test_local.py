import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.core.errors import ConflictError, DriftlineError, ReleaseError
from components.core.storage import Store
from components.release.local import LocalTarget
from components.release.package import seal
from tests.core.test_storage import at_once


@pytest.fixture(params=["disk", "s3"])
def target(request, tmp_path):
    address = request.getfixturevalue("s3_address") if request.param == "s3" else tmp_path / "s"
    return make_target(Store(address), tmp_path)


def make_target(store, scratch):
    target = LocalTarget(store, "flights")
    for version in ("v1", "v2", "v3"):
        folder = scratch / f"packaged-{version}"
        folder.mkdir(exist_ok=True)
        (folder / "card.md").write_text(version)
        seal(folder, "flights", version, {})
        target.releases.publish(folder)
    return target


def deploy(target, version, expected):
    return target.deploy(version, expected=expected, run="r", reason="because")


def test_what_is_deployed_is_the_champion(target):
    assert target.current() is None
    assert target.champion() is None
    deploy(target, "v1", None)
    deploy(target, "v2", "v1")

    assert target.champion().version == "v2"
    assert [entry.version for entry in target.history()] == ["v1", "v2"]
    assert target.releases.versions() == ["v1", "v2", "v3"]


def test_deploying_the_champion_again_changes_nothing(target):
    deploy(target, "v1", None)
    deploy(target, "v1", None)

    assert len(target.history()) == 1


def test_a_release_proven_against_another_champion_is_not_deployed(target):
    deploy(target, "v1", None)
    deploy(target, "v2", "v1")

    with pytest.raises(ConflictError, match="proven against v1, but v2 is deployed now"):
        deploy(target, "v3", "v1")
    assert target.current().version == "v2"


def test_of_two_deployments_at_once_one_wins_and_the_other_is_told(target):
    deploy(target, "v1", None)

    def one(index):
        try:
            return deploy(target, ("v2", "v3")[index], "v1").version
        except ConflictError:
            return "conflict"

    results = at_once(2, one)

    assert sorted(results)[0] == "conflict"
    assert target.current().version == sorted(results)[1]
    assert len(target.history()) == 2


def test_rollback_goes_back_one_deployment_at_a_time(target):
    deploy(target, "v1", None)
    deploy(target, "v2", "v1")
    deploy(target, "v3", "v2")

    assert target.rollback(run="r", reason="").version == "v2"
    assert target.rollback(run="r", reason="").version == "v1"
    with pytest.raises(ReleaseError, match="no earlier release"):
        target.rollback(run="r", reason="")
    assert target.rollback("v3", run="r", reason="").version == "v3"
    with pytest.raises(ReleaseError, match="deployed already"):
        target.rollback("v3", run="r", reason="")
    with pytest.raises(ReleaseError, match="there is no release 'v9'"):
        target.rollback("v9", run="r", reason="")


def test_a_release_that_lost_its_manifest_is_no_release_that_never_was(tmp_path):
    target = make_target(Store(tmp_path / "store"), tmp_path)
    (tmp_path / "store/flights/releases/v1/manifest.json").unlink()
    with pytest.raises(ReleaseError, match=r"v1 of flights .* has no manifest\.json: it is only"):
        target.releases.open("v1")


def test_nothing_deployed_is_a_clear_error(target):
    with pytest.raises(ReleaseError, match="run 'driftline run training' first"):
        target.require_champion()
    with pytest.raises(ReleaseError, match="no earlier release"):
        target.rollback(run="r", reason="")
    with pytest.raises(ReleaseError, match="there is no release 'v9'"):
        deploy(target, "v9", None)


def test_a_release_swapped_in_the_store_is_refused(tmp_path):
    target = make_target(Store(tmp_path / "s"), tmp_path)
    deploy(target, "v1", None)
    folder = tmp_path / "s" / "flights" / "releases" / "v1"
    (folder / "card.md").write_text("forged")
    seal(folder, "flights", "v1", {})  # a forger with the store's keys makes it consistent

    with pytest.raises(ReleaseError, match="its manifest is not the one that was deployed"):
        target.champion()


def test_a_release_that_was_damaged_after_publishing_is_not_deployed(tmp_path):
    target = make_target(Store(tmp_path / "s"), tmp_path)
    (tmp_path / "s" / "flights" / "releases" / "v1" / "card.md").write_text("damaged")

    with pytest.raises(ReleaseError, match=r"card\.md was changed"):
        deploy(target, "v1", None)
    assert target.current() is None


def test_a_damaged_manifest_is_named(tmp_path):
    target = make_target(Store(tmp_path / "s"), tmp_path)
    (tmp_path / "s" / "flights" / "releases" / "v1" / "manifest.json").write_text("{}")

    with pytest.raises(ReleaseError, match="not a manifest that this version reads"):
        deploy(target, "v1", None)


def test_a_half_published_release_is_none(tmp_path):
    target = make_target(Store(tmp_path / "s"), tmp_path)
    half = tmp_path / "s" / "flights" / "releases" / "v4"
    half.mkdir()
    (half / "card.md").write_text("v4")

    assert "v4" not in target.releases.versions()
    with pytest.raises(ReleaseError, match=r"v4 of flights .*half there"):
        target.releases.open("v4")


def test_a_damaged_history_is_named_with_a_remedy(tmp_path):
    target = make_target(Store(tmp_path / "s"), tmp_path)
    (tmp_path / "s" / "flights" / "deployment.json").write_text("{")

    with pytest.raises(ReleaseError, match=r"deployment.json is damaged; restore it"):
        target.current()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["deploy", "rollback", "rollback to"]),
            st.sampled_from(["v1", "v2", "v3"]),
            st.sampled_from([None, "v1", "v2", "v3"]),
        ),
        max_size=12,
    )
)
def test_the_champion_is_always_one_that_somebody_put_there(tmp_path, steps):
    store = Store(tmp_path / "s")
    store.delete("flights/deployment.json")
    target = make_target(store, tmp_path)
    for verb, version, expected in steps:
        before = target.current()
        try:
            if verb == "deploy":
                after = deploy(target, version, expected)
                assert before is None or expected == before.version or version == before.version
            else:
                after = target.rollback(
                    version if verb == "rollback to" else None, run="r", reason=""
                )
                assert verb == "rollback" or after.version == version
        except DriftlineError:
            after = before
        assert target.current() == after
