"""A release that does worse under live traffic goes back, by `deploy` alone, with the reason."""

import pytest

from components.core.errors import RolloutError
from components.core.storage import Store
from components.release.targets import open_target
from tests.bench.rollout.fleet import Server
from tests.rollouts import asked_requests, asked_rows, build
from tests.traffic import Traffic
from tests.worlds import make_world

PREFIXES = ["sklearn.", "tests."]
ROWS = asked_rows(60)


def moody(**parameters):
    return {"class": "tests.moody.Moody", "allowed_prefixes": PREFIXES, "parameters": parameters}


BAD = {
    "requests failed": moody(fails_every=3),
    "99th percentile latency": moody(slow_s=0.1),
    "answers moved away": {"class": "sklearn.dummy.DummyClassifier"},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(
        tmp_path_factory.mktemp("world"),
        estimator={
            "class": "sklearn.linear_model.LogisticRegression",
            "allowed_prefixes": PREFIXES,
        },
        serving={"proof_rows": 50, "guard": {"period": "60s", "min_requests": 50}},
    )


@pytest.fixture(scope="module")
def champion(world):
    built = build(world, "2024-01..2024-03", ROWS)
    target = open_target(world.spec, Store(world.store))
    target.deploy(built.version, expected=None, run="r", reason="because")
    return built


@pytest.fixture(scope="module")
def server(world, champion, tmp_path_factory):
    command = ["-m", "components.serving.server", "--store", world.store]
    command += ["--model", world.spec.model, "--allow-prefix", "tests."]
    server = Server(command, tmp_path_factory.mktemp("server") / "output.log")
    try:
        server.start()
        yield server
    finally:
        server.discard()


def _guarded(spec, why):
    """On a machine that is busy with other things every release may be slow for seconds."""
    latency = spec.serving.guard.latency if "latency" in why else 10_000.0
    guard = spec.serving.guard.model_copy(update={"latency": latency})
    return spec.model_copy(update={"serving": spec.serving.model_copy(update={"guard": guard})})


@pytest.mark.parametrize("why", BAD)
def test_a_bad_release_goes_back_by_itself(why, world, champion, server, eventually):
    bad = build(world, "2024-01..2024-03", ROWS, **BAD[why])
    target = open_target(_guarded(world.spec, why), Store(world.store))
    expected = {each.version: each.answers for each in (champion, bad)}
    with Traffic(server.port, asked_requests(ROWS, world.spec), expected) as traffic:
        eventually(lambda: traffic.total.releases[champion.version] > 150, timeout=60)
        with pytest.raises(RolloutError, match=why):
            target.deploy(bad.version, expected=champion.version, run="r", reason="because")
        eventually(lambda: server.release() == champion.version)
    assert target.current().version == champion.version
    assert [entry.version for entry in target.history()] == [champion.version]
    assert why in target.status().note
    assert traffic.total.releases[bad.version] > 0
    assert (traffic.total.mixed, traffic.total.foreign) == (0, 0)
