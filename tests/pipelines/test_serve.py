"""`driftline serve` while releases come, fail, go back, and while it ends: no request suffers."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from components.core.errors import ReleaseError, RolloutError
from components.core.storage import Store
from components.release.local import LocalTarget
from components.release.package import seal
from components.release.servers import Servers
from components.release.switch import Pace
from components.serving.client import ServingClient
from components.spec.model import Guard, Serving
from tests.rollouts import asked_requests, asked_rows, build
from tests.traffic import Traffic
from tests.worlds import make_world

ROWS = asked_rows(60)
WRONG = "2024-03-wrong"
PACE = Pace(poll=0.05, confirm=60.0, back=30.0)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two good releases of which one is deployed, and one that recorded other answers."""
    world = make_world(tmp_path_factory.mktemp("world"))
    (world.folder / "spec.yaml").write_text(yaml.safe_dump(json.loads(world.text)))
    return world


@pytest.fixture(scope="module")
def built(world):
    first = build(world, "2024-01..2024-03", ROWS)
    second = build(world, "2024-02..2024-04", ROWS)
    releases = LocalTarget(Store(world.store), "orders").releases
    folder = world.folder / "wrong"
    shutil.copytree(Path(world.store) / "orders" / "releases" / second.version, folder)
    recorded = json.loads((folder / "recorded.json").read_text())
    recorded["probability"] = [list(reversed(each)) for each in recorded["probability"]]
    (folder / "recorded.json").write_text(json.dumps(recorded))
    seal(folder, "orders", WRONG, {})
    releases.publish(folder)
    return first, second


@pytest.fixture
def target(world, built):
    serving = Serving(guard=Guard(period="1s", min_requests=10))
    target = LocalTarget(Store(world.store), "orders", serving, PACE)
    if target.current() is None:
        target.deploy(built[0].version, expected=None, run="first", reason="")
    return target


@pytest.fixture
def serve(world):
    """Starts `driftline serve`; returns the process, and its port once it answers."""
    started = []

    def start(*arguments, ready=True):
        command = [sys.executable, "-m", "pipelines", "serve", "--port", "0"]
        command += ["--spec", str(world.folder / "spec.yaml"), "--store", world.store, *arguments]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        if not ready:
            return process, None
        line = process.stdout.readline()
        found = re.search(r"answers at http://127\.0\.0\.1:(\d+)", line)
        assert found, process.stderr.read()
        return process, int(found[1])

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_not_one_request_fails_or_mixes_releases(world, built, target, serve, eventually):
    first, second = built
    store = Path(world.store) / "orders" / "releases"
    process, port = serve("--drain", "5")
    expected = {each.version: each.answers for each in built}
    with Traffic(port, asked_requests(ROWS, world.spec), expected, pause_s=0.005) as traffic:

        def during(what, least=20):
            tally = traffic.during(what)
            return tally, lambda: eventually(lambda: tally.requests >= least, timeout=60)

        during("before")[1]()
        tally, enough = during("deploy")
        target.deploy(second.version, expected=first.version, run="second", reason="")
        enough()
        assert set(tally.releases) == {first.version, second.version}

        during("refused")
        with pytest.raises(RolloutError, match="does not answer as it did in training"):
            target.deploy(WRONG, expected=second.version, run="third", reason="")

        during("tampered")
        path = store / first.version / "training.json"
        whole = path.read_bytes()
        path.write_bytes(b"{}")
        with pytest.raises(ReleaseError, match=r"training\.json was changed"):
            target.deploy(first.version, expected=second.version, run="fourth", reason="")
        path.write_bytes(whole)

        tally, enough = during("rollback")
        target.rollback(run="fifth", reason="")
        enough()
        assert set(tally.releases) == {first.version, second.version}

        during("drain")
        process.send_signal(signal.SIGTERM)
        eventually(lambda: not Servers(Store(world.store), "orders").all())
        traffic.during("drain, seen")
        during("drain, seen", 100)[1]()
    assert process.wait(60) == 0
    assert traffic.total.sound, (traffic.total, traffic.wrong)
    assert set(traffic.total.releases) == {first.version, second.version}
    assert traffic.tallies["refused"].releases.keys() == {second.version}
    assert target.current().version == first.version
    logged = Store(world.store).names("orders/predictions")
    assert logged, "it logs what it answered, unless told otherwise"


def test_two_servers_on_one_store_and_a_killed_one_is_no_obstacle(built, target, serve):
    first, second = built
    one, _ = serve("--no-log")
    _, port = serve("--no-log")
    assert len(target.status().replicas) == 2
    one.kill()
    one.wait()
    target.deploy(second.version, expected=first.version, run="with two", reason="")
    with ServingClient("127.0.0.1", port) as client:
        body = client.request("GET", "/v2/health/ready")[2]
    assert json.loads(body)["release"] == second.version
    target.rollback(run="back", reason="")


def test_a_token_is_demanded_and_ctrl_c_is_no_failure(built, target, serve, tmp_path):
    (tmp_path / "token").write_text("secret\n")
    process, port = serve(
        "--no-log", "--drain", "0", "--access-log", "--token-file", str(tmp_path / "token")
    )
    row = json.dumps({"rows": ROWS[:1]}).encode()
    with ServingClient("127.0.0.1", port) as client:
        assert client.request("POST", "/predict", row)[0] == 401
        bearer = {"authorization": "Bearer secret"}
        assert client.request("POST", "/predict", row, bearer)[0] == 200
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert '"endpoint": "predict"' in errors


def test_a_port_that_is_taken_is_one_line(built, target, serve):
    _, port = serve("--no-log")
    process, _ = serve("--port", str(port), ready=False)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in errors
    assert errors.count("\n") == 1
    assert len(target.status().replicas) == 1


def test_without_a_champion_it_says_so_or_waits(world, serve, tmp_path, eventually):
    empty = Store(tmp_path / "empty")
    process, _ = serve("--store", empty.address, ready=False)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "run 'driftline run training' first, or wait for one with --wait" in errors
    assert errors.count("\n") == 1

    process, _ = serve("--store", empty.address, "--wait", ready=False)
    servers = Servers(empty, "orders")
    eventually(servers.live, timeout=60)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    assert servers.all() == [], "it takes its leave also then"
    assert os.path.exists(empty.path("orders/servers"))


def test_what_only_a_followed_store_can_do_is_refused_elsewhere(world, serve, tmp_path):
    document = json.loads(world.text)
    document["serving"]["target"] = "kubernetes"
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(document))
    process, _ = serve("--wait", "--spec", str(tmp_path / "spec.yaml"), ready=False)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 2
    assert "serving.target is kubernetes" in errors
