"""What a store that hangs does to a server that logs its predictions into it: nothing.

    python -m tests.bench.serving_log --seconds 60
    python -m tests.bench.serving_log --seconds 60 --queue-mb 4    # too little to hold it all

A real model server logs into a real S3 service of this machine, which is stopped (SIGSTOP) for so
many seconds under load and then goes on. Prints how many requests failed meanwhile, how much
memory the server took, and whether each answered row is in the store or counted as dropped.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from components.core.errors import ServingError
from components.core.storage import Store
from components.data.prediction_log import latest_versions
from components.release.store import ReleaseStore
from components.serving.running import RunningServer
from tests.rollouts import asked_requests, asked_rows, build
from tests.traffic import Traffic
from tests.worlds import make_world

CONNECTIONS = 16
CALM_S = 10.0
PAUSE = threading.Event()


@contextmanager
def s3_service() -> Iterator[subprocess.Popen[bytes]]:
    """A real S3 service in a process of its own, which fsspec finds by the environment."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    os.environ.update(
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",  # noqa: S106 - moto takes any
        AWS_DEFAULT_REGION="us-east-1",
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}",
    )
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet)
    try:
        wait_for(lambda: answers(port), 30)
        import s3fs

        s3fs.S3FileSystem().mkdir("driftline")
        yield process
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    """Whether something listens there."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def wait_for(condition, seconds: float) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("it did not come about in time")
        PAUSE.wait(0.1)


def memory_mb(pid: int) -> float:
    """A process's resident memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def figures(server: RunningServer) -> dict[str, float]:
    """What the server counts of rows and of its prediction log, by name, over all releases."""
    with server.client() as client:
        text = client.request("GET", "/metrics")[2].decode()
    pattern = r"^driftline_(?:prediction_)?(rows|log_\w+?)(?:_total)?(?:{.*})? ([\d.e+]+)$"
    found: dict[str, float] = {}
    for name, value in re.findall(pattern, text, re.M):
        found[name] = found.get(name, 0.0) + float(value)
    return found


def measure(seconds: float, queue_mb: float) -> int:
    """Run the story once; returns the exit code."""
    with tempfile.TemporaryDirectory() as scratch, s3_service() as service:
        world = make_world(Path(scratch) / "world")
        rows = asked_rows(200)
        built = build(world, "2024-01..2024-03", rows)
        folder = ReleaseStore(Store(world.store), world.spec.model).open(built.version).folder
        store = Store("s3://driftline/store")
        arguments = ("--log-max-age", "1", "--log-queue", str(queue_mb))
        told: dict[str, float] = {}
        with (
            ending_badly_if(lambda: bool(told.get("log_dropped_rows"))),
            RunningServer(
                folder, store, arguments=arguments, stop_timeout_s=120, start_timeout_s=300
            ) as server,
        ):
            requests = asked_requests(rows, world.spec)
            expected = {built.version: built.answers}
            memory = {"start": memory_mb(server.pid)}
            most: dict[str, float] = {}
            with Traffic(
                server.port, requests, expected, connections=CONNECTIONS, longest_s=seconds + 60
            ) as traffic:
                for phase, length in (("calm", CALM_S), ("hung", seconds), ("after", CALM_S)):
                    traffic.during(phase)
                    service.send_signal(signal.SIGSTOP if phase == "hung" else signal.SIGCONT)
                    end = time.monotonic() + length
                    while time.monotonic() < end:
                        PAUSE.wait(0.5)
                        memory[phase] = max(memory.get(phase, 0.0), memory_mb(server.pid))
                        for name, value in figures(server).items():
                            most[name] = max(most.get(name, 0.0), value)
            wait_for(lambda: not figures(server).get("log_queued_rows"), 120)
            told |= figures(server)
        return report(traffic, told, most, count_rows(store, world.spec.model), memory)


@contextmanager
def ending_badly_if(expected: Callable[[], bool]) -> Iterator[None]:
    """A server whose log dropped rows says so by its exit code; any other fails as it should."""
    try:
        yield
    except ServingError:
        if not expected():
            raise


def count_rows(store: Store, model: str) -> int:
    """How many rows the log holds, counted from its files."""
    import io

    import pyarrow.parquet as pq

    names = latest_versions(store.names(f"{model}/predictions"))
    return sum(pq.read_metadata(io.BytesIO(store.read(name))).num_rows for name in names)


def report(
    traffic: Traffic,
    told: dict[str, float],
    most: dict[str, float],
    logged: int,
    memory: dict[str, float],
) -> int:
    """Print what came of it; 1 where a promise was broken."""
    for phase in ("calm", "hung", "after"):
        tally = traffic.tallies[phase]
        print(
            f"{phase:<6} {tally.requests:>8,} requests, {sum(tally.failed.values())} failed, "
            f"p50 {1e3 * tally.quantile(0.5):.1f} ms, p99 {1e3 * tally.quantile(0.99):.1f} ms, "
            f"memory at most {memory[phase]:.0f} MB"
        )
    served, dropped = int(told["rows"]), int(told["log_dropped_rows"])
    print(f"rows   {served:>8,} served, {logged:,} in the store, {dropped:,} dropped and counted")
    print(
        f"queue  {int(most['log_queued_rows']):>8,} rows of "
        f"{most['log_queued_bytes'] / 2**20:.1f} MB at most; "
        f"{memory['start']:.0f} MB of memory at the start, without Arrow and the store's client"
    )
    sound = traffic.total.sound and logged + dropped == served
    print("sound" if sound else f"NOT SOUND: {traffic.wrong[:3]}")
    return 0 if sound else 1


def main() -> int:
    """Read the flags and run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the store hangs")
    parser.add_argument("--queue-mb", type=float, default=256.0, help="how much may be held")
    given = parser.parse_args()
    return measure(given.seconds, given.queue_mb)


if __name__ == "__main__":
    sys.exit(main())
