"""A profile made in pods is, byte for byte, the one that a process on this machine makes.

Needs Kubeflow Pipelines on the cluster, and the other variables that `conftest` names.
"""

import os
import uuid

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core.storage import Store
from components.core.window import Window, parse_time
from components.data.ingest import ingest_window
from components.drift.check import profile_window
from components.profiling.merging import WindowProfile
from components.release.local import LocalTarget
from pipelines.cluster.address import KfpAddress
from pipelines.cluster.connect import connect
from pipelines.compile import compile_pipelines
from pipelines.runs import RunRequest, run_here
from tests.worlds import make_world, orders

WINDOW, AS_OF = Window.parse("2024-02..2024-05"), "2024-06-01"


@pytest.fixture(scope="module")
def world(client, pretends, tmp_path_factory):
    """Orders and a champion at an address that this machine and the pods reach alike."""
    if pretends:
        pytest.skip("the pods of this cluster only pretend")
    address = f"{os.environ['CLUSTER_TESTS_STORE'].rstrip('/')}/{uuid.uuid4().hex}"
    source = {"kind": "files", "path": f"{address}/orders"}
    serving = {"proof_rows": 50, "target": "local"}
    made = make_world(tmp_path_factory.mktemp("world"), source=source, serving=serving)
    for month in (1, 2, 3, 4):
        table = orders(month)
        if month == 4:  # some orders came twice, in files far apart
            table = pa.concat_tables([table, orders(2).slice(0, 25)])
        with fsspec.open(f"{address}/orders/{month}.parquet", "wb") as file:
            pq.write_table(table, file, row_group_size=200)
    request = RunRequest(
        pipeline="training",
        spec=made.spec,
        store=f"{address}/store",
        window=Window.parse("2024-01..2024-03"),
        name="training",
    )
    run_here(request, lambda task, state: None)
    yield made, Store(request.store)
    Store(address).delete("orders")
    Store(address).delete("store")


def as_one(spec, store, folder):
    champion = LocalTarget(store, "orders").require_champion()
    report = ingest_window(spec, WINDOW, parse_time(AS_OF), folder / "window.parquet")
    whole = WindowProfile(
        model="orders",
        champion=champion.version,
        manifest_sha256=champion.manifest_sha256,
        report=report,
        profile=profile_window(folder / "window.parquet", None, spec, champion.profile),
    )
    return whole.model_dump_json().encode()


@pytest.mark.parametrize(("shards", "parallelism"), [("5", "auto"), ("3", "2")])
def test_pods_make_the_profile_of_one_process(world, tmp_path, shards, parallelism):
    made, store = world
    store.delete("orders/profiles")
    request = RunRequest(
        pipeline="profiling",
        spec=made.spec,
        store=store.address,
        window=WINDOW,
        name=f"pods-{shards}",
        as_of=AS_OF,
        options={"shards": shards, "parallelism": parallelism},
    )
    image = os.environ["CLUSTER_TESTS_IMAGE"]
    (file,) = compile_pipelines(["profiling"], tmp_path, image, made.spec)
    kfp = connect(KfpAddress())
    run = kfp.create_run_from_pipeline_package(
        str(file), request.parameters(), run_name=request.name, enable_caching=False
    )
    ended = kfp.wait_for_run_completion(run.run_id, timeout=3600)

    said = {entry.step: (entry.status, entry.headline) for entry in request.journal.entries()}
    assert ended.state == "SUCCEEDED", said
    found = {name.rsplit("/", 1)[1]: name for name in store.names("orders/profiles")}
    assert store.read(found["profile.json"]) == as_one(made.spec, store, tmp_path)
    assert said["find_repeats"] == ("ok", "1 shard with ids of earlier ones")
    counted = [step for step in said if step.startswith("profile_part_") and "again" not in step]
    assert len(counted) == int(shards)
