"""Fixtures that several packages' tests share."""

import json
import logging
import os
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import HealthCheck, settings

from components.serving.logs import StderrHandler

# A machine that is busy with other things is no fault of what is tested.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """What is fetched from stores elsewhere stays out of the user's own cache."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        os.environ.pop("XDG_CACHE_HOME")
    else:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture(autouse=True)
def own_log():
    """A server that ran in this process leaves no log behind that writes to other tests' stderr."""
    yield
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, StderrHandler)]:
        root.removeHandler(handler)
        root.setLevel(logging.WARNING)


def _take_turns(server):
    """One request at a time: moto looks at a condition and writes in two steps, S3 in one."""
    answer, turn = server.app, threading.Lock()

    def alone(environ, start_response):
        with turn:
            return answer(environ, start_response)

    server.app = alone


@pytest.fixture(scope="session")
def s3_endpoint():
    """A real S3 service on a free port of this machine; one for each test process."""
    from moto.server import ThreadedMotoServer

    given = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = {key: os.environ.get(key) for key in [*given, "AWS_ENDPOINT_URL"]}
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _take_turns(server._server)
    host, port = server.get_host_and_port()
    # botocore and s3fs find the service through this variable, as a user's would.
    os.environ.update(given, AWS_ENDPOINT_URL=f"http://{host}:{port}")
    yield os.environ["AWS_ENDPOINT_URL"]
    server.stop()
    for key, value in before.items():
        if value is None:
            os.environ.pop(key, None)
        else:
            os.environ[key] = value


@pytest.fixture
def s3_address(s3_endpoint):
    """A new bucket's address."""
    import s3fs

    bucket = f"driftline-{uuid.uuid4().hex[:8]}"
    s3fs.S3FileSystem(endpoint_url=s3_endpoint).mkdir(bucket)
    return f"s3://{bucket}/store"


@pytest.fixture
def inbox():
    """A web service that keeps what it is sent."""
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, json.loads(body)))
            self.send_response(500 if "broken" in self.path else 200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"json://127.0.0.1:{server.server_address[1]}", received
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def eventually():
    """Wait for a condition, and fail when it does not come."""

    def wait_for(condition, timeout=60.0):
        pause, deadline = threading.Event(), time.monotonic() + timeout
        while not (value := condition()):
            assert time.monotonic() < deadline, "the condition did not come true in time"
            pause.wait(0.01)
        return value

    return wait_for
